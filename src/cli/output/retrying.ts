import { isHeldUp, type Retrying } from '../../contracts/run';
import type { Printer } from './printer';
import { plain, utc } from './text';

/** Why nothing moves although nothing has failed for good. */
export function retryingText(retrying: Retrying, printer: Printer): string {
  const { attempt, failedAt, nextAttemptAt, error } = retrying;
  const next = `attempt ${attempt + 1} ${nextAttemptAt == null ? 'is under way' : `at ${utc(nextAttemptAt)}`}`;
  const what = isHeldUp(retrying) ? 'Held up' : `Tried again: attempt ${attempt} failed at ${utc(failedAt)}, ${next}`;
  return [printer.paint('yellow', `${what}: ${plain(error.code)}: ${plain(error.message)}`), `hint:  ${plain(error.hint)}`].join('\n');
}

/** The same in a few words, for a line that goes on with the code. */
export const retryingWords = (retrying: Retrying): string => (isHeldUp(retrying) ? 'held up' : `attempt ${retrying.attempt} failed`);

/** For whoever waits: says it once for each reason, with what to do; how often it was tried is none. */
export class RetryingNotes {
  private said = '';

  constructor(private readonly say: (text: string, at: string | null) => void) {}

  see(retrying: Retrying | null | undefined): void {
    const text = retrying == null ? '' : plain(`${retrying.error.code}: ${retrying.error.message}`);
    if (text === this.said) return;
    this.said = text;
    if (retrying == null) return;
    this.say(`${retryingWords(retrying)}${isHeldUp(retrying) ? '' : ' and is tried again'}: ${text}`, retrying.failedAt);
    this.say(`hint: ${plain(retrying.error.hint)}`, retrying.failedAt);
  }
}

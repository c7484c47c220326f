import { toModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';

/** One line of `modosu doctor`. */
export interface Check {
  /** What was looked at, such as `repository main`. */
  readonly subject: string;
  /** `warn`: runs work, but somebody should look. A check that could not be made is `fail`, never `ok`. */
  readonly state: 'ok' | 'warn' | 'fail';
  /** What is there, or what is wrong. */
  readonly detail: string;
  /** What to do; null when all is well. */
  readonly hint: string | null;
  readonly code: string | null;
}

export const ok = (subject: string, detail: string): Check => ({ subject, state: 'ok', detail, hint: null, code: null });
export const warn = (subject: string, detail: string, hint: string, code: string | null = null): Check => ({ subject, state: 'warn', detail, hint, code });
export const fail = (subject: string, detail: string, hint: string, code: string | null = null): Check => ({ subject, state: 'fail', detail, hint, code });

export function failed(subject: string, thrown: unknown): Check {
  const { message, hint, code } = toModosuError(thrown);
  return fail(subject, message, hint, code);
}

/** A restore needs about as much as the disks take; below this it is time to look. */
const LOW_BYTES = 1024 ** 3;

/** All is well, as long as there is room. */
export const withRoom = (subject: string, detail: string, free: number): Check =>
  free < LOW_BYTES
    ? warn(
        subject,
        `${detail}, only ${formatBytes(free)} free`,
        'Make room before the next backup or restore; both are refused when it does not suffice.',
        'NOT_ENOUGH_SPACE',
      )
    : ok(subject, `${detail}, ${formatBytes(free)} free`);

const DEADLINE_MS = 20_000;

/** Runs one look at the world. What it throws, and silence, become a `fail` line: one broken part never hides the others. */
export async function look(subject: string, action: () => Promise<Check | readonly Check[]>, deadlineMs = DEADLINE_MS): Promise<readonly Check[]> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<Check>((resolve) => {
    timer = setTimeout(
      () => resolve(fail(subject, `No answer within ${deadlineMs / 1000} s.`, 'Look at the storage and the services behind it; something there hangs.')),
      deadlineMs,
    );
  });
  try {
    return [await Promise.race([action(), silence])].flat();
  } catch (thrown) {
    return [failed(subject, thrown)];
  } finally {
    clearTimeout(timer);
  }
}

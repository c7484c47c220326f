import { ModosuError } from '../contracts/errors';
import { cleanWords } from '../contracts/text';
import type { ProbeTarget } from './probe';

/** What each way of asking gets beside its probe. */
export interface Asked {
  readonly target: ProbeTarget;
  /** On the clock of `performance.now`: when the marker's time is over. */
  readonly endsAt: number;
  /** Aborted when that time is over, and when nobody wants the answer any more. Whoever asks over the network leaves nothing open after it. */
  readonly signal: AbortSignal;
}

/** Longer than that, words of somebody else are cut. */
const MAX_WORDS = 300;

/** `PROBE_FAILED`. `sentence` is ours, without its full stop; `words` are those of whoever was asked, who may be hostile. */
export function probeFailed(sentence: string, words = '', cause?: unknown): ModosuError {
  const said = cleanWords(words, MAX_WORDS, { keep: 'end' });
  return new ModosuError('PROBE_FAILED', `${sentence}${said === '' ? '.' : `: ${said}`}`, { cause });
}

/** `parameter`: whose value is in the way. */
export const probeInvalid = (message: string, parameter?: string): ModosuError =>
  new ModosuError('PROBE_INVALID', message, parameter === undefined ? {} : { context: { parameter } });

/** Throws `PEER_ADDRESS_MISSING`. */
export function addressOf({ address }: ProbeTarget): string {
  if (address !== null) return address;
  throw new ModosuError('PEER_ADDRESS_MISSING', 'The probe asks over the network, and no address of the server is declared.');
}

/** Throws `PROBE_INVALID` for what is no port. */
export function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw probeInvalid(`"${cleanWords(text, 40)}" is no port: it is not a whole number from 1 to 65535.`);
}

/** For messages. */
export const placeOf = (address: string, port: number): string => cleanWords(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`, 300);

import { isModosuError, ModosuError } from '../contracts/errors';
import { cleanWords } from '../contracts/text';
import { probeFailed } from './transport';

/** Nobody was there, or the way was closed: of what was asked nothing is known. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EINVAL',
  'EADDRNOTAVAIL',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

interface Failure {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly errors?: unknown;
}

const asFailure = (error: unknown): Failure => (typeof error === 'object' && error !== null ? error : {});

/** Of every address of a name that was tried. */
export function codesOf(error: unknown): readonly string[] {
  const { errors } = asFailure(error);
  return (Array.isArray(errors) ? errors : [error]).map((one) => String(asFailure(one).code ?? ''));
}

/** What Node says of a connection, as `PEER_UNREACHABLE`; what else went wrong on the wire, as `PROBE_FAILED`. Errors of ours stay as they are. */
export function networkFailure(error: unknown, place: string): ModosuError {
  if (isModosuError(error)) return error;
  const codes = codesOf(error);
  const { message } = asFailure(error);
  // Some come from a peer: the names in a certificate do.
  const words = cleanWords(typeof message === 'string' && message !== '' ? message : codes.join(', '), 200);
  if (!codes.every((code) => UNREACHABLE.has(code))) return probeFailed(`The conversation with ${place} went wrong`, words, error);
  return new ModosuError('PEER_UNREACHABLE', `${place} cannot be reached: ${words}`, { cause: error });
}

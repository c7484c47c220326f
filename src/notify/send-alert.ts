import type { AlertMessage } from '../contracts/alert';

/**
 * A channel. May be called again for the same message, and has then to send it under the same id. Null: the receiver has it. Otherwise what kept it from
 * getting there, for people: never with a part of the address, of a login or of what the receiver said. Does not throw; ends soon after the signal.
 */
export type SendAlert = (message: AlertMessage, signal: AbortSignal) => Promise<string | null>;

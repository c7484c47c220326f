import { inspect } from 'node:util';

const SHOWN = '[secret]';

/**
 * A value from a secret store, which shows itself nowhere: in no text, JSON, log or inspection, and a copy of it (`structuredClone`, a message to another
 * thread) has none. To be revealed where it is used, and kept no longer than that.
 */
export class SecretValue {
  readonly #value: string;

  /** @param version which version of the secret it is; of `current` the one that was current when it was read */
  constructor(
    value: string,
    readonly version: string,
  ) {
    this.#value = value;
  }

  /** Never for arguments, logs, errors, histories. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

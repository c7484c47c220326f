/** Work that has not ended by then is given up: whoever asks next begins anew, so that a connection that died without a word does not count for ever. */
const GIVE_UP_MS = 60_000;

/**
 * Work whose result many may have: whoever asks while it goes on waits for the same one, and its result serves for `keepMs` more. A failure is not kept.
 * For what is asked without a token, or costs more with every year of history.
 */
export class Shared<T> {
  private going: { readonly result: Promise<T>; readonly sinceMs: number } | null = null;
  private kept: { readonly result: T; readonly untilMs: number } | null = null;

  constructor(
    private readonly work: () => Promise<T>,
    private readonly keepMs = 1000,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  async now(): Promise<T> {
    if (this.kept !== null && this.nowMs() < this.kept.untilMs) return this.kept.result;
    if (this.going === null || this.nowMs() - this.going.sinceMs > GIVE_UP_MS) this.going = { result: this.work(), sinceMs: this.nowMs() };
    const going = this.going;
    try {
      const result = await going.result;
      this.kept = { result, untilMs: this.nowMs() + this.keepMs };
      return result;
    } finally {
      if (this.going === going) this.going = null;
    }
  }
}

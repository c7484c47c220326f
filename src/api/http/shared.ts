/**
 * Work whose result many may have: whoever asks while it goes on waits for the same one, and its result serves for `keepMs` more. A failure is not kept.
 * For what is asked without a token, or costs more with every year of history.
 */
export class Shared<T> {
  private going: Promise<T> | null = null;
  private kept: { readonly result: T; readonly untilMs: number } | null = null;

  constructor(
    private readonly work: () => Promise<T>,
    private readonly keepMs = 1000,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  async now(): Promise<T> {
    if (this.kept !== null && this.nowMs() < this.kept.untilMs) return this.kept.result;
    this.going ??= this.work().finally(() => {
      this.going = null;
    });
    const result = await this.going;
    this.kept = { result, untilMs: this.nowMs() + this.keepMs };
    return result;
  }
}

import type { Log } from '../../config/log';
import { toModosuError } from '../../contracts/errors';

/** What a loop tries again and again: what fails keeps nothing else from being done, and is told once, until it works again. */
export class Attempts {
  /** Code of what went wrong last, by what was tried. */
  private readonly problems = new Map<string, string>();

  constructor(private readonly log: Log) {}

  /** Gives whether it went well. Never throws. */
  async attempt(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      if (this.problems.delete(what)) this.log.info({}, `${what}: it works again`);
      return true;
    } catch (thrown) {
      const { code } = toModosuError(thrown);
      if (this.problems.get(what) !== code) this.log.warn({ code, error: thrown }, `${what}: it failed and is tried again`);
      this.problems.set(what, code);
      return false;
    }
  }
}

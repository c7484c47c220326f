import { withinDeadline } from '../../contracts/deadline';
import type { ModosuError } from '../../contracts/errors';

/**
 * Work on something that may hang, such as storage that is mounted: one at a time for each key. A call of the operating system that hangs holds a thread of
 * the process until it ends, and there are few; so nothing is begun while one hangs, whoever asks and however long it takes.
 */
export class Turns {
  private readonly going = new Map<string, Promise<void>>();

  /** The work's result, or what `late` says when it has not ended after `timeoutMs`, its turn included. Work whose turn has not come by then is never begun. */
  async take<T>(key: string, work: () => Promise<T>, timeoutMs: number, late: () => ModosuError): Promise<T> {
    const until = performance.now() + timeoutMs;
    const left = (): number => Math.max(0, until - performance.now());
    for (let before = this.going.get(key); before !== undefined; before = this.going.get(key)) await withinDeadline(before, left(), late);
    const mine = work();
    const over = (): void => void this.going.delete(key);
    this.going.set(key, mine.then(over, over));
    return withinDeadline(mine, left(), late);
  }
}

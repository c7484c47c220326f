import { randomUUID } from 'node:crypto';
import { ModosuError } from '../../../contracts/errors';
import { identify } from '../../../system/process-record';
import { monotonicMs, type Freeze, type GuardFiles, type GuardWord } from './guard-state';

/**
 * What the worker tells the guard, each time before it does the thing. Writing fails with `FENCED_OFF` when a later attempt of the same run has taken over: an
 * activity that was thought dead must not go on beside its successor.
 */
export class WorkerWord {
  private constructor(
    private readonly files: GuardFiles,
    private current: GuardWord,
  ) {}

  /** Takes over, from this process on: the last one who does may go on. `basis`: what is true of the server by now; also the whole word of whoever was at it before. */
  static async takeOver(files: GuardFiles, basis: Pick<GuardWord, 'freezes' | 'job' | 'jobAskedAtMs' | 'rateLimited' | 'afterHookOwed'>): Promise<WorkerWord> {
    const worker = await identify(process.pid, 'worker');
    if (worker === null) throw new ModosuError('INTERNAL', 'The worker cannot find out which process it is.');
    const word: GuardWord = { ...basis, attempt: randomUUID(), worker };
    await files.writeWord(word);
    return new WorkerWord(files, word);
  }

  get said(): GuardWord {
    return this.current;
  }

  freezing = (askedAtMs: number): Promise<void> => this.change({ freezes: [...this.current.freezes, { askedAtMs, answered: false, thawed: false }] });
  freezeAnswered = (askedAtMs: number): Promise<void> => this.changeFreeze(askedAtMs, { answered: true });
  thawed = (askedAtMs: number): Promise<void> => this.changeFreeze(askedAtMs, { thawed: true });
  owesAfterHook = (afterHookOwed: boolean): Promise<void> => this.change({ afterHookOwed });
  jobAsked = (): Promise<void> => this.change({ job: 'asked', jobAskedAtMs: monotonicMs() });
  job = (job: GuardWord['job']): Promise<void> => this.change({ job });
  rateLimited = (): Promise<void> => this.change({ rateLimited: true });

  /** Throws `FENCED_OFF`. */
  async requireOurs(): Promise<void> {
    const present = await this.files.readWord();
    if (present?.attempt === this.current.attempt) return;
    throw new ModosuError('FENCED_OFF', 'Another attempt of this backup has taken over.');
  }

  private changeFreeze(askedAtMs: number, change: Partial<Freeze>): Promise<void> {
    return this.change({ freezes: this.current.freezes.map((freeze) => (freeze.askedAtMs === askedAtMs ? { ...freeze, ...change } : freeze)) });
  }

  private async change(change: Partial<GuardWord>): Promise<void> {
    await this.requireOurs();
    this.current = { ...this.current, ...change };
    await this.files.writeWord(this.current);
  }
}

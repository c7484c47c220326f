import { isModosuError, ModosuError } from '../../contracts/errors';
import { REMOVAL_REFUSED, resticWords } from '../../domain/restic-outcome';
import { removeLeftovers } from '../restic/leftovers';
import { inPortions } from '../restic/restic-arguments';
import type { ResticOptions } from '../restic/restic-command';
import type { OffsitePlace, OffsiteTarget } from './offsite-place';
import { goingWith } from './receipt';
import type { StoredCopies } from './stored-copies';

/** Rewritten by one prune at most, as of data repositories. */
const MOST_REWRITTEN = '4G';
const NOTHING = 'Nothing was removed.';

/** Takes out of an off-site repository what is not wanted any more, or is not what was written. By explicit ids of snapshots. */
export class CopyRemoval {
  constructor(
    private readonly name: string,
    private readonly place: OffsitePlace,
    private readonly copies: StoredCopies,
  ) {}

  /** Copies, and then what only they needed. */
  async remove(target: OffsiteTarget, recoveryPointIds: ReadonlySet<string>, signal: AbortSignal | undefined): Promise<void> {
    try {
      const { snapshots, unreadable } = await this.copies.trees(target);
      if (unreadable) {
        throw new ModosuError('RECOVERY_POINT_CORRUPT', `A snapshot in the off-site repository ${this.name} is damaged. ${NOTHING}`, {
          context: target.context,
        });
      }
      await this.requireWhole(target, signal);
      const { receipts, contents } = goingWith(recoveryPointIds, snapshots, target.password);
      // Receipts first: without one a copy is not there, and nobody finds half of it.
      for (const some of [receipts, contents]) await this.forget(target, some, signal);
      const began = new Date();
      await this.run(target, ['prune', '--max-repack-size', (await this.place.isNearlyFull()) ? '0' : MOST_REWRITTEN], { isLong: true, ...withSignal(signal) });
      if (this.place.directory !== null) await removeLeftovers(this.place.directory, began);
    } catch (error) {
      // A restic that was killed has left its exclusive lock, in the way of everybody.
      await this.place.removeStaleLocks(target).catch(() => undefined);
      throw error;
    }
  }

  /** Snapshots alone: what is stored for them stays. */
  async forget(target: OffsiteTarget, snapshotIds: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    for (const some of inPortions(snapshotIds)) await this.run(target, ['forget', ...some], withSignal(signal));
  }

  /** What is gone from the storage is struck from the index, so that restic writes it again; false: nothing is gone. Alone in the repository only where something is. */
  async strikeWhatIsGone(target: OffsiteTarget, signal: AbortSignal): Promise<boolean> {
    if (!(await this.copies.lackSomething(target, signal))) return false;
    await this.run(target, ['rebuild-index'], { isLong: true, signal });
    return true;
  }

  /** `prune` calls it a success when the storage has refused to remove its packs. */
  private async run(target: OffsiteTarget, args: readonly string[], options: ResticOptions): Promise<void> {
    const refused = (words: string, cause?: unknown): ModosuError =>
      new ModosuError('OFFSITE_DELETE_REFUSED', `The storage of the off-site repository ${this.name} lets nothing be removed: ${words}`, {
        context: target.context,
        cause,
      });
    try {
      const { stderr } = await this.place.run(target, args, { giveUpOn: REMOVAL_REFUSED, fills: this.place.directory, ...options });
      if (REMOVAL_REFUSED.test(stderr)) throw refused(resticWords(stderr, target.secrets));
    } catch (error) {
      if (isModosuError(error) && error.code === 'OFFSITE_DELETE_REFUSED' && error.cause === undefined) throw refused(error.message, error);
      throw error;
    }
  }

  /** What is missing somewhere must not become more: whoever mends it may need what nothing refers to. */
  private async requireWhole(target: OffsiteTarget, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.place.check(target, [], signal);
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'RECOVERY_POINT_CORRUPT') throw error;
      throw new ModosuError(error.code, `${error.message} ${NOTHING}`, { context: error.context, cause: error });
    }
  }
}

const withSignal = (signal: AbortSignal | undefined): Pick<ResticOptions, 'signal'> => (signal === undefined ? {} : { signal });

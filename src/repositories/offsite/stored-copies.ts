import { isModosuError, ModosuError } from '../../contracts/errors';
import { sha256Of } from '../../system/sha256';
import { requireRecoveryPointId, requireServerId } from '../restic/restic-arguments';
import { outcomeOf } from '../restic/restic-command';
import type { SnapshotTree } from '../restic/restic-output';
import type { SnapshotReader } from '../restic/snapshot-reader';
import type { OffsitePlace, OffsiteTarget } from './offsite-place';
import { copiesIn, RECEIPT_FILE, type FoundCopy } from './receipt';

/** Which copies an off-site repository holds, and what their receipts say. Only reads. */
export class StoredCopies {
  constructor(
    private readonly name: string,
    private readonly place: OffsitePlace,
    private readonly reader: SnapshotReader,
  ) {}

  /** Without a lock: it is one moment, and works where no lock can be written. */
  trees(target: OffsiteTarget): Promise<{ readonly snapshots: readonly SnapshotTree[]; readonly unreadable: boolean }> {
    return this.place.pastStaleLocks(target, () => this.reader.trees({ ...target, canLock: false }));
  }

  async all(target: OffsiteTarget): Promise<readonly FoundCopy[]> {
    return copiesIn((await this.trees(target)).snapshots, target.password);
  }

  async of(target: OffsiteTarget, recoveryPointId: string): Promise<FoundCopy | null> {
    return (await this.all(target)).find((copy) => copy.recoveryPointId === recoveryPointId) ?? null;
  }

  /** Throws `RECOVERY_POINT_NOT_FOUND`. */
  async require(target: OffsiteTarget, serverId: string, recoveryPointId: string, kind: 'image' | 'data'): Promise<FoundCopy> {
    requireServerId(serverId);
    requireRecoveryPointId(recoveryPointId);
    const copy = await this.of(target, recoveryPointId);
    return copy?.serverId === serverId && copy.kind === kind ? copy : this.notFound(recoveryPointId);
  }

  notFound(recoveryPointId: string): never {
    throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `The off-site repository ${this.name} holds no such copy of the recovery point ${recoveryPointId}.`, {
      context: { repository: this.name, recoveryPointId },
    });
  }

  async manifestOf(target: OffsiteTarget, { receipt, receiptId }: FoundCopy): Promise<Buffer> {
    const bytes = await this.place.reading(target, (readable, giveUpOn) =>
      this.reader.dump(readable, receiptId, `/${RECEIPT_FILE}`, receipt.manifestBytes, giveUpOn === undefined ? {} : { giveUpOn }),
    );
    if (bytes.length === receipt.manifestBytes && sha256Of(bytes) === receipt.manifestSha256) return bytes;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest of the copy of ${receipt.recoveryPointId} in ${this.name} is not what was written.`, {
      context: { recoveryPointId: receipt.recoveryPointId },
    });
  }

  /** The index names packs, or packs what no index names. */
  async lackSomething(target: OffsiteTarget, signal: AbortSignal): Promise<boolean> {
    try {
      await this.place.check(target, ['--no-lock'], signal);
      return false;
    } catch (error) {
      if (isModosuError(error) && (error.code === 'RECOVERY_POINT_CORRUPT' || outcomeOf(error) === 'repository-damaged')) return true;
      throw error;
    }
  }
}

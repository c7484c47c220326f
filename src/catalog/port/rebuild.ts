import type { CatalogCopyPlace, CatalogCopyState } from '../../contracts/catalog-copy';
import type { DataManifest } from '../../contracts/data';
import type { ServerFacts } from '../../contracts/facts';
import type { MadeCopy } from '../../contracts/offsite-copies';
import type { DataRecoveryPointView, ImageManifest, ImageRecoveryPointView } from '../../contracts/recovery-point';
import type { Actor, AdoptedServer } from './requests';

/** Copies of the catalogue itself, and what is taken in from repositories where it was lost. */
export interface RebuildCatalog {
  /**
   * The place, of those that the caller reaches, that gets a copy of the catalogue next, which the caller is to make now: the one whose newest copy lacks what has
   * happened since, or is a day old, and that nobody has tried for `everyMs`. Places that are not declared are nobody's. Null: none is due. Of several workers that
   * ask at once one gets it. Not audited.
   */
  takeCatalogCopyTurn(everyMs: number, reachable: readonly CatalogCopyPlace[]): Promise<CatalogCopyPlace | null>;
  /** What came of it. Not audited: an entry would ask for the next copy. */
  recordCatalogCopy(
    place: CatalogCopyPlace,
    outcome: { readonly auditSeq: number; readonly copiedAt: Date } | { readonly problem: { readonly code: string; readonly message: string } },
  ): Promise<void>;
  /** Of every image repository, then of every off-site one, by name. */
  catalogCopies(): Promise<readonly CatalogCopyState[]>;
  /**
   * A server that its recovery points tell of: made under its id where it is not known, without a policy. One that is known goes on with the line of disks of
   * its newest image. Idempotent. Audited as `server.adopted`. Throws `HYPERVISOR_NOT_CONFIGURED`, `REPOSITORY_NOT_CONFIGURED`; `ESTATE_CONFLICT` where another
   * server has its name, or its UUID on that hypervisor.
   */
  adoptServer(actor: Actor, server: AdoptedServer): Promise<'added' | 'known'>;
  /**
   * As `recordRecoveryPoint`, of one that was found and that nobody had recorded. Audited as `recovery-point.adopted`.
   * @param missing why it is not usable: it does not lie in its repository, but elsewhere. Absent: it lies there
   */
  adoptRecoveryPoint(
    actor: Actor,
    manifest: ImageManifest,
    repository: string,
    manifestSha256: string,
    missing?: string,
    facts?: ServerFacts | null,
  ): Promise<ImageRecoveryPointView>;
  /** The same for a data recovery point. */
  adoptDataRecoveryPoint(actor: Actor, manifest: DataManifest, missing?: string): Promise<DataRecoveryPointView>;
  /**
   * A copy that was found off-site, of something that does not lie here, and that nobody had recorded or begun to make. What is known of another one stays: false;
   * a transfer proves more than a receipt tells. Audited as `offsite.copy-adopted`. Throws `RECOVERY_POINT_NOT_FOUND`, `OFFSITE_NOT_CONFIGURED`.
   */
  adoptOffsiteCopy(actor: Actor, offsite: string, recoveryPointId: string, found: MadeCopy): Promise<boolean>;
}

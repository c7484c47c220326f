import type { Catalog } from '../../catalog/catalog';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { RecoveryPointView } from '../../contracts/recovery-point';
import type { OffsiteCopy, OffsiteRepository } from '../../repositories/offsite/offsite-repository';
import { allRecoveryPoints, type Findings } from './findings';
import type { FoundImage, ImageAdoption } from './image-adoption';

export interface OffsiteSearchParts {
  readonly catalog: Pick<Catalog, 'listOffsite' | 'copiesIn' | 'listRepositories' | 'listRecoveryPoints' | 'adoptDataRecoveryPoint' | 'adoptOffsiteCopy'>;
  readonly offsiteRepository: (name: string) => Promise<OffsiteRepository>;
  readonly actor: string;
  /** Looks, and changes nothing. */
  readonly isDryRun: boolean;
}

/** An off-site repository with what it holds. */
interface CopyPlace {
  readonly name: string;
  readonly repository: OffsiteRepository;
  readonly copies: readonly OffsiteCopy[];
}

/** What lies in off-site repositories, and is not known, or not known to lie there. */
export class OffsiteSearch {
  constructor(
    private readonly parts: OffsiteSearchParts,
    private readonly findings: Findings,
    private readonly adoption: ImageAdoption,
  ) {}

  /** What lies off-site. Copies that are gone are found by checks. */
  async copies(): Promise<readonly CopyPlace[]> {
    const { catalog, offsiteRepository } = this.parts;
    const places: CopyPlace[] = [];
    for (const { name } of await catalog.listOffsite()) {
      await this.findings.attempt(this.findings.notLooked, offsiteWhere(name), async () => {
        const repository = await offsiteRepository(name);
        places.push({ name, repository, copies: await this.copiesIn(repository, name) });
      });
    }
    return places;
  }

  /** Of recovery points that nobody knows: made after the copy of the catalogue that was read back, or before there was any. */
  async copiesOfImages(places: readonly CopyPlace[]): Promise<void> {
    for (const { name, repository, copies } of places) {
      const known = await allRecoveryPoints(this.parts.catalog);
      const there: FoundImage[] = [];
      for (const copy of this.unknown(copies, 'image', known)) {
        const { serverId, recoveryPointId, manifestSha256 } = copy;
        const where = copyWhere(name, copy);
        await this.findings.attempt(this.findings.orphans, where, async () => {
          const of = (await this.findings.servers()).find(({ id }) => id === serverId)?.repository ?? (await this.onlyRepository());
          if (!this.findings.allImagesLooked) return this.unsure(where, 'not every image repository was');
          const manifest = await repository.openImage(serverId, recoveryPointId);
          there.push({ manifest, repository: of, where, whole: async () => ({ manifestSha256, facts: null }), missing: onlyThere(name) });
        });
      }
      await this.adoption.record(there, known);
    }
  }

  async copiesOfData(places: readonly CopyPlace[]): Promise<void> {
    const { catalog, actor, isDryRun } = this.parts;
    for (const { name, repository, copies } of places) {
      for (const copy of this.unknown(copies, 'data', await allRecoveryPoints(catalog))) {
        const { serverId, recoveryPointId } = copy;
        const where = copyWhere(name, copy);
        await this.findings.attempt(this.findings.orphans, where, async () => {
          const server = (await this.findings.servers()).find(({ id }) => id === serverId);
          if (server === undefined) throw new ModosuError('SERVER_NOT_FOUND', `No image tells of the server ${serverId}.`);
          if (!this.findings.dataLooked.has(serverId)) return this.unsure(where, `the data repository of ${server.name} was not`);
          const manifest = await repository.openData(serverId, recoveryPointId);
          if (!isDryRun) await catalog.adoptDataRecoveryPoint(actor, manifest, onlyThere(name));
          this.findings.added.add(recoveryPointId);
          this.findings.offsiteOnly.push({ where, what: `${manifest.dataSet.name} of ${server.name} from ${manifest.pointInTime}` });
        });
      }
    }
  }

  /** Copies of what does not lie here: of what does, a transfer makes sure, and records them. */
  async copiesOfKnown(places: readonly CopyPlace[]): Promise<void> {
    const { catalog, actor, isDryRun } = this.parts;
    const known = new Map((await allRecoveryPoints(catalog)).map((point) => [point.id, point]));
    for (const { name, copies } of places) {
      for (const { recoveryPointId, serverId, kind, snapshotIds, copiedAt, sizeBytes } of copies) {
        if (this.findings.here.has(recoveryPointId) || !(kind === 'image' ? this.findings.allImagesLooked : this.findings.dataLooked.has(serverId))) continue;
        if (!known.has(recoveryPointId) && !this.findings.added.has(recoveryPointId)) continue;
        const isRecorded = isDryRun
          ? known.get(recoveryPointId)?.copies?.some(({ offsite }) => offsite === name) !== true
          : await catalog.adoptOffsiteCopy(actor, name, recoveryPointId, { snapshotIds, copiedAt, sizeBytes });
        if (isRecorded) this.findings.copiesAdded += 1;
      }
    }
  }

  private unknown(copies: readonly OffsiteCopy[], kind: OffsiteCopy['kind'], known: readonly RecoveryPointView[]): readonly OffsiteCopy[] {
    const ids = new Set([...this.findings.here, ...this.findings.added, ...known.map(({ id }) => id)]);
    return copies.filter((copy) => copy.kind === kind && !ids.has(copy.recoveryPointId));
  }

  private unsure(where: string, place: string): void {
    this.findings.orphans.push({
      where,
      what: `Nobody knows it here, and ${place} looked at: it may lie there, too. Make that reachable, then: modosu catalog compare.`,
    });
  }

  /** One that was never used holds none. */
  private async copiesIn(repository: OffsiteRepository, name: string): Promise<readonly OffsiteCopy[]> {
    try {
      return await repository.list();
    } catch (error) {
      if (!isModosuError(error)) throw error;
      if (error.code === 'OFFSITE_MISSING' && (await this.parts.catalog.copiesIn(name)).length === 0) return [];
      throw error;
    }
  }

  /** Throws `REPOSITORY_NOT_CONFIGURED`. */
  private async onlyRepository(): Promise<string> {
    const names = (await this.parts.catalog.listRepositories()).map(({ name }) => name);
    const [name] = names;
    if (name !== undefined && names.length === 1) return name;
    const known = names.length === 0 ? 'none is declared' : `${names.join(', ')} are declared`;
    throw new ModosuError('REPOSITORY_NOT_CONFIGURED', `Of which image repository it is nobody knows, and ${known}.`);
  }
}

const onlyThere = (offsite: string): string => `It lies off-site alone, in ${offsite}, since before the catalogue was compared with it.`;

const offsiteWhere = (offsite: string): string => `off-site repository ${offsite}`;

const copyWhere = (offsite: string, { kind, recoveryPointId, serverId, copiedAt }: OffsiteCopy): string =>
  `${offsiteWhere(offsite)}: a copy of ${recoveryPointId} (${kind} of ${serverId}) from ${copiedAt}`;

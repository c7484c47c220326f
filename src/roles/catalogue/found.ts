import type { Catalog } from '../../catalog/catalog';
import { isModosuError } from '../../contracts/errors';
import { isId } from '../../contracts/ids';
import type { ImageManifest, RecoveryPointView } from '../../contracts/recovery-point';
import { MANIFEST_TAG, recoveryPointTag, type DataRepository } from '../../repositories/data/data-repository';
import type { ImageRepository } from '../../repositories/image/image-repository';
import { allRecoveryPoints, Findings, type Found } from './findings';
import { OffsiteSearch, type OffsiteSearchParts } from './found-offsite';
import { ImageAdoption, type FoundImage, type ImageAdoptionParts } from './image-adoption';

interface HereParts {
  readonly catalog: Pick<Catalog, 'listRepositories' | 'getRecoveryPoint' | 'adoptDataRecoveryPoint' | 'markRecoveryPoint'>;
  readonly imageRepository: (name: string) => Promise<ImageRepository>;
  /** Null: there is none to look at, and why. */
  readonly dataRepository: () => Promise<DataRepository>;
  readonly actor: string;
  /** Looks, and changes nothing. */
  readonly isDryRun: boolean;
}

export type FoundParts = HereParts & ImageAdoptionParts & OffsiteSearchParts;

/**
 * Compares what the repositories hold with what the catalogue knows. What is there and not known is recorded, with its server; what is known and not there is
 * marked as damaged until it is found again by a verification. What lies off-site alone is recorded as damaged with its copy, so that it can be fetched. Nothing
 * in a repository is changed. Idempotent. A place that does not answer keeps the others from nothing.
 */
export async function adoptFound(parts: FoundParts): Promise<Found> {
  const { catalog } = parts;
  const findings = new Findings(catalog);
  const images = new ImageAdoption(parts, findings);
  const here = new RepositorySearch(parts, findings, images);
  const offsite = new OffsiteSearch(parts, findings, images);
  // First what is known, then what is there: what is published in between must not look like a loss.
  const known = await allRecoveryPoints(catalog);
  await here.images(known);
  // Images tell of servers, whose data is looked for then.
  const places = await offsite.copies();
  await offsite.copiesOfImages(places);
  await here.data(known);
  await offsite.copiesOfData(places);
  await offsite.copiesOfKnown(places);
  return findings.found();
}

/** What lies in image and data repositories. */
class RepositorySearch {
  constructor(
    private readonly parts: HereParts,
    private readonly findings: Findings,
    private readonly adoption: ImageAdoption,
  ) {}

  async images(known: readonly RecoveryPointView[]): Promise<void> {
    const { catalog, imageRepository } = this.parts;
    const there: FoundImage[] = [];
    for (const { name } of await catalog.listRepositories()) {
      const where = `image repository ${name}`;
      const isLooked = await this.findings.attempt(this.findings.notLooked, where, async () => {
        const repository = await imageRepository(name);
        const { manifests, unreadable } = await repository.list();
        const of = known.filter((point) => point.kind === 'image' && point.repository === name);
        const ids = new Set(manifests.map(({ recoveryPointId }) => recoveryPointId));
        if (of.some(isExpected) && !of.some(({ id }) => ids.has(id))) {
          this.findings.notLooked.push({
            where,
            what: `It holds no recovery point of what is known, and ${of.filter(isExpected).length} are known: is it another one?`,
          });
          // In an empty one nothing lies that could be taken for lost.
          if (manifests.length + unreadable.length > 0) this.findings.allImagesLooked = false;
          return;
        }
        for (const id of ids) this.findings.here.add(id);
        for (const { path, problem } of unreadable) this.findings.orphans.push({ where: path, what: problem });
        there.push(...manifests.map((manifest) => imageHere(repository, manifest)));
        for (const point of of) if (!ids.has(point.id)) await this.lost(point, where);
      });
      if (!isLooked) this.findings.allImagesLooked = false;
    }
    await this.adoption.record(there, known);
  }

  async data(known: readonly RecoveryPointView[]): Promise<void> {
    const { dataRepository } = this.parts;
    let repository: DataRepository | null = null;
    if (!(await this.findings.attempt(this.findings.notLooked, 'data repository', async () => void (repository = await dataRepository())))) return;
    for (const { id: serverId, name } of await this.findings.servers()) {
      const where = `data repository of ${name}`;
      const of = known.filter((point) => point.kind === 'data' && point.serverId === serverId);
      await this.findings.attempt(this.findings.notLooked, where, async () => {
        if (repository !== null) await this.dataOf(repository, serverId, of, where);
      });
    }
  }

  private async dataOf(repository: DataRepository, serverId: string, of: readonly RecoveryPointView[], where: string): Promise<void> {
    const { catalog, actor, isDryRun } = this.parts;
    let ids: ReadonlySet<string>;
    try {
      ids = recoveryPointsIn(await repository.snapshots(serverId, [MANIFEST_TAG]));
    } catch (error) {
      // A server of which no data was ever saved has none.
      if (isModosuError(error) && error.code === 'DATA_REPOSITORY_MISSING' && of.length === 0) return void this.findings.dataLooked.add(serverId);
      throw error;
    }
    if (of.some(isExpected) && !of.some(({ id }) => ids.has(id))) {
      this.findings.notLooked.push({
        where,
        what: `It holds no recovery point of what is known, and ${of.filter(isExpected).length} are known: is it another one?`,
      });
      if (ids.size === 0) this.findings.dataLooked.add(serverId);
      return;
    }
    this.findings.dataLooked.add(serverId);
    for (const id of ids) {
      this.findings.here.add(id);
      if (of.some((point) => point.id === id)) {
        this.findings.known += 1;
        continue;
      }
      await this.findings.attempt(this.findings.orphans, `${where}: ${id}`, async () => {
        const manifest = await repository.open(serverId, id);
        if (!isDryRun) await catalog.adoptDataRecoveryPoint(actor, manifest);
        this.findings.added.add(id);
      });
    }
    for (const point of of) if (!ids.has(point.id)) await this.lost(point, where);
  }

  /** Looked at again: it may have been removed, or given up, meanwhile. */
  private async lost(point: RecoveryPointView, where: string): Promise<void> {
    const { catalog, isDryRun } = this.parts;
    const { id } = point;
    const now = await catalog.getRecoveryPoint(id);
    if (!isExpected(point) || !isExpected(now)) return;
    this.findings.missing.push({
      where,
      what: `${now.kind === 'image' ? `generation ${now.generation}` : now.dataSet} of ${now.serverName} from ${now.pointInTime}: ${id}`,
    });
    if (isDryRun) return;
    await catalog.markRecoveryPoint(id, 'damaged', `It was not in the ${where} when the catalogue was compared with it.`, {
      code: 'RECOVERY_POINT_INCOMPLETE',
    });
  }
}

const imageHere = (repository: ImageRepository, manifest: ImageManifest): FoundImage => {
  const { recoveryPointId, server } = manifest;
  return {
    manifest,
    repository: repository.name,
    where: `${repository.name}/servers/${server.id}/${recoveryPointId}`,
    whole: async () => {
      const { manifestSha256 } = await repository.open(server.id, recoveryPointId);
      return { manifestSha256, facts: await repository.readFacts(server.id, recoveryPointId) };
    },
    missing: null,
  };
};

/** It should be there. */
const isExpected = ({ state }: RecoveryPointView): boolean => state === 'usable' || state === 'expired';

function recoveryPointsIn(snapshots: readonly { readonly tags: readonly string[] }[]): ReadonlySet<string> {
  const prefix = recoveryPointTag('');
  const ids = snapshots.flatMap(({ tags }) => tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length)));
  return new Set(ids.filter((id) => isId('rp', id)));
}

import type { Catalog, Page, ServerRecord } from '../../catalog/catalog';
import type { RebuildReport, FoundProblem } from '../../contracts/catalog-copy';
import { isModosuError, ModosuError, toModosuError } from '../../contracts/errors';
import { isId } from '../../contracts/ids';
import type { ImageManifest, RecoveryPointView } from '../../contracts/recovery-point';
import { MANIFEST_TAG, recoveryPointTag, type DataRepository } from '../../repositories/data/data-repository';
import type { ImageRepository } from '../../repositories/image/image-repository';
import type { OffsiteCopy, OffsiteRepository } from '../../repositories/offsite/offsite-repository';

export interface FoundParts {
  readonly catalog: Pick<
    Catalog,
    | 'listHypervisors'
    | 'listOffsite'
    | 'copiesIn'
    | 'listRepositories'
    | 'listServers'
    | 'listRecoveryPoints'
    | 'getRecoveryPoint'
    | 'adoptServer'
    | 'adoptRecoveryPoint'
    | 'adoptDataRecoveryPoint'
    | 'adoptOffsiteCopy'
    | 'markRecoveryPoint'
  >;
  readonly imageRepository: (name: string) => Promise<ImageRepository>;
  /** Null: there is none to look at, and why. */
  readonly dataRepository: () => Promise<DataRepository>;
  readonly offsiteRepository: (name: string) => Promise<OffsiteRepository>;
  readonly actor: string;
  /** Where servers are that only their images tell of. Null: on the one that is declared. */
  readonly hypervisor: string | null;
  /** Looks, and changes nothing. */
  readonly isDryRun: boolean;
}

type Found = Pick<RebuildReport, 'servers' | 'recoveryPoints' | 'copiesAdded' | 'offsiteOnly' | 'missing' | 'orphans' | 'notLooked'>;

/** An image that was found, and what makes it a recovery point of the catalogue. */
interface FoundImage {
  readonly manifest: ImageManifest;
  /** The image repository that it is of. */
  readonly repository: string;
  readonly where: string;
  /** Checksum of its manifest, after a look whether all that it needs is there. */
  readonly whole: () => Promise<string>;
  /** Why it is not usable; null: it lies in its repository. */
  readonly missing: string | null;
}

/** An off-site repository with what it holds. */
interface CopyPlace {
  readonly name: string;
  readonly repository: OffsiteRepository;
  readonly copies: readonly OffsiteCopy[];
}

/**
 * Compares what the repositories hold with what the catalogue knows. What is there and not known is recorded, with its server; what is known and not there is
 * marked as damaged until it is found again by a verification. What lies off-site alone is recorded as damaged with its copy, so that it can be fetched. Nothing
 * in a repository is changed. Idempotent. A place that does not answer keeps the others from nothing.
 */
export async function adoptFound(parts: FoundParts): Promise<Found> {
  const { catalog } = parts;
  const search = new Search(parts);
  // First what is known, then what is there: what is published in between must not look like a loss.
  const known = await allRecoveryPoints(catalog);
  await search.images(known);
  // Images tell of servers, whose data is looked for then.
  const places = await search.copies();
  await search.copiesOfImages(places);
  await search.data(known);
  await search.copiesOfData(places);
  await search.copiesOfKnown(places);
  return search.found();
}

class Search {
  private readonly missing: FoundProblem[] = [];
  private readonly orphans: FoundProblem[] = [];
  private readonly notLooked: FoundProblem[] = [];
  private readonly offsiteOnly: FoundProblem[] = [];
  private readonly serversAdded = new Map<string, Pick<ServerRecord, 'id' | 'name' | 'repository'>>();
  private readonly serversFound = new Set<string>();
  private known = 0;
  private copiesAdded = 0;
  /** Also those that would be, if it were not only looked. */
  private readonly added = new Set<string>();
  /** What lies in its repository, in whatever state. */
  private readonly here = new Set<string>();
  /** Servers whose data was looked for: what was not found is not there. */
  private readonly dataLooked = new Set<string>();
  private allImagesLooked = true;

  constructor(private readonly parts: FoundParts) {}

  found = (): Found => ({
    servers: { found: this.serversFound.size, added: [...this.serversAdded.values()].map(({ name }) => name) },
    recoveryPoints: { known: this.known, added: this.added.size },
    copiesAdded: this.copiesAdded,
    offsiteOnly: this.offsiteOnly,
    missing: this.missing,
    orphans: this.orphans,
    notLooked: this.notLooked,
  });

  async images(known: readonly RecoveryPointView[]): Promise<void> {
    const { catalog, imageRepository } = this.parts;
    const there: FoundImage[] = [];
    for (const { name } of await catalog.listRepositories()) {
      const where = `image repository ${name}`;
      const isLooked = await this.attempt(this.notLooked, where, async () => {
        const repository = await imageRepository(name);
        const { manifests, unreadable } = await repository.list();
        const of = known.filter((point) => point.kind === 'image' && point.repository === name);
        const ids = new Set(manifests.map(({ recoveryPointId }) => recoveryPointId));
        if (of.some(isExpected) && !of.some(({ id }) => ids.has(id))) {
          this.notLooked.push({
            where,
            what: `It holds no recovery point of what is known, and ${of.filter(isExpected).length} are known: is it another one?`,
          });
          // In an empty one nothing lies that could be taken for lost.
          if (manifests.length + unreadable.length > 0) this.allImagesLooked = false;
          return;
        }
        for (const id of ids) this.here.add(id);
        for (const { path, problem } of unreadable) this.orphans.push({ where: path, what: problem });
        there.push(...manifests.map((manifest) => imageHere(repository, manifest)));
        for (const point of of) if (!ids.has(point.id)) await this.lost(point, where);
      });
      if (!isLooked) this.allImagesLooked = false;
    }
    await this.recordImages(there, known);
  }

  private async recordImages(there: readonly FoundImage[], known: readonly RecoveryPointView[]): Promise<void> {
    for (const serverId of new Set(there.map(({ manifest }) => manifest.server.id))) {
      const entries = there.filter(({ manifest }) => manifest.server.id === serverId);
      const generations = new Map(known.flatMap((point) => (point.kind === 'image' && point.serverId === serverId ? [[point.id, point.generation]] : [])));
      await this.server(
        serverId,
        entries.toSorted((a, b) => a.manifest.generation - b.manifest.generation),
        generations,
      );
    }
  }

  private async server(serverId: string, entries: readonly FoundImage[], known: ReadonlyMap<string, number>): Promise<void> {
    const { catalog, actor, hypervisor, isDryRun } = this.parts;
    const newest = entries.at(-1);
    if (newest === undefined) return;
    this.serversFound.add(serverId);
    const { name, uuid } = newest.manifest.server;
    const server = (await catalog.listServers()).find(({ id }) => id === serverId);
    // One that lies elsewhere may be of a line that the server has left since.
    const isNewer = newest.missing === null && !known.has(newest.manifest.recoveryPointId) && newest.manifest.generation > Math.max(0, ...known.values());
    const isOurs = await this.attempt(this.orphans, `server ${name} (${serverId})`, async () => {
      // A catalogue that knows the newest image knows better than it which disks the server has: an undo makes no image.
      if (server !== undefined && !isNewer) return;
      const { lineageId } = newest.manifest;
      const on = server?.hypervisor ?? hypervisor ?? (await this.onlyHypervisor());
      if (!isDryRun) {
        await catalog.adoptServer(actor, {
          id: serverId,
          name,
          uuid,
          hypervisor: on,
          repository: newest.repository,
          lineageId,
        });
      }
      if (server === undefined) this.serversAdded.set(serverId, { id: serverId, name, repository: newest.repository });
    });
    if (!isOurs) return;
    for (const { repository, manifest, where, whole, missing } of entries) {
      if (known.has(manifest.recoveryPointId)) {
        this.known += 1;
        continue;
      }
      await this.attempt(this.orphans, where, async () => {
        const manifestSha256 = await whole();
        if (!isDryRun) await catalog.adoptRecoveryPoint(actor, manifest, repository, manifestSha256, missing ?? undefined);
        this.added.add(manifest.recoveryPointId);
        if (missing !== null) this.offsiteOnly.push({ where, what: `generation ${manifest.generation} of ${name} from ${manifest.pointInTime}` });
      });
    }
  }

  async data(known: readonly RecoveryPointView[]): Promise<void> {
    const { dataRepository } = this.parts;
    let repository: DataRepository | null = null;
    if (!(await this.attempt(this.notLooked, 'data repository', async () => void (repository = await dataRepository())))) return;
    for (const { id: serverId, name } of await this.servers()) {
      const where = `data repository of ${name}`;
      const of = known.filter((point) => point.kind === 'data' && point.serverId === serverId);
      await this.attempt(this.notLooked, where, async () => {
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
      if (isModosuError(error) && error.code === 'DATA_REPOSITORY_MISSING' && of.length === 0) return void this.dataLooked.add(serverId);
      throw error;
    }
    if (of.some(isExpected) && !of.some(({ id }) => ids.has(id))) {
      this.notLooked.push({ where, what: `It holds no recovery point of what is known, and ${of.filter(isExpected).length} are known: is it another one?` });
      if (ids.size === 0) this.dataLooked.add(serverId);
      return;
    }
    this.dataLooked.add(serverId);
    for (const id of ids) {
      this.here.add(id);
      if (of.some((point) => point.id === id)) {
        this.known += 1;
        continue;
      }
      await this.attempt(this.orphans, `${where}: ${id}`, async () => {
        const manifest = await repository.open(serverId, id);
        if (!isDryRun) await catalog.adoptDataRecoveryPoint(actor, manifest);
        this.added.add(id);
      });
    }
    for (const point of of) if (!ids.has(point.id)) await this.lost(point, where);
  }

  /** What lies off-site. Copies that are gone are found by checks. */
  async copies(): Promise<readonly CopyPlace[]> {
    const { catalog, offsiteRepository } = this.parts;
    const places: CopyPlace[] = [];
    for (const { name } of await catalog.listOffsite()) {
      await this.attempt(this.notLooked, `off-site repository ${name}`, async () => {
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
        await this.attempt(this.orphans, where, async () => {
          const of = (await this.servers()).find(({ id }) => id === serverId)?.repository ?? (await this.onlyRepository());
          if (!this.allImagesLooked) return this.unsure(where, 'not every image repository was');
          const manifest = await repository.openImage(serverId, recoveryPointId);
          there.push({ manifest, repository: of, where, whole: async () => manifestSha256, missing: onlyThere(name) });
        });
      }
      await this.recordImages(there, known);
    }
  }

  async copiesOfData(places: readonly CopyPlace[]): Promise<void> {
    const { catalog, actor, isDryRun } = this.parts;
    for (const { name, repository, copies } of places) {
      for (const copy of this.unknown(copies, 'data', await allRecoveryPoints(catalog))) {
        const { serverId, recoveryPointId } = copy;
        const where = copyWhere(name, copy);
        await this.attempt(this.orphans, where, async () => {
          const server = (await this.servers()).find(({ id }) => id === serverId);
          if (server === undefined) throw new ModosuError('SERVER_NOT_FOUND', `No image tells of the server ${serverId}.`);
          if (!this.dataLooked.has(serverId)) return this.unsure(where, `the data repository of ${server.name} was not`);
          const manifest = await repository.openData(serverId, recoveryPointId);
          if (!isDryRun) await catalog.adoptDataRecoveryPoint(actor, manifest, onlyThere(name));
          this.added.add(recoveryPointId);
          this.offsiteOnly.push({ where, what: `${manifest.dataSet.name} of ${server.name} from ${manifest.pointInTime}` });
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
        if (this.here.has(recoveryPointId) || !(kind === 'image' ? this.allImagesLooked : this.dataLooked.has(serverId))) continue;
        if (!known.has(recoveryPointId) && !this.added.has(recoveryPointId)) continue;
        const isRecorded = isDryRun
          ? known.get(recoveryPointId)?.copies?.some(({ offsite }) => offsite === name) !== true
          : await catalog.adoptOffsiteCopy(actor, name, recoveryPointId, { snapshotIds, copiedAt, sizeBytes });
        if (isRecorded) this.copiesAdded += 1;
      }
    }
  }

  private unknown(copies: readonly OffsiteCopy[], kind: OffsiteCopy['kind'], known: readonly RecoveryPointView[]): readonly OffsiteCopy[] {
    const ids = new Set([...this.here, ...this.added, ...known.map(({ id }) => id)]);
    return copies.filter((copy) => copy.kind === kind && !ids.has(copy.recoveryPointId));
  }

  private unsure(where: string, place: string): void {
    this.orphans.push({
      where,
      what: `Nobody knows it here, and ${place} looked at: it may lie there, too. Make that reachable, then: modosu catalog compare.`,
    });
  }

  /** With those that would be added. */
  private servers = async (): Promise<readonly Pick<ServerRecord, 'id' | 'name' | 'repository'>[]> => {
    const known = await this.parts.catalog.listServers();
    return [...known, ...[...this.serversAdded.values()].filter(({ id }) => !known.some((server) => server.id === id))];
  };

  /** One that was never used holds none. */
  private async copiesIn(repository: OffsiteRepository, name: string): Promise<readonly OffsiteCopy[]> {
    try {
      return await repository.list();
    } catch (error) {
      if (!isModosuError(error)) throw error;
      // A medium that is away by design is looked at by checks, when it is there.
      if (error.code === 'OFFSITE_OFFLINE') return [];
      if (error.code === 'OFFSITE_MISSING' && (await this.parts.catalog.copiesIn(name)).length === 0) return [];
      throw error;
    }
  }

  /** Looked at again: it may have been removed, or given up, meanwhile. */
  private async lost(point: RecoveryPointView, where: string): Promise<void> {
    const { catalog, isDryRun } = this.parts;
    const { id } = point;
    const now = await catalog.getRecoveryPoint(id);
    if (!isExpected(point) || !isExpected(now)) return;
    this.missing.push({
      where,
      what: `${now.kind === 'image' ? `generation ${now.generation}` : now.dataSet} of ${now.serverName} from ${now.pointInTime}: ${id}`,
    });
    if (isDryRun) return;
    await catalog.markRecoveryPoint(id, 'damaged', `It was not in the ${where} when the catalogue was compared with it.`, {
      code: 'RECOVERY_POINT_INCOMPLETE',
    });
  }

  /** Throws `HYPERVISOR_NOT_CONFIGURED`. */
  private async onlyHypervisor(): Promise<string> {
    const names = (await this.parts.catalog.listHypervisors()).map(({ name }) => name);
    const [name] = names;
    if (name !== undefined && names.length === 1) return name;
    const known = names.length === 0 ? 'none is declared' : `${names.join(', ')} are declared`;
    throw new ModosuError('HYPERVISOR_NOT_CONFIGURED', `On which hypervisor it is nobody has said, and ${known}. Say it: --hypervisor NAME.`);
  }

  /** Throws `REPOSITORY_NOT_CONFIGURED`. */
  private async onlyRepository(): Promise<string> {
    const names = (await this.parts.catalog.listRepositories()).map(({ name }) => name);
    const [name] = names;
    if (name !== undefined && names.length === 1) return name;
    const known = names.length === 0 ? 'none is declared' : `${names.join(', ')} are declared`;
    throw new ModosuError('REPOSITORY_NOT_CONFIGURED', `Of which image repository it is nobody knows, and ${known}.`);
  }

  private async attempt(to: FoundProblem[], where: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      const { code, message, retry } = toModosuError(thrown);
      // A catalogue that is away is no matter of what was found.
      if (code === 'CATALOG_UNAVAILABLE') throw thrown;
      // What is not declared, or cannot be read now, says nothing about what lies there.
      const of = code === 'HYPERVISOR_NOT_CONFIGURED' || code === 'REPOSITORY_NOT_CONFIGURED' || retry === 'later' ? this.notLooked : to;
      of.push({ where, what: `${code}: ${message}` });
      return false;
    }
  }
}

const imageHere = (repository: ImageRepository, manifest: ImageManifest): FoundImage => {
  const { recoveryPointId, server } = manifest;
  return {
    manifest,
    repository: repository.name,
    where: `${repository.name}/servers/${server.id}/${recoveryPointId}`,
    whole: async () => (await repository.open(server.id, recoveryPointId)).manifestSha256,
    missing: null,
  };
};

const onlyThere = (offsite: string): string => `It lies off-site alone, in ${offsite}, since before the catalogue was compared with it.`;

const copyWhere = (offsite: string, { kind, recoveryPointId, serverId, copiedAt }: OffsiteCopy): string =>
  `off-site repository ${offsite}: a copy of ${recoveryPointId} (${kind} of ${serverId}) from ${copiedAt}`;

/** It should be there. */
const isExpected = ({ state }: RecoveryPointView): boolean => state === 'usable' || state === 'expired';

function recoveryPointsIn(snapshots: readonly { readonly tags: readonly string[] }[]): ReadonlySet<string> {
  const prefix = recoveryPointTag('');
  const ids = snapshots.flatMap(({ tags }) => tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length)));
  return new Set(ids.filter((id) => isId('rp', id)));
}

/** Those that are given up, too: what is still there of them nobody has lost. */
async function allRecoveryPoints(catalog: Pick<Catalog, 'listRecoveryPoints'>): Promise<readonly RecoveryPointView[]> {
  const points: RecoveryPointView[] = [];
  for (const filter of [{}, { state: 'deleted' }] as const) {
    let cursor: string | null = null;
    do {
      const page: Page<RecoveryPointView> = await catalog.listRecoveryPoints(filter, { limit: 500, cursor });
      points.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
  return points;
}

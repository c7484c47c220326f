import type { ServerFacts } from '../../contracts/facts';
import type { Catalog } from '../../catalog/catalog';
import { ModosuError } from '../../contracts/errors';
import type { ImageManifest, RecoveryPointView } from '../../contracts/recovery-point';
import type { Findings } from './findings';

/** An image that was found, and what makes it a recovery point of the catalogue. */
export interface FoundImage {
  readonly manifest: ImageManifest;
  /** The image repository that it is of. */
  readonly repository: string;
  readonly where: string;
  /** Checksum of its manifest, after a look whether all that it needs is there. */
  readonly whole: () => Promise<{ readonly manifestSha256: string; readonly facts: ServerFacts | null }>;
  /** Why it is not usable; null: it lies in its repository. */
  readonly missing: string | null;
}

export interface ImageAdoptionParts {
  readonly catalog: Pick<Catalog, 'listHypervisors' | 'listServers' | 'adoptServer' | 'adoptRecoveryPoint'>;
  readonly actor: string;
  /** Where servers are that only their images tell of. Null: on the one that is declared. */
  readonly hypervisor: string | null;
  /** Looks, and changes nothing. */
  readonly isDryRun: boolean;
}

/** Makes recovery points of images that were found, and servers of those that only images tell of. */
export class ImageAdoption {
  constructor(
    private readonly parts: ImageAdoptionParts,
    private readonly findings: Findings,
  ) {}

  async record(there: readonly FoundImage[], known: readonly RecoveryPointView[]): Promise<void> {
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
    this.findings.serversFound.add(serverId);
    const { name, uuid } = newest.manifest.server;
    const server = (await catalog.listServers()).find(({ id }) => id === serverId);
    // One that lies elsewhere may be of a line that the server has left since.
    const isNewer = newest.missing === null && !known.has(newest.manifest.recoveryPointId) && newest.manifest.generation > Math.max(0, ...known.values());
    const isOurs = await this.findings.attempt(this.findings.orphans, `server ${name} (${serverId})`, async () => {
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
      if (server === undefined) this.findings.serversAdded.set(serverId, { id: serverId, name, repository: newest.repository });
    });
    if (!isOurs) return;
    for (const { repository, manifest, where, whole, missing } of entries) {
      if (known.has(manifest.recoveryPointId)) {
        this.findings.known += 1;
        continue;
      }
      await this.findings.attempt(this.findings.orphans, where, async () => {
        const { manifestSha256, facts } = await whole();
        if (!isDryRun) await catalog.adoptRecoveryPoint(actor, manifest, repository, manifestSha256, missing ?? undefined, facts);
        this.findings.added.add(manifest.recoveryPointId);
        if (missing !== null) this.findings.offsiteOnly.push({ where, what: `generation ${manifest.generation} of ${name} from ${manifest.pointInTime}` });
      });
    }
  }

  /** Throws `HYPERVISOR_NOT_CONFIGURED`. */
  private async onlyHypervisor(): Promise<string> {
    const names = (await this.parts.catalog.listHypervisors()).map(({ name }) => name);
    const [name] = names;
    if (name !== undefined && names.length === 1) return name;
    const known = names.length === 0 ? 'none is declared' : `${names.join(', ')} are declared`;
    throw new ModosuError('HYPERVISOR_NOT_CONFIGURED', `On which hypervisor it is nobody has said, and ${known}. Say it: --hypervisor NAME.`);
  }
}

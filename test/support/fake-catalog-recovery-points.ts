import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { OffsiteCopyRow, RecoveryPointRow } from '../../src/catalog/entities';
import { AFTER_NAMED, candidatePoint, MAX_BOUNDS, MAX_CANDIDATES } from '../../src/catalog/marker-store';
import { withCopies } from '../../src/catalog/offsite-row';
import { stateFound } from '../../src/catalog/recovery-point-chain';
import {
  adopted,
  generationTaken,
  noRecoveryPoint,
  PARENTS_LIMIT,
  PUBLISHED,
  publishedData,
  stateDetails,
  type Recorded,
} from '../../src/catalog/recovery-point-store';
import { dataRecoveryPointRow, dataView, imageView, recoveryPointRow } from '../../src/catalog/views';
import type { DataManifest } from '../../src/contracts/data';
import type { ServerFacts } from '../../src/contracts/facts';
import type { DataRecoveryPointView, ImageManifest, ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { recoveryPointNotFound } from '../../src/domain/planning/recovery-point-choice';
import { type FakeChains } from './fake-catalog-chains';
import { type FakeGenerations } from './fake-catalog-generations';
import type { FakeGround } from './fake-catalog-ground';
import { type FakeMarkers } from './fake-catalog-markers';

/** The rest of the catalogue in memory. */
export interface RecoveryPointSurroundings {
  readonly chains: FakeChains;
  readonly generations: FakeGenerations;
  readonly markers: FakeMarkers;
  server(serverId: string): ServerRecord;
  /** Throws `REPOSITORY_NOT_CONFIGURED`. */
  requireRepository(name: string): void;
  copies(): readonly OffsiteCopyRow[];
  noteContained(row: RecoveryPointRow): void;
  /** Its run knows it from now on: `instead` of what it knew, or `unless-known`. */
  published(row: RecoveryPointRow, as: 'instead' | 'unless-known'): void;
}

type Methods = Pick<
  Catalog,
  | 'nextGeneration'
  | 'recordRecoveryPoint'
  | 'adoptRecoveryPoint'
  | 'recordDataRecoveryPoint'
  | 'adoptDataRecoveryPoint'
  | 'incrementalParents'
  | 'usableData'
  | 'listRecoveryPoints'
  | 'getRecoveryPoint'
  | 'newestUsable'
  | 'usableImages'
  | 'candidatePoints'
  | 'manifestChecksum'
  | 'markRecoveryPoint'
>;

/** Recovery points, in memory. */
export class FakeRecoveryPoints implements Methods {
  private readonly rows = new Map<string, RecoveryPointRow>();

  constructor(
    private readonly ground: FakeGround,
    private readonly around: RecoveryPointSurroundings,
  ) {}

  nextGeneration: Catalog['nextGeneration'] = async (serverId) => {
    this.around.server(serverId);
    return Math.max(0, ...this.of(serverId).map(({ generation }) => generation ?? 0)) + 1;
  };

  recordRecoveryPoint: Catalog['recordRecoveryPoint'] = async (manifest, repository, manifestSha256, facts) => {
    const recorded = this.recordImage(manifest, repository, manifestSha256 ?? null, PUBLISHED, facts ?? null);
    this.around.markers.forget((occasion) => occasion === manifest.runId);
    return recorded;
  };

  adoptRecoveryPoint: Catalog['adoptRecoveryPoint'] = async (actor, manifest, repository, manifestSha256, missing, facts) =>
    this.recordImage(manifest, repository, manifestSha256, adopted(actor, missing), facts ?? null);

  private recordImage(
    manifest: ImageManifest,
    repository: string,
    manifestSha256: string | null,
    { missing, ...how }: Recorded,
    facts: ServerFacts | null,
  ): ImageRecoveryPointView {
    const server = this.around.server(manifest.server.id);
    this.around.requireRepository(repository);
    const known = this.rows.get(manifest.recoveryPointId);
    if (known !== undefined) return imageView(known);
    const published = { ...recoveryPointRow(manifest, repository, manifestSha256), ...this.around.generations.keep(facts) };
    const row = missing === null ? this.around.chains.born(published) : { ...published, ...stateFound('damaged', missing, this.ground.now()) };
    if (this.of(server.id).some(({ generation }) => generation === row.generation)) throw generationTaken(row);
    this.rows.set(row.id, row);
    this.around.noteContained(row);
    this.around.markers.keep(row.id, manifest.markers);
    this.around.published(row, 'instead');
    this.ground.append({
      ...how,
      runId: row.runId,
      serverId: server.id,
      details: { recoveryPointId: row.id, generation: row.generation },
    });
    this.around.chains.returnExpired(this.around.chains.of(row.parentId === null ? [] : [row.parentId]), how.actor);
    if (row.state === 'damaged') {
      const details = stateDetails(row, row.stateReason ?? '');
      this.ground.append({ actor: how.actor, action: 'recovery-point.damaged', runId: row.runId, serverId: server.id, details });
    }
    return imageView(row);
  }

  recordDataRecoveryPoint: Catalog['recordDataRecoveryPoint'] = async (manifest) => this.recordData(manifest, PUBLISHED);

  adoptDataRecoveryPoint: Catalog['adoptDataRecoveryPoint'] = async (actor, manifest, missing) => this.recordData(manifest, adopted(actor, missing));

  private recordData(manifest: DataManifest, { missing, ...how }: Recorded): DataRecoveryPointView {
    const server = this.around.server(manifest.server.id);
    const known = this.rows.get(manifest.recoveryPointId);
    if (known !== undefined) return dataView(known);
    const published = dataRecoveryPointRow(manifest);
    const row = missing === null ? published : { ...published, ...stateFound('damaged', missing, this.ground.now()) };
    this.rows.set(row.id, row);
    this.around.published(row, 'unless-known');
    this.ground.append({ ...how, runId: row.runId, serverId: server.id, details: publishedData(row) });
    return dataView(row);
  }

  incrementalParents: Catalog['incrementalParents'] = async (serverId, repository) => {
    const { lineageId } = this.around.server(serverId);
    return this.of(serverId)
      .filter((row) => row.kind === 'image' && row.state === 'usable' && row.lineageId === lineageId && row.repository === repository)
      .sort((a, b) => (b.generation ?? 0) - (a.generation ?? 0))
      .slice(0, PARENTS_LIMIT)
      .map(({ id }) => id);
  };

  usableData: Catalog['usableData'] = async (serverId, dataSet) => {
    this.around.server(serverId);
    const rows = this.of(serverId).filter((row) => row.kind === 'data' && row.dataSet === dataSet && row.purpose === 'backup' && row.state === 'usable');
    return rows.sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1)).map(dataView);
  };

  listRecoveryPoints: Catalog['listRecoveryPoints'] = async ({ serverId, state }, page) => {
    const rows = this.all().filter(
      (row) => (serverId === undefined || row.serverId === serverId) && (state === undefined ? row.state !== 'deleted' : row.state === state),
    );
    return this.ground.newestFirst(
      'recovery-points',
      rows,
      page,
      ({ pointInTime }) => pointInTime,
      (row) => withCopies(row, this.around.copies()),
    );
  };

  getRecoveryPoint: Catalog['getRecoveryPoint'] = async (id) => withCopies(this.point(id), this.around.copies());

  newestUsable: Catalog['newestUsable'] = async (serverId, until = null) => {
    const server = this.around.server(serverId);
    const [newest] = await this.usableImages(serverId, until, 1);
    if (newest === undefined) throw noRecoveryPoint(server, until);
    return newest;
  };

  usableImages: Catalog['usableImages'] = async (serverId, until, limit) => {
    this.around.server(serverId);
    const usable = this.of(serverId).filter(
      ({ kind, state, pointInTime }) => kind === 'image' && state === 'usable' && (until === null || pointInTime <= new Date(until)),
    );
    return usable
      .sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (b.generation ?? 0) - (a.generation ?? 0))
      .slice(0, limit)
      .map(imageView);
  };

  candidatePoints: Catalog['candidatePoints'] = async (serverId, { until = null, named } = {}) => {
    this.around.server(serverId);
    const images = this.of(serverId)
      .filter(({ kind }) => kind === 'image')
      .sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1));
    const usable = images.filter(({ state }) => state === 'usable');
    const own = images.find(({ id }) => id === named);
    const last = own?.pointInTime ?? (until === null ? new Date(8.64e15) : new Date(until));
    const after = usable.filter(({ pointInTime }) => pointInTime > last).slice(own === undefined ? -MAX_BOUNDS : -AFTER_NAMED);
    const before = own === undefined ? usable.filter(({ pointInTime }) => pointInTime <= last).slice(0, MAX_CANDIDATES) : [own];
    return Promise.all([...after, ...before].map(async (point) => candidatePoint(point, await this.around.markers.ofPoint(point.id))));
  };

  manifestChecksum: Catalog['manifestChecksum'] = async (id) => this.rows.get(id)?.manifestSha256 ?? null;

  markRecoveryPoint: Catalog['markRecoveryPoint'] = async (readId, state, why, of = {}) => {
    const { id, found } = this.around.chains.damageOfRead(readId, { code: 'RECOVERY_POINT_CORRUPT', ...of, message: why });
    this.around.chains.setState(this.point(id), { state, why: found }, this.ground.now(), false);
  };

  /** Of all servers. */
  all(): readonly RecoveryPointRow[] {
    return [...this.rows.values()];
  }

  find(id: string): RecoveryPointRow | undefined {
    return this.rows.get(id);
  }

  put(row: RecoveryPointRow): void {
    this.rows.set(row.id, row);
  }

  of(serverId: string): RecoveryPointRow[] {
    return [...this.rows.values()].filter((row) => row.serverId === serverId);
  }

  point(id: string): RecoveryPointRow {
    return this.ground.found(this.rows.get(id), () => recoveryPointNotFound(id));
  }
}

import type { PlanSource } from '../src/contracts/activities';
import { isModosuError } from '../src/contracts/errors';
import type { Finding } from '../src/contracts/plan';
import type { ImageRecoveryPointView, RecoveryPointView } from '../src/contracts/recovery-point';
import type { Catalog, ServerRecord } from '../src/catalog/catalog';
import { changesLost } from '../src/domain/changes/contained';
import { chooseData } from '../src/domain/planning/data-planning';
import {
  compatibleOf,
  isAgainst,
  TRIED_AT_MOST,
  tryPoint,
  type CompatibleSearch,
  type PointToTry,
  type TriedPoint,
} from '../src/domain/relations/find-compatible';
import {
  chosenPoint,
  compatiblePoint,
  noCompatiblePoint,
  noCompatibleRecoveryPoint,
  planCommand,
  type AskedFor,
  type CostOfChoice,
  type PricedPoint,
  type SearchedIn,
  type SharedSet,
} from '../src/domain/relations/compatible-words';
import type { Relations } from './relations';

/** Looks for recovery points that the peers of a server would accept, by what was read of them for a plan. */
export class CompatiblePoints {
  constructor(
    private readonly catalog: Catalog,
    private readonly relations: Relations,
  ) {}

  /** The newest one, not younger than the incident. Throws `NO_COMPATIBLE_RECOVERY_POINT`. */
  async newest(
    server: ServerRecord,
    {
      planId,
      incidentAt,
      now,
      ...asked
    }: Omit<AskedFor, 'serverName' | 'data'> & { readonly planId: string; readonly incidentAt: string | null; readonly now: Date },
  ): Promise<RecoveryPointView> {
    const { id: serverId, name: serverName } = server;
    const { search, of } = await this.search({ planId, serverId, serverName, incidentAt, now });
    if (search.found === null) throw noCompatibleRecoveryPoint(search, of, planCommand({ serverName, incidentAt, ...asked }, null));
    return this.catalog.getRecoveryPoint(search.found.point.id);
  }

  /** What a plan says of it: where its relations have something against it, and where it was chosen by it. `chosen`: what the plan restores. */
  async findings(
    source: PlanSource,
    chosen: { readonly recoveryPointId: string },
    judged: { readonly findings: readonly Finding[] },
    now: Date,
  ): Promise<readonly Finding[]> {
    const isRefused = judged.findings.some(isAgainst);
    if (!isRefused && source.findCompatible !== true) return [];
    const { planId, serverId, serverName, incidentAt = null } = source;
    const { search, of, points } = await this.search({ planId, serverId, serverName, incidentAt, now });
    const { found, newerWithSteps } = search;
    if (found === null) return [noCompatiblePoint(search, of)];
    const [newest] = points;
    // Of one that was chosen by it, it is said what is lost beside the newest; of any other, beside the one that is planned.
    const wasChosen = !isRefused && found.point.id === chosen.recoveryPointId;
    const compared = wasChosen && newest !== undefined ? newest : await this.imageOf(chosen.recoveryPointId);
    const priced = async (tried: TriedPoint): Promise<PricedPoint> => ({
      tried,
      cost: await this.costOf(source, tried.point, compared),
      command: planCommand(source, tried.point.id),
    });
    const choice = { search, found: await priced(found), newer: newerWithSteps === null ? null : await priced(newerWithSteps), compared, now };
    return [wasChosen ? chosenPoint(choice) : compatiblePoint(choice, of)];
  }

  private async search({
    planId,
    serverId,
    serverName,
    incidentAt,
    now,
  }: {
    readonly planId: string;
    readonly serverId: string;
    readonly serverName: string;
    readonly incidentAt: string | null;
    readonly now: Date;
  }): Promise<{ readonly search: CompatibleSearch; readonly of: SearchedIn; readonly points: readonly ImageRecoveryPointView[] }> {
    const found = await this.catalog.usableImages(serverId, incidentAt, TRIED_AT_MOST + 1);
    const points = found.slice(0, TRIED_AT_MOST);
    const judgedBy = await this.relations.judgedBy(serverId, planId, now);
    const tried: TriedPoint[] = [];
    // One after the other: hardly ever is more than a few of them read, and guests decide how large their markers are.
    for (const point of points) {
      const one = tryPoint(point, await this.catalog.markersOf(point.id), judgedBy);
      tried.push(one);
      if (one.verdict === 'free') break;
    }
    const search = compatibleOf(tried);
    return { search, of: { serverName, incidentAt, hasMore: found.length > points.length, set: await this.newestSharedSet(serverName, points) }, points };
  }

  /** The newest complete backup set with an image of the server and one of each that it replicates with, all of them usable. Null: there is none. */
  private async newestSharedSet(serverName: string, points: readonly ImageRecoveryPointView[]): Promise<SharedSet | null> {
    const replicas = await this.relations.replicasOf(serverName);
    if (replicas.length === 0) return null;
    const inSets = points.flatMap(({ setId, pointInTime }) => (setId === null ? [] : [{ setId, pointInTime }]));
    for (const { setId, pointInTime } of inSets.slice(0, SETS_LOOKED_AT)) {
      const members = await this.membersOf(setId);
      if (replicas.every((name) => members.has(name))) return { id: setId, servers: [serverName, ...replicas], pointInTime };
    }
    return null;
  }

  /** Names of the servers of a set whose images can be restored; empty: it is not complete, or not known any more. */
  private async membersOf(setId: string): Promise<ReadonlySet<string>> {
    try {
      const { state, members } = await this.catalog.getSet(setId);
      const names = new Set<string>();
      if (state !== 'complete') return names;
      for (const { serverName, recoveryPointId } of members) {
        if (recoveryPointId !== null && (await this.catalog.getRecoveryPoint(recoveryPointId)).state === 'usable') names.add(serverName);
      }
      return names;
    } catch (thrown) {
      // A catalogue that was rebuilt knows the images, and not the sets.
      if (isModosuError(thrown) && (thrown.code === 'BACKUP_SET_NOT_FOUND' || thrown.code === 'RECOVERY_POINT_NOT_FOUND')) return new Set();
      throw thrown;
    }
  }

  private async costOf(source: PlanSource, point: PointToTry, compared: PointToTry): Promise<CostOfChoice> {
    const { serverId, protection, incidentAt = null, keepDisks = [], data = [] } = source;
    const request = { noData: data.some(({ why }) => why === 'left-out'), incidentAt, keepsDisks: keepDisks.length > 0 };
    const dataSets: string[] = [];
    for (const { name } of protection.dataSets) {
      const choices = chooseData(name, await this.catalog.usableData(serverId, name), point, request);
      if (choices.some(({ planned }) => planned !== null)) dataSets.push(name);
    }
    const [lost, lostAnyway] = [await this.lostBy(serverId, point), await this.lostBy(serverId, compared)];
    return {
      seconds: Math.round((Date.parse(compared.pointInTime) - Date.parse(point.pointInTime)) / 1000),
      dataSets,
      changes: lost.filter(({ id }) => !lostAnyway.some((other) => other.id === id)).map(({ title }) => title),
    };
  }

  private async lostBy(serverId: string, { generation }: PointToTry) {
    const { changes } = await this.catalog.getGeneration(serverId, generation);
    const { missing, partly } = changesLost(await this.catalog.changesAt(serverId, null), changes);
    return [...missing, ...partly];
  }

  private async imageOf(id: string): Promise<PointToTry> {
    const point = await this.catalog.getRecoveryPoint(id);
    if (point.kind !== 'image') throw new TypeError(`recovery point ${id} is no image`);
    return point;
  }
}

/** Older ones are hardly what anybody wants. */
const SETS_LOOKED_AT = 20;

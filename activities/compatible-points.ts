import type { PlanSource } from '../src/contracts/activities/planning';
import type { Finding } from '../src/contracts/plan';
import type { ImageRecoveryPointView, RecoveryPointView } from '../src/contracts/recovery-point';
import { MAX_RESTORE_SET } from '../src/contracts/restore-set';
import type { Catalog, ServerRecord } from '../src/catalog/catalog';
import { changesLost } from '../src/domain/changes/contained';
import { chooseData } from '../src/domain/planning/data-planning';
import {
  compatibleOf,
  isAgainst,
  TRIED_AT_MOST,
  tryPoint,
  type CompatibleSearch,
  type JudgedBy,
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
  type SearchOfSets,
  type SetMember,
  type SharedSet,
} from '../src/domain/relations/compatible-words';
import type { CandidatePoint } from '../src/domain/relations/restored-together';
import type { Relations } from './relations';

/** Looks for recovery points that the peers of a server would accept, by what was read of them for a plan. */
export class CompatiblePoints {
  constructor(
    private readonly catalog: Catalog,
    private readonly relations: Relations,
  ) {}

  /** The newest one, not younger than the incident. Throws `NO_COMPATIBLE_RECOVERY_POINT`; `NO_RECOVERY_POINT` where there is no usable one. */
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
    const { search, hasMore, judgedBy } = await this.search({ planId, serverId, incidentAt, now });
    if (search.found !== null) return this.catalog.getRecoveryPoint(search.found.point.id);
    const newest = search.tried[0]?.point ?? null;
    const sets = newest === null ? null : await this.searchSets({ serverId, serverName, incidentAt, protection: server.protection }, newest, judgedBy);
    throw noCompatibleRecoveryPoint(search, { serverName, incidentAt, hasMore, sets }, planCommand({ serverName, incidentAt, ...asked }, null), now);
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
    const { search, hasMore, points, judgedBy } = await this.search({ planId, serverId, incidentAt, now });
    const { found, newerWithSteps } = search;
    const searchedBeside = async (point: PointToTry): Promise<SearchedIn> => ({
      serverName,
      incidentAt,
      hasMore,
      sets: await this.searchSets(source, point, judgedBy),
    });
    if (found === null) {
      const planned = await this.imageOf(chosen.recoveryPointId);
      return [noCompatiblePoint(search, await searchedBeside(planned), planned, now)];
    }
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
    return [wasChosen ? chosenPoint(choice) : compatiblePoint(choice, await searchedBeside(compared), judged.findings.filter(isAgainst))];
  }

  private async search({
    planId,
    serverId,
    incidentAt,
    now,
  }: {
    readonly planId: string;
    readonly serverId: string;
    readonly incidentAt: string | null;
    readonly now: Date;
  }): Promise<Search> {
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
    return { search: compatibleOf(tried), hasMore: found.length > points.length, points, judgedBy };
  }

  /** What `modosu restore plan-set` would choose for the server and all that it replicates with. Null: it replicates with none, or with more than go into a set. */
  private async searchSets(
    { serverId, serverName, incidentAt = null, protection }: Pick<PlanSource, 'serverId' | 'serverName' | 'incidentAt' | 'protection'>,
    compared: PointToTry,
    judgedBy: JudgedBy,
  ): Promise<SearchOfSets | null> {
    const replicas = await this.relations.replicasOf(serverName);
    // More than that cannot be restored together.
    if (replicas.length === 0 || replicas.length >= MAX_RESTORE_SET) return null;
    const { basis, points, setId, steps, passedOver, unjudged } = await this.relations.agreeingPoints([serverName, ...replicas], incidentAt, judgedBy.now);
    const [own, ...others] = points;
    if (own === undefined || (basis !== 'freeze' && basis !== 'readings')) return { set: null, passedOver };
    const point = await this.imageOf(own.id);
    // Peers that are no part of it stay as they are: they are judged as for a restore of this server alone.
    const outside = { ...judgedBy, pairs: judgedBy.pairs.filter(({ peer }) => !replicas.includes(peer.server)) };
    const { verdict, because } = tryPoint(point, await this.catalog.markersOf(point.id), outside);
    const memberOf = ({ server, id, pointInTime }: CandidatePoint): SetMember => ({ server, recoveryPointId: id, pointInTime });
    const set: SharedSet = {
      id: setId,
      members: [memberOf(own), ...others.map(memberOf)],
      basis,
      steps,
      unjudged,
      against: verdict === 'refused' ? [...new Set(because.map(({ code }) => code))].sort() : [],
      cost: { seconds: secondsBetween(point, compared), dataSets: [], changes: await this.changesLostBeside(serverId, point, compared) },
      leftOut: protection.dataSets.map(({ name }) => name),
    };
    return { set, passedOver };
  }

  private async costOf(source: PlanSource, point: PointToTry, compared: PointToTry): Promise<CostOfChoice> {
    const { serverId, protection, incidentAt = null, keepDisks = [], data = [] } = source;
    const request = { noData: data.some(({ why }) => why === 'left-out'), incidentAt, keepsDisks: keepDisks.length > 0 };
    const dataSets: string[] = [];
    for (const { name } of protection.dataSets) {
      const choices = chooseData(name, await this.catalog.usableData(serverId, name), point, request);
      if (choices.some(({ planned }) => planned !== null)) dataSets.push(name);
    }
    return { seconds: secondsBetween(point, compared), dataSets, changes: await this.changesLostBeside(serverId, point, compared) };
  }

  private async changesLostBeside(serverId: string, point: PointToTry, compared: PointToTry): Promise<readonly string[]> {
    const [lost, lostAnyway] = [await this.lostBy(serverId, point), await this.lostBy(serverId, compared)];
    return lost.filter(({ id }) => !lostAnyway.some((other) => other.id === id)).map(({ title }) => title);
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

interface Search {
  readonly search: CompatibleSearch;
  /** There are older ones that were not tried. */
  readonly hasMore: boolean;
  /** Newest first. */
  readonly points: readonly ImageRecoveryPointView[];
  readonly judgedBy: JudgedBy;
}

const secondsBetween = (point: PointToTry, compared: PointToTry): number =>
  Math.round((Date.parse(compared.pointInTime) - Date.parse(point.pointInTime)) / 1000);

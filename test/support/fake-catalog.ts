import { RECOVERY_POINT_KIND_OF, type PlanBody } from '../../src/contracts/plan';
import { randomUUID } from 'node:crypto';
import { sealAfter, type AuditEvent } from '../../src/audit/append-audit';
import { storableText } from '../../src/audit/storable';
import { GENESIS_HASH, verifyAuditChain } from '../../src/audit/audit-chain';
import {
  backupDataInput,
  backupInput,
  confirmInput,
  keyReused,
  plannedRun,
  plannedRunId,
  refusalEvent,
  requestDetails,
  requireUsablePlan,
  serverBusy,
  type RefusableRequest,
  type RunGrant,
} from '../../src/catalog/acceptance';
import { isExpired, tokenNotFound, tokenRecord } from '../../src/catalog/access-store';
import type { AcceptedRun, AcceptRunRequest, Catalog, DispatchableRun, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import { readSequenceCursor, readTimeCursor, rowsToRead, sequenceCursor, timeCursor, toPage, type CursorKind } from '../../src/catalog/cursor';
import {
  decommissionedColumns,
  decommissionedDetails,
  decommissioningOf,
  decommissionRefusal,
  recommissionedDetails,
} from '../../src/catalog/decommissioned-row';
import type { BackupSetRow, PolicyRow, RecoveryPointRow, RestorePlanRow, RunRow, ServerLockRow, TokenRow } from '../../src/catalog/entities';
import { compareEstate } from '../../src/domain/estate/compare-estate';
import { policyNotFound, serverNotFound } from '../../src/catalog/inventory-store';
import { policyRecord, policyRow } from '../../src/catalog/policy-row';
import type { HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration } from '../../src/contracts/estate';
import type { Relation } from '../../src/contracts/relation';
import { concerns } from '../../src/catalog/relation-store';
import type { BackupSetView, ServerGroup } from '../../src/contracts/backup-set';
import { hypervisorNotConfigured, offsiteNotConfigured, repositoryNotConfigured } from '../../src/contracts/not-declared';
import { withCopies } from '../../src/catalog/offsite-row';
import type { Policy } from '../../src/contracts/policy';
import type { BackupImageInput } from '../../src/contracts/workflows';
import {
  groupNotFound,
  memberInput,
  newSet,
  setBusy,
  setEnded,
  setInput,
  setMember,
  setNotFound,
  setRefused,
  setRequested,
  setView,
} from '../../src/catalog/backup-set-rows';
import { setOf } from '../../src/catalog/run-acceptance-store';
import { recoveryPointNotFound, requireSuitable } from '../../src/domain/planning/recovery-point-choice';
import { isDecommissionedAlready, requireInService } from '../../src/domain/retention/decommissioning';
import { runKindOf } from '../../src/domain/planning/usable-plan';
import { asFetched, newPlan, planNotFound, planRequest, planText, readyDetails, startablePlan } from '../../src/catalog/plan-store';
import {
  adopted,
  generationTaken,
  noRecoveryPoint,
  PARENTS_LIMIT,
  PUBLISHED,
  publishedData,
  stateDetails,
  type Recorded,
  WORKER,
} from '../../src/catalog/recovery-point-store';
import { stateFound } from '../../src/catalog/recovery-point-chain';
import { fencedOff, runNotFound } from '../../src/catalog/run-store';
import { isAhead } from '../../src/domain/clock-skew';
import { judgeProtection, protectedServer } from '../../src/domain/protection-status';
import { changesToSignOff, runFinished } from '../../src/domain/run-actions';
import { closeStep, isFinalStep, nextStep, stepAction, waitingAfter, type StoredStep } from '../../src/domain/steps/step-transition';
import { AFTER_NAMED, candidatePoint, MAX_BOUNDS, MAX_CANDIDATES } from '../../src/catalog/marker-store';
import { ROOM_EVERY_MS, ROOM_SINCE_MS } from '../../src/catalog/room-store';
import { recoveryPointsOf, requireKept } from '../../src/catalog/retention-facts';
import { storableError } from '../../src/catalog/storable-error';
import { storableStep } from '../../src/catalog/storable-step';
import { newTokenSecret, requireTokenRequest, tokenHash, tokenInvalid } from '../../src/catalog/token-secret';
import { dataRecoveryPointRow, dataView, imageView, planSummary, planView, recoveryPointRow, runView, storedProgress } from '../../src/catalog/views';
import { type ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import { isFinal, type AuditEntryView, type RunKind } from '../../src/contracts/run';
import { adoptedServer, adoptionConflict } from '../../src/catalog/catalog-copy-store';
import type { ServerFacts } from '../../src/contracts/facts';
import type { DataManifest } from '../../src/contracts/data';
import type { DataRecoveryPointView, ImageManifest, ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { FakeCatalogCopies } from './fake-catalog-copies';
import { FakeGenerations } from './fake-catalog-generations';
import { FakeChanges } from './fake-catalog-changes';
import { FakeChains } from './fake-catalog-chains';
import { countFigures } from './fake-catalog-figures';
import { FakeAlerts } from './fake-catalog-alerts';
import { FakeDueBackups } from './fake-catalog-due';
import { protectionFacts } from './fake-catalog-protection';
import { FakeJudgements } from './fake-catalog-judgements';
import { FakeMarkers } from './fake-catalog-markers';
import { FakeOffsite } from './fake-catalog-offsite';
import { FakeRetention } from './fake-catalog-retention';
import { FakeRestoreSets } from './fake-catalog-restore-sets';
import { FakeVerifications } from './fake-catalog-verification';
import { FakeWayBacks } from './fake-catalog-way-back';

/**
 * The catalogue in memory, for tests of workflows, activities and the API. It shares the rules with the real one and passes the same contract suite; each
 * method runs to its end without a pause, which is all the locking it needs.
 */
export class FakeCatalog implements Catalog {
  private readonly hypervisors = new Map<string, HypervisorDeclaration>();
  private readonly repositories = new Map<string, RepositoryDeclaration>();
  private readonly offsiteDeclared = new Map<string, OffsiteDeclaration>();
  private readonly policies = new Map<string, PolicyRow>();
  private readonly groups = new Map<string, ServerGroup>();
  private readonly relations = new Map<string, Relation>();
  private readonly sets = new Map<string, BackupSetRow>();
  private readonly policySince = new Map<string, Date>();
  private readonly room: { readonly repository: string; readonly at: Date; readonly freeBytes: number }[] = [];
  private readonly servers = new Map<string, ServerRecord>();
  private readonly points = new Map<string, RecoveryPointRow>();
  private readonly plans = new Map<string, RestorePlanRow>();
  private readonly runs = new Map<string, RunRow>();
  private readonly steps = new Map<string, Map<number, StoredStep>>();
  private readonly locks = new Map<string, ServerLockRow>();
  private readonly tokens = new Map<string, TokenRow>();
  private readonly keys = new Map<string, { readonly digest: string; readonly resultId: string }>();
  private readonly entries: AuditEntryView[] = [];
  private readonly wayBacks: FakeWayBacks;
  private readonly restoreSets: FakeRestoreSets;
  private readonly changes: FakeChanges;
  private readonly generations: FakeGenerations;
  private readonly markers = new FakeMarkers();
  private readonly judgements: FakeJudgements;
  private readonly due: FakeDueBackups;
  private readonly alerts: FakeAlerts;
  private readonly verifications: FakeVerifications;
  private readonly offsite: FakeOffsite;
  private readonly retention: FakeRetention;
  private readonly chains: FakeChains;
  private readonly copies: FakeCatalogCopies;
  private lastFencingToken = 0;
  private failure: ModosuError | null = null;

  constructor(private readonly now: () => Date = () => new Date()) {
    this.wayBacks = new FakeWayBacks({
      now,
      run: (runId) => this.run(runId),
      server: (serverId) => this.server(serverId),
      lockOf: (serverId) => this.locks.get(serverId),
      runs: () => this.runList(),
      isRunningSet: (restoreSetId) => this.restoreSets.isRunning(restoreSetId),
      changesToSignOff: ({ id, planId }) => {
        const body = planId === null ? null : this.plan(planId).body;
        return changesToSignOff(body === null ? null : (JSON.parse(body) as PlanBody), this.changes.appliedIn(id));
      },
      setLineage: (serverId, lineageId) => void this.servers.set(serverId, { ...this.server(serverId), lineageId }),
      append: (event) => this.append(event),
    });
    this.restoreSets = new FakeRestoreSets({
      now,
      server: (serverId) => this.server(serverId),
      point: (id) => this.point(id),
      plan: (planId) => this.plan(planId),
      setPlan: (plan) => void this.plans.set(plan.id, plan),
      runs: () => this.runList(),
      wayBackOf: (runId) => this.wayBacks.wayBackOf(runId),
      isDecided: (runId) => this.wayBacks.isDecided(runId, 'go-live'),
      earlier: (request, id) => this.earlier(request, id),
      claim: (request, id) => this.claim(request, id),
      requireAcceptable: (requests) => {
        for (const request of requests) {
          const plan = this.plan(request.planId);
          const server = this.server(request.serverId);
          requireUsablePlan(plan, server, request);
          requireKept(this.chains.of(recoveryPointsOf(plan)), plan.id);
          const holder = this.locks.get(server.id);
          if (holder !== undefined) throw serverBusy(server, { runId: holder.runId, since: holder.acquiredAt });
        }
      },
      acceptPlanned: (request) => this.acceptPlanned(request),
      decide: (request) => this.wayBacks.decide(request),
      cancel: (actor, runId, reason) => this.requestCancel(actor, runId, reason),
      page: (rows, page, view) => this.newestFirst('restore-sets', rows, page, ({ requestedAt }) => requestedAt, view),
      append: (event) => this.append(event),
    });
    this.generations = new FakeGenerations({ server: (serverId) => this.server(serverId), points: (serverId) => this.pointsOf(serverId) });
    this.judgements = new FakeJudgements({
      now,
      server: (serverId) => this.server(serverId),
      servers: () => this.inventory().servers,
      relations: () => this.inventory().relations,
      points: (serverId) => this.pointsOf(serverId),
      markersOf: (recoveryPointId) => this.markers.ofPoint(recoveryPointId),
      readingsOf: (occasion) => this.markers.of(occasion),
      append: (event) => this.append(event),
    });
    this.changes = new FakeChanges({
      now,
      server: (serverId) => this.server(serverId),
      policies: () => [...this.policies.values()].map(policyRecord),
      isImageSpent: (server) => this.due.isImageSpent(server),
      points: (serverId) => this.pointsOf(serverId),
      beginningOf: (lineageId) => this.wayBacks.beginningOf(lineageId),
      isKnownLine: (lineageId) => this.wayBacks.isKnownLine(lineageId),
      holder: (serverId) => this.runs.get(this.locks.get(serverId)?.runId ?? '') ?? null,
      requireHold: (runId) => {
        const run = this.run(runId);
        if (this.locks.get(run.serverId)?.runId !== runId) throw fencedOff(run);
        return run.serverId;
      },
      earlier: (request) => this.earlier(request, 'chg'),
      claim: (request, id) => this.claim(request, id),
      page: (rows, page, view) => this.newestFirst('changes', rows, page, ({ openedAt }) => openedAt, view),
      append: (event) => this.append(event),
    });
    this.due = new FakeDueBackups({
      now,
      servers: () => this.serverList(),
      policySince: (serverId) => this.policySince.get(serverId) ?? null,
      restoredAt: ({ id, lineageId }) => {
        const isImaged = this.pointsOf(id).some((point) => point.kind === 'image' && point.state === 'usable' && point.lineageId === lineageId);
        return isImaged ? null : this.wayBacks.wentLiveAt(id, lineageId);
      },
      hasImage: (serverId) => this.pointsOf(serverId).some(({ kind }) => kind === 'image'),
      changed: (server) => this.changes.toImage(server),
      policies: () => this.policies,
      hypervisors: () => this.inventory().hypervisors,
      repositories: () => this.inventory().repositories,
      runs: () => this.runList(),
      start: ({ kind, request }) => (kind === 'image' ? this.acceptBackup(request) : this.acceptDataBackup(request)),
      page: (rows, page, view) => this.newestFirst('due-backups', rows, page, ({ dueAt }) => dueAt, view),
      append: (event) => this.append(event),
    });
    this.chains = new FakeChains({
      now,
      find: (id) => this.points.get(id),
      points: () => [...this.points.values()],
      setPoint: (row) => void this.points.set(row.id, row),
      append: (event) => this.append(event),
    });
    this.verifications = new FakeVerifications({
      now,
      chains: this.chains,
      server: (serverId) => this.server(serverId),
      servers: () => this.serverList(),
      policies: () => this.policies,
      runs: () => this.runList(),
      point: (id) => this.point(id),
      points: () => [...this.points.values()],
      promisedSince: (serverId) => this.bootPromisedSince(serverId),
      setPoint: (row) => void this.points.set(row.id, row),
      page: (rows, page, view) => this.newestFirst('verifications', rows, page, ({ requestedAt }) => requestedAt, view),
      append: (event) => this.append(event),
    });
    this.offsite = new FakeOffsite({
      now,
      chains: this.chains,
      declared: () => byName(this.offsiteDeclared),
      server: (serverId) => this.server(serverId),
      servers: () => this.inventory().servers,
      policies: () => this.policies,
      find: (id) => this.points.get(id),
      points: () => [...this.points.values()],
      setPoint: (row) => void this.points.set(row.id, row),
      page: (rows, page, view) => this.newestFirst('transfers', rows, page, ({ requestedAt }) => requestedAt, view),
      append: (event) => this.append(event),
    });
    this.retention = new FakeRetention({
      now,
      chains: this.chains,
      server: (serverId) => this.server(serverId),
      servers: () => this.serverList(),
      policies: () => this.policies,
      plans: () => [...this.plans.values()],
      runs: () => this.runList(),
      openWayBacks: (serverId) => this.wayBacks.listWayBacks({ serverId, state: 'open' }),
      verifications: () => this.verifications.all(),
      transfers: () => this.offsite.allTransfers(),
      copies: () => this.offsite.allCopies(),
      point: (id) => this.point(id),
      points: () => [...this.points.values()],
      setPoint: (row) => void this.points.set(row.id, row),
      setServer: (server) => void this.servers.set(server.id, server),
      append: (event) => this.append(event),
    });
    this.copies = new FakeCatalogCopies({
      now,
      places: () => [
        ...this.inventory().repositories.map(({ name }) => ({ kind: 'image' as const, name })),
        ...byName(this.offsiteDeclared).map(({ name }) => ({ kind: 'offsite' as const, name })),
      ],
      entries: () => this.entries,
    });
    this.alerts = new FakeAlerts({
      now,
      nameOf: (serverId) => this.server(serverId).name,
      isInService: (serverId) => this.server(serverId).decommissioned === null,
      protection: () => judgeProtection(this.inventory().servers.map(protectedServer), this.inventory().policies, this.facts(), now()),
      runs: () => this.runList(),
      isRunningSet: (restoreSetId) => this.restoreSets.isRunning(restoreSetId),
      points: () => [...this.points.values()],
      page: (rows, page, view) => this.newestFirst('alerts', rows, page, ({ raisedAt }) => raisedAt, view),
    });
  }

  /** From now on every method throws this error, until called with null: PostgreSQL that is away. */
  failWith(error: ModosuError | null): void {
    this.failure = error;
  }

  async check(): Promise<void> {
    this.reach();
  }

  async close(): Promise<void> {}

  // --- inventory ---------------------------------------------------------------------------------------------------------
  diffEstate: Catalog['diffEstate'] = async (estate, resolved, options) => compareEstate(this.inventory(), estate, resolved, options).changes;

  applyEstate: Catalog['applyEstate'] = async (actor, estate, resolved, options) => {
    const { changes, hypervisors, repositories, offsite, policies, deletedPolicies, servers, groups, deletedGroups, relations, deletedRelations } =
      compareEstate(this.inventory(), estate, resolved, options);
    for (const item of hypervisors) this.hypervisors.set(item.name, item);
    for (const item of repositories) this.repositories.set(item.name, item);
    for (const item of offsite) this.offsiteDeclared.set(item.name, item);
    for (const item of policies) this.policies.set(item.name, policyRow(item, this.policies.get(item.name), this.now()));
    for (const name of deletedPolicies) this.policies.delete(name);
    for (const group of groups) this.groups.set(group.name, group);
    for (const name of deletedGroups) this.groups.delete(name);
    for (const relation of relations) this.relations.set(relation.name, relation);
    for (const name of deletedRelations) this.relations.delete(name);
    for (const { id, ...draft } of servers) {
      const known = id === null ? undefined : this.servers.get(id);
      const { lineageId = randomUUID(), decommissioned = null } = known ?? {};
      const record = { ...draft, id: id ?? newId('srv', this.now().getTime()), lineageId, decommissioned };
      if (known?.policy !== record.policy) this.policySince.set(record.id, this.now());
      this.servers.set(record.id, record);
    }
    for (const { subject, name, change, fields } of changes) {
      if (change !== 'create' && change !== 'update' && change !== 'delete') continue;
      const serverId = subject === 'server' ? (this.serverList().find((server) => server.name === name)?.id ?? null) : null;
      this.append({ actor, action: `${subject}.${change}d`, serverId, details: { name, fields } });
    }
    return changes;
  };

  listHypervisors: Catalog['listHypervisors'] = async () => this.inventory().hypervisors;
  listRepositories: Catalog['listRepositories'] = async () => this.inventory().repositories;
  listOffsite: Catalog['listOffsite'] = async () => this.inventory().offsite;
  listPolicies: Catalog['listPolicies'] = async () => this.inventory().policies;

  getPolicy: Catalog['getPolicy'] = async (name) => {
    this.reach();
    const row = this.policies.get(name);
    if (row === undefined) throw policyNotFound(name);
    return policyRecord(row);
  };

  listRelations: Catalog['listRelations'] = async ({ server } = {}) =>
    this.inventory().relations.filter((relation) => server === undefined || concerns(relation, server));
  listGroups: Catalog['listGroups'] = async () => this.inventory().groups;

  getGroup: Catalog['getGroup'] = async (name) => this.found(this.groups.get(name), () => groupNotFound(name));

  listGenerations: Catalog['listGenerations'] = (serverId, page) => this.generations.list(serverId, page);
  getGeneration: Catalog['getGeneration'] = (serverId, generation) => this.generations.get(serverId, generation);
  recordReadings: Catalog['recordReadings'] = (occasion, sides) => this.markers.record(occasion, sides);
  readingsOf: Catalog['readingsOf'] = (occasion) => this.markers.of(occasion);
  forgetReadings: Catalog['forgetReadings'] = async () =>
    this.markers.forget((occasion) => {
      const plan = this.plans.get(occasion);
      if (plan !== undefined) return plan.state !== 'planning';
      const [id = '', moment] = occasion.split(':');
      const run = this.runs.get(id);
      if (run === undefined || !isFinal(run.state)) return false;
      const wayBack = moment === 'recheck' ? this.wayBacks.wayBackOf(id) : undefined;
      const closing = this.runs.get(wayBack?.closedBy ?? '');
      return wayBack?.state !== 'open' && (closing === undefined || isFinal(closing.state));
    });
  markersOf: Catalog['markersOf'] = (recoveryPointId) => this.markers.ofPoint(recoveryPointId);
  candidatePoints: Catalog['candidatePoints'] = async (serverId, { until = null, named } = {}) => {
    this.server(serverId);
    const images = this.pointsOf(serverId)
      .filter(({ kind }) => kind === 'image')
      .sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1));
    const usable = images.filter(({ state }) => state === 'usable');
    const own = images.find(({ id }) => id === named);
    const last = own?.pointInTime ?? (until === null ? new Date(8.64e15) : new Date(until));
    const after = usable.filter(({ pointInTime }) => pointInTime > last).slice(own === undefined ? -MAX_BOUNDS : -AFTER_NAMED);
    const before = own === undefined ? usable.filter(({ pointInTime }) => pointInTime <= last).slice(0, MAX_CANDIDATES) : [own];
    return Promise.all([...after, ...before].map(async (point) => candidatePoint(point, await this.markers.ofPoint(point.id))));
  };

  askForNightly: Catalog['askForNightly'] = (hourUtc) => this.judgements.askForNightly(hourUtc);
  askForJudgement: Catalog['askForJudgement'] = (request) => this.judgements.askForJudgement(request);
  dueJudgements: Catalog['dueJudgements'] = (atMost) => this.judgements.due(atMost);
  storedStates: Catalog['storedStates'] = (serverIds) => this.judgements.states(serverIds);
  recordJudgements: Catalog['recordJudgements'] = (begunAt, judged) => this.judgements.record(begunAt, judged);
  listJudgements: Catalog['listJudgements'] = (filter) => this.judgements.list(filter);

  openChange: Catalog['openChange'] = (request) => this.changes.open(request);
  completeChange: Catalog['completeChange'] = (request) => this.changes.complete(request);
  cancelChange: Catalog['cancelChange'] = (request) => this.changes.cancel(request);
  recordApplied: Catalog['recordApplied'] = (runId, changeIds, by) => this.changes.recordApplied(runId, changeIds, by);
  findChange: Catalog['findChange'] = (serverId, externalId) => this.changes.find(serverId, externalId);
  getChange: Catalog['getChange'] = (id) => this.changes.get(id);
  listChanges: Catalog['listChanges'] = (filter, page) => this.changes.list(filter, page);
  changesAt: Catalog['changesAt'] = (serverId, at, lineageId) => this.changes.at(serverId, at, lineageId);

  recordDueBackups: Catalog['recordDueBackups'] = () => this.due.record();
  startNextDueBackup: Catalog['startNextDueBackup'] = (maxDataBackups) => this.due.startNext(maxDataBackups);
  listDueBackups: Catalog['listDueBackups'] = (filter, page) => this.due.list(filter, page);

  listServers: Catalog['listServers'] = async () => this.inventory().servers;

  getServer: Catalog['getServer'] = async (idOrName) => {
    this.reach();
    const server = this.servers.get(idOrName) ?? this.serverList().find(({ name }) => name === idOrName);
    if (server === undefined) throw serverNotFound(idOrName);
    return server;
  };

  decommissionServer: Catalog['decommissionServer'] = async (request) => {
    const { actor, serverId } = request;
    try {
      const server = this.server(serverId);
      if (isDecommissionedAlready(server, request, storableText)) return server;
      const holder = this.locks.get(serverId);
      if (holder !== undefined) throw serverBusy(server, { runId: holder.runId, since: holder.acquiredAt });
      const columns = decommissionedColumns(request, this.now());
      const record = { ...server, decommissioned: decommissioningOf(columns) };
      this.servers.set(serverId, record);
      this.append({ actor, action: 'server.decommissioned', serverId, details: decommissionedDetails(server, columns) });
      this.due.withdrawAll(serverId);
      return record;
    } catch (error) {
      const event = decommissionRefusal(request, error);
      if (event !== null) this.append(event);
      throw error;
    }
  };

  recommissionServer: Catalog['recommissionServer'] = async (actor, serverId, reason) => {
    const server = this.server(serverId);
    if (server.decommissioned === null) return server;
    const record = { ...server, decommissioned: null };
    this.servers.set(serverId, record);
    this.policySince.set(serverId, this.now());
    this.append({ actor, action: 'server.recommissioned', serverId, details: recommissionedDetails(server, server.decommissioned, reason) });
    return record;
  };

  // --- recovery points ---------------------------------------------------------------------------------------------------
  nextGeneration: Catalog['nextGeneration'] = async (serverId) => {
    this.server(serverId);
    return Math.max(0, ...this.pointsOf(serverId).map(({ generation }) => generation ?? 0)) + 1;
  };

  takeCatalogCopyTurn: Catalog['takeCatalogCopyTurn'] = (everyMs, reachable) => this.copies.takeTurn(everyMs, reachable);
  recordCatalogCopy: Catalog['recordCatalogCopy'] = (repository, outcome) => this.copies.record(repository, outcome);
  catalogCopies: Catalog['catalogCopies'] = () => this.copies.list();

  adoptServer: Catalog['adoptServer'] = async (actor, server) => {
    const { id, name, uuid, hypervisor, repository, lineageId } = server;
    const known = this.servers.get(id);
    if (known !== undefined) {
      if (known.lineageId === lineageId) return 'known';
      this.servers.set(id, { ...known, lineageId });
      this.append({ actor, action: 'server.adopted', serverId: id, details: { name: known.name, lineageId, lineageBefore: known.lineageId } });
      return 'known';
    }
    if (!this.hypervisors.has(hypervisor)) throw hypervisorNotConfigured(hypervisor);
    if (!this.repositories.has(repository)) throw repositoryNotConfigured(repository);
    const other = this.serverList().find((one) => one.name === name || (one.hypervisor === hypervisor && one.uuid === uuid));
    if (other !== undefined) throw adoptionConflict(server, other);
    this.servers.set(id, adoptedServer(server));
    this.append({ actor, action: 'server.adopted', serverId: id, details: { name, uuid, hypervisor, repository, lineageId } });
    return 'added';
  };

  recordRecoveryPoint: Catalog['recordRecoveryPoint'] = async (manifest, repository, manifestSha256, facts) => {
    const recorded = this.recordImage(manifest, repository, manifestSha256 ?? null, PUBLISHED, facts ?? null);
    this.markers.forget((occasion) => occasion === manifest.runId);
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
    const server = this.server(manifest.server.id);
    if (!this.repositories.has(repository)) {
      throw repositoryNotConfigured(repository);
    }
    const known = this.points.get(manifest.recoveryPointId);
    if (known !== undefined) return imageView(known);
    const published = { ...recoveryPointRow(manifest, repository, manifestSha256), ...this.generations.keep(facts) };
    const row = missing === null ? this.chains.born(published) : { ...published, ...stateFound('damaged', missing, this.now()) };
    if (this.pointsOf(server.id).some(({ generation }) => generation === row.generation)) throw generationTaken(row);
    this.points.set(row.id, row);
    this.changes.noteContained(row);
    this.markers.keep(row.id, manifest.markers);
    const run = this.runs.get(row.runId);
    if (run !== undefined) this.runs.set(run.id, { ...run, recoveryPointId: row.id });
    this.append({
      ...how,
      runId: row.runId,
      serverId: server.id,
      details: { recoveryPointId: row.id, generation: row.generation },
    });
    this.chains.returnExpired(this.chains.of(row.parentId === null ? [] : [row.parentId]), how.actor);
    if (row.state === 'damaged') {
      const details = stateDetails(row, row.stateReason ?? '');
      this.append({ actor: how.actor, action: 'recovery-point.damaged', runId: row.runId, serverId: server.id, details });
    }
    return imageView(row);
  }

  recordDataRecoveryPoint: Catalog['recordDataRecoveryPoint'] = async (manifest) => this.recordData(manifest, PUBLISHED);
  adoptDataRecoveryPoint: Catalog['adoptDataRecoveryPoint'] = async (actor, manifest, missing) => this.recordData(manifest, adopted(actor, missing));

  private recordData(manifest: DataManifest, { missing, ...how }: Recorded): DataRecoveryPointView {
    const server = this.server(manifest.server.id);
    const known = this.points.get(manifest.recoveryPointId);
    if (known !== undefined) return dataView(known);
    const published = dataRecoveryPointRow(manifest);
    const row = missing === null ? published : { ...published, ...stateFound('damaged', missing, this.now()) };
    this.points.set(row.id, row);
    const run = this.runs.get(row.runId);
    if (run !== undefined && run.recoveryPointId === null) this.runs.set(run.id, { ...run, recoveryPointId: row.id });
    this.append({ ...how, runId: row.runId, serverId: server.id, details: publishedData(row) });
    return dataView(row);
  }

  incrementalParents: Catalog['incrementalParents'] = async (serverId, repository) => {
    const { lineageId } = this.server(serverId);
    return this.pointsOf(serverId)
      .filter((row) => row.kind === 'image' && row.state === 'usable' && row.lineageId === lineageId && row.repository === repository)
      .sort((a, b) => (b.generation ?? 0) - (a.generation ?? 0))
      .slice(0, PARENTS_LIMIT)
      .map(({ id }) => id);
  };

  usableData: Catalog['usableData'] = async (serverId, dataSet) => {
    this.server(serverId);
    const rows = this.pointsOf(serverId).filter((row) => row.kind === 'data' && row.dataSet === dataSet && row.purpose === 'backup' && row.state === 'usable');
    return rows.sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1)).map(dataView);
  };

  listRecoveryPoints: Catalog['listRecoveryPoints'] = async ({ serverId, state }, page) => {
    const rows = [...this.points.values()].filter(
      (row) => (serverId === undefined || row.serverId === serverId) && (state === undefined ? row.state !== 'deleted' : row.state === state),
    );
    return this.newestFirst(
      'recovery-points',
      rows,
      page,
      ({ pointInTime }) => pointInTime,
      (row) => withCopies(row, this.offsite.allCopies()),
    );
  };

  getRecoveryPoint: Catalog['getRecoveryPoint'] = async (id) => withCopies(this.point(id), this.offsite.allCopies());

  newestUsable: Catalog['newestUsable'] = async (serverId, until = null) => {
    const server = this.server(serverId);
    const [newest] = await this.usableImages(serverId, until, 1);
    if (newest === undefined) throw noRecoveryPoint(server, until);
    return newest;
  };

  usableImages: Catalog['usableImages'] = async (serverId, until, limit) => {
    this.server(serverId);
    const usable = this.pointsOf(serverId).filter(
      ({ kind, state, pointInTime }) => kind === 'image' && state === 'usable' && (until === null || pointInTime <= new Date(until)),
    );
    return usable
      .sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (b.generation ?? 0) - (a.generation ?? 0))
      .slice(0, limit)
      .map(imageView);
  };

  holdRecoveryPoint: Catalog['holdRecoveryPoint'] = (...given) => this.retention.hold(...given);
  releaseRecoveryPoint: Catalog['releaseRecoveryPoint'] = (...given) => this.retention.release(...given);
  retentionPoints: Catalog['retentionPoints'] = (serverId) => this.retention.points(serverId);
  retireRecoveryPoints: Catalog['retireRecoveryPoints'] = (...given) => this.retention.retire(...given);
  dataInUseBy: Catalog['dataInUseBy'] = (...given) => this.retention.dataInUseBy(...given);
  listRemovals: Catalog['listRemovals'] = () => this.retention.listRemovals();
  recordRemoved: Catalog['recordRemoved'] = (id) => this.retention.recordRemoved(id);

  protectionFacts: Catalog['protectionFacts'] = async () => this.facts();

  private readonly facts = (): ReturnType<typeof protectionFacts> =>
    protectionFacts(
      this.inventory().servers,
      [...this.points.values()],
      this.runList(),
      this.due.waiting(),
      ({ policy }) => this.policies.get(policy ?? '') ?? null,
      (serverId) => this.verifications.boots(serverId),
      (serverId) => this.bootPromisedSince(serverId),
      this.now(),
      (server) => this.changes.toImage(server),
      { places: this.offsite.places(), copies: this.offsite.allCopies() },
      this.judgements.facts(),
    );

  private bootPromisedSince(serverId: string): Date | null {
    const policy = this.policies.get(this.server(serverId).policy ?? '');
    const images = this.pointsOf(serverId).filter(({ kind, publishedAt }) => kind === 'image' && !isAhead(publishedAt, this.now()));
    if (policy === undefined || images.length === 0) return null;
    const first = Math.min(...images.map(({ publishedAt }) => publishedAt.getTime()));
    return new Date(Math.max(policy.verificationSince.getTime(), this.policySince.get(serverId)?.getTime() ?? 0, first));
  }

  requestVerification: Catalog['requestVerification'] = (request) => this.verifications.request(request);
  cancelVerification: Catalog['cancelVerification'] = (request) => this.verifications.cancel(request);
  dataToVerify: Catalog['dataToVerify'] = (serverId) => this.verifications.dataToVerify(serverId);
  startNextVerification: Catalog['startNextVerification'] = (which) => this.verifications.startNext(which);
  listRunningVerifications: Catalog['listRunningVerifications'] = (olderThan) => this.verifications.listRunning(olderThan);
  recordVerificationProgress: Catalog['recordVerificationProgress'] = (...given) => this.verifications.recordProgress(...given);
  recordVerdict: Catalog['recordVerdict'] = (...given) => this.verifications.recordVerdict(...given);
  finishVerification: Catalog['finishVerification'] = (id, outcome) => this.verifications.finish(id, outcome);
  getVerification: Catalog['getVerification'] = (id) => this.verifications.get(id);
  listVerifications: Catalog['listVerifications'] = (filter, page) => this.verifications.list(filter, page);

  offsiteRepositories: Catalog['offsiteRepositories'] = () => this.offsite.repositories();
  recordOffsiteLook: Catalog['recordOffsiteLook'] = (...given) => this.offsite.look(...given);
  requestTransfer: Catalog['requestTransfer'] = (request) => this.offsite.request(request);
  cancelTransfer: Catalog['cancelTransfer'] = (request) => this.offsite.cancel(request);
  startNextTransfer: Catalog['startNextTransfer'] = (which) => this.offsite.startNext(which);
  listRunningTransfers: Catalog['listRunningTransfers'] = (olderThan) => this.offsite.listRunning(olderThan);
  recordTransferProgress: Catalog['recordTransferProgress'] = (...given) => this.offsite.recordProgress(...given);
  adoptOffsiteCopy: Catalog['adoptOffsiteCopy'] = (...given) => this.offsite.adopt(...given);
  recordCopied: Catalog['recordCopied'] = (...given) => this.offsite.copied(...given);
  recordFetched: Catalog['recordFetched'] = (...given) => this.offsite.fetched(...given);
  recordCopyDamaged: Catalog['recordCopyDamaged'] = (...given) => this.offsite.damaged(...given);
  copiesIn: Catalog['copiesIn'] = (offsite) => this.offsite.copiesIn(offsite);
  newestCopied: Catalog['newestCopied'] = (...given) => this.offsite.newestCopied(...given);
  finishTransfer: Catalog['finishTransfer'] = (...given) => this.offsite.finish(...given);
  getTransfer: Catalog['getTransfer'] = (id) => this.offsite.get(id);
  listTransfers: Catalog['listTransfers'] = (filter, page) => this.offsite.list(filter, page);
  retireCopies: Catalog['retireCopies'] = () => this.offsite.retire();

  reviewAlerts: Catalog['reviewAlerts'] = (...given) => this.alerts.review(...given);
  nextAlertMessage: Catalog['nextAlertMessage'] = (channel) => this.alerts.next(channel);
  recordAlertAttempt: Catalog['recordAlertAttempt'] = (deliveryId, problem) => this.alerts.recordAttempt(deliveryId, problem);
  listAlerts: Catalog['listAlerts'] = (filter, page) => this.alerts.list(filter, page);

  recordRepositoryRoom: Catalog['recordRepositoryRoom'] = async (repository, freeBytes) => {
    this.reach();
    const since = this.now().getTime() - ROOM_EVERY_MS;
    const isFresh = this.room.some((sample) => sample.repository === repository && sample.at.getTime() > since);
    if (this.repositories.has(repository) && !isFresh) this.room.push({ repository, at: this.now(), freeBytes });
  };

  repositoryRoom: Catalog['repositoryRoom'] = async () => {
    const since = this.now().getTime() - ROOM_SINCE_MS;
    const inOrder = (a: { readonly repository: string; readonly at: Date }, b: { readonly repository: string; readonly at: Date }): number =>
      a.repository === b.repository ? a.at.getTime() - b.at.getTime() : a.repository < b.repository ? -1 : 1;
    return this.room.filter(({ at }) => at.getTime() > since).sort(inOrder);
  };

  manifestChecksum: Catalog['manifestChecksum'] = async (id) => this.points.get(id)?.manifestSha256 ?? null;

  markRecoveryPoint: Catalog['markRecoveryPoint'] = async (readId, state, why, of = {}) => {
    const { id, found } = this.chains.damageOfRead(readId, { code: 'RECOVERY_POINT_CORRUPT', ...of, message: why });
    this.chains.setState(this.point(id), { state, why: found }, this.now(), false);
  };

  // --- plans -------------------------------------------------------------------------------------------------------------
  acceptPlan: Catalog['acceptPlan'] = async (request) => {
    this.reach();
    const { actor, serverId, scenario, recoveryPointId } = request;
    const keepDisks = request.scenario === 'server' ? (request.keepDisks ?? []) : [];
    const attachOldDisks = request.scenario === 'server' ? (request.attachOldDisks ?? []) : [];
    const planId = newId('plan');
    const earlier = this.earlier(request, planId);
    if (earlier !== null) return { planId: earlier, replayed: true };
    const server = this.server(serverId);
    if (request.from !== undefined && !this.offsiteDeclared.has(request.from)) throw offsiteNotConfigured(request.from);
    if (recoveryPointId !== null) requireSuitable(asFetched(this.point(recoveryPointId), request), server, RECOVERY_POINT_KIND_OF[scenario]);
    this.plans.set(
      planId,
      newPlan(
        { id: planId, serverId, scenario, actor, recoveryPointId, keepDisks, attachOldDisks, request: planRequest(request), undoesRunId: null },
        this.now(),
      ),
    );
    this.claim(request, planId);
    this.append({
      actor,
      action: 'plan.requested',
      serverId,
      details: {
        planId,
        server: server.name,
        scenario,
        recoveryPointId,
        ...(keepDisks.length === 0 ? {} : { keepDisks }),
        ...(attachOldDisks.length === 0 ? {} : { attachOldDisks }),
        ...planRequest(request),
      },
    });
    return { planId, replayed: false };
  };

  acceptUndoPlan: Catalog['acceptUndoPlan'] = async (request) => {
    this.reach();
    const { actor, ofRunId } = request;
    const planId = newId('plan');
    const earlier = this.earlier(request, planId);
    if (earlier !== null) return { planId: earlier, serverId: this.plan(earlier).serverId, replayed: true };
    const { serverId } = this.run(ofRunId);
    this.wayBacks.requireUndoable(ofRunId, this.server(serverId));
    this.plans.set(
      planId,
      newPlan(
        { id: planId, serverId, scenario: 'undo', actor, recoveryPointId: null, keepDisks: [], attachOldDisks: [], request: null, undoesRunId: ofRunId },
        this.now(),
      ),
    );
    this.claim(request, planId);
    this.append({ actor, action: 'plan.requested', serverId, details: { planId, scenario: 'undo', ofRunId } });
    return { planId, serverId, replayed: false };
  };

  getDispatchablePlan: Catalog['getDispatchablePlan'] = async (planId) => startablePlan(this.plan(planId));

  completePlan: Catalog['completePlan'] = async (planId, body, hash) => {
    const plan = this.plan(planId);
    const text = planText(plan, body, hash);
    if (plan.state !== 'planning') return;
    this.plans.set(planId, { ...plan, state: 'ready', hash, body: text });
    this.append({ actor: WORKER, action: 'plan.ready', serverId: plan.serverId, details: readyDetails(planId, body, hash) });
  };

  failPlan: Catalog['failPlan'] = async (planId, error) => {
    const plan = this.plan(planId);
    if (plan.state !== 'planning') return;
    this.plans.set(planId, { ...plan, state: 'failed', error: storableError(error) });
    this.append({ actor: WORKER, action: 'plan.failed', serverId: plan.serverId, details: { planId, code: error.code } });
  };

  getPlan: Catalog['getPlan'] = async (planId) => {
    const plan = this.plan(planId);
    return planView(plan, this.server(plan.serverId).name);
  };

  listUnfinishedPlans: Catalog['listUnfinishedPlans'] = async (olderThan) => {
    this.reach();
    return [...this.plans.values()].filter(({ state, createdAt }) => state === 'planning' && createdAt < olderThan).map(startablePlan);
  };

  // --- runs, steps, lock -------------------------------------------------------------------------------------------------
  acceptBackup: Catalog['acceptBackup'] = async (request) =>
    this.accept('backup-image', request, newId('run'), (runId) => {
      const server = this.serverInService(request.serverId);
      const input = backupInput(server, request, this.policyOf(server), this.lock(server, runId), newId('rp'));
      this.addRun(request, { kind: 'backup-image', input }, null, null);
    });

  acceptDataBackup: Catalog['acceptDataBackup'] = async (request) =>
    this.accept('backup-data', request, newId('run'), (runId) => {
      const server = this.serverInService(request.serverId);
      backupDataInput(server, request, { runId, fencingToken: 0, acceptedAt: this.now() });
      this.addRun(request, { kind: 'backup-data', input: backupDataInput(server, request, this.lock(server, runId)) }, null, null);
    });

  acceptBackupSet: Catalog['acceptBackupSet'] = async (request) => {
    this.reach();
    try {
      const backupSetId = newId('set');
      const earlier = this.earlier(request, backupSetId);
      if (earlier !== null) return { backupSetId: earlier, replayed: true };
      const { servers: names } = this.found(this.groups.get(request.group), () => groupNotFound(request.group));
      const servers = this.serverList().filter(({ name }) => names.includes(name));
      for (const server of servers) requireInService(server);
      const [first, ...more] = servers.flatMap((server) => {
        const holder = this.locks.get(server.id);
        return holder === undefined ? [] : [serverBusy(server, { runId: holder.runId, since: holder.acquiredAt })];
      });
      if (first !== undefined) throw setBusy(request.group, [first, ...more]);
      const set = newSet(backupSetId, request, this.now());
      const inputs = servers.map((server) => memberInput(server, this.inventory().policies, request, this.lock(server, newId('run')), set));
      this.sets.set(backupSetId, set);
      for (const input of inputs) this.addRun(request, { kind: 'backup-image', input }, null, null);
      this.append(setRequested(set, request.actor, inputs, request.allowCrashConsistent));
      this.claim(request, backupSetId);
      return { backupSetId, replayed: false };
    } catch (error) {
      const event = setRefused(request, error);
      if (event !== null) this.append(event);
      throw error;
    }
  };

  getDispatchableSet: Catalog['getDispatchableSet'] = async (backupSetId) => {
    const inputs = this.runsOfSet(backupSetId).map(({ input }) => input as BackupImageInput);
    return { set: setInput(this.set(backupSetId), inputs), runs: inputs.map((input) => ({ kind: 'backup-image', input })) };
  };

  listOpenSets: Catalog['listOpenSets'] = async (olderThan) => {
    this.reach();
    return [...this.sets.values()]
      .filter(({ id, requestedAt }) => requestedAt < olderThan && this.runsOfSet(id).some(({ state }) => !isFinal(state)))
      .map((row) => setInput(row, this.setView(row).members));
  };

  getSet: Catalog['getSet'] = async (backupSetId) => this.setView(this.set(backupSetId));

  listSets: Catalog['listSets'] = async ({ group }, page) => {
    const rows = [...this.sets.values()].filter(({ groupName }) => group === undefined || groupName === group);
    return this.newestFirst(
      'backup-sets',
      rows,
      page,
      ({ requestedAt }) => requestedAt,
      (row) => this.setView(row),
    );
  };

  newestSets: Catalog['newestSets'] = async (groups) => {
    const pages = await Promise.all(groups.map((group) => this.listSets({ group }, { limit: 1, cursor: null })));
    return pages.flatMap(({ items }) => items);
  };

  private set(id: string): BackupSetRow {
    return this.found(this.sets.get(id), () => setNotFound(id));
  }

  private runsOfSet(backupSetId: string): RunRow[] {
    return this.runList().filter((run) => run.setId === backupSetId);
  }

  private setView(row: BackupSetRow): BackupSetView {
    const runs = this.runsOfSet(row.id);
    return setView(
      row,
      runs.map((run) => setMember(run, this.server(run.serverId).name, this.points.get(run.recoveryPointId ?? '') ?? null)),
      runs,
    );
  }

  acceptPlanned: Catalog['acceptPlanned'] = async (request) => {
    const { planId, serverId } = request;
    const server = this.server(serverId);
    const plan = this.plan(planId);
    if (plan.serverId !== serverId) throw planNotFound(planId);
    return this.accept(runKindOf(plan), request, plannedRunId(plan), (runId) => {
      const usable = requireUsablePlan(plan, server, request);
      const { body } = usable;
      if (body.scenario === 'undo') this.wayBacks.requireUndoable(body.undoes.runId, server);
      else {
        requireKept(this.chains.of(recoveryPointsOf(plan)), planId);
      }
      this.addRun(request, plannedRun(server, request, usable, this.lock(server, runId)), planId, body.scenario === 'undo' ? null : body.recoveryPoint.id);
      this.plans.set(planId, { ...plan, state: 'used', runId });
    });
  };

  acceptRestoreSet: Catalog['acceptRestoreSet'] = (request) => this.restoreSets.acceptRestoreSet(request);
  acceptRestoreSetRuns: Catalog['acceptRestoreSetRuns'] = (request) => this.restoreSets.acceptRestoreSetRuns(request);
  runningRestoreSets: Catalog['runningRestoreSets'] = () => this.restoreSets.runningRestoreSets();
  advanceRestoreSet: Catalog['advanceRestoreSet'] = (restoreSetId) => this.restoreSets.advanceRestoreSet(restoreSetId);
  getRestoreSet: Catalog['getRestoreSet'] = (id) => this.restoreSets.getRestoreSet(id);
  listRestoreSets: Catalog['listRestoreSets'] = (page) => this.restoreSets.listRestoreSets(page);

  acceptConfirm: Catalog['acceptConfirm'] = async (request) =>
    this.accept('confirm', request, newId('run'), (runId) => {
      const server = this.server(request.serverId);
      this.wayBacks.requireConfirmable(request.ofRunId, server);
      this.addRun(request, { kind: 'confirm', input: confirmInput(server, request, this.lock(server, runId)) }, null, null);
    });

  listUndispatched: Catalog['listUndispatched'] = async (olderThan) =>
    this.runList()
      .filter(({ state, requestedAt }) => state === 'accepted' && requestedAt < olderThan)
      .map(({ kind, input }) => ({ kind, input }) as DispatchableRun);

  getDispatchable: Catalog['getDispatchable'] = async (runId) => {
    const { kind, input } = this.run(runId);
    return { kind, input } as DispatchableRun;
  };

  listOpenRuns: Catalog['listOpenRuns'] = async () =>
    this.runList()
      .filter(({ state }) => !isFinal(state))
      .map(({ id, serverId, state }) => ({ runId: id, serverId, state }));

  startRun: Catalog['startRun'] = async (runId) => {
    const run = this.run(runId);
    if (this.locks.get(run.serverId)?.runId !== runId) throw fencedOff(run);
    if (run.state !== 'accepted') return;
    this.runs.set(runId, { ...run, state: 'running', startedAt: this.now() });
    this.append({ actor: WORKER, action: 'run.started', runId, serverId: run.serverId });
  };

  recordStep: Catalog['recordStep'] = async (runId, update) => {
    const run = this.run(runId);
    if (isFinal(run.state)) return;
    const steps = this.stepsOf(runId);
    const before = steps.get(update.seq) ?? null;
    const step = nextStep(before, storableStep(update), this.now());
    if (step === null) return;
    steps.set(update.seq, step);
    this.runs.set(runId, { ...run, waitingFor: waitingAfter(run.waitingFor, step) });
    const action = stepAction(before, step);
    if (action === null) return;
    const { seq, key, title, detail, error } = step;
    this.append({ actor: WORKER, action, runId, serverId: run.serverId, details: { seq, key, title, detail, code: error?.code, message: error?.message } });
  };

  recordProgress: Catalog['recordProgress'] = async (runId, stepKey, progress) => {
    this.reach();
    for (const step of this.steps.get(runId)?.values() ?? []) {
      if (step.key === stepKey && !isFinalStep(step.state)) this.stepsOf(runId).set(step.seq, { ...step, progress: storedProgress(progress) });
    }
  };

  finishRun: Catalog['finishRun'] = async (runId, outcome) => {
    const run = this.run(runId);
    if (isFinal(run.state)) return;
    const finishedAt = this.now();
    const error = outcome.error === null ? null : storableError(outcome.error);
    const recoveryPointId = outcome.recoveryPointId ?? run.recoveryPointId;
    this.runs.set(runId, {
      ...run,
      state: outcome.state,
      finishedAt,
      error,
      recoveryPointId,
      recoverySeconds: outcome.recoverySeconds ?? null,
      lostSeconds: outcome.lostSeconds ?? null,
      waitingFor: null,
    });
    const steps = this.stepsOf(runId);
    if (outcome.state !== 'succeeded') for (const step of steps.values()) steps.set(step.seq, closeStep(step, finishedAt));
    if (this.locks.get(run.serverId)?.runId === runId) this.locks.delete(run.serverId);
    this.append({ actor: WORKER, action: `run.${outcome.state}`, runId, serverId: run.serverId, details: { code: error?.code, message: error?.message } });
    const set = run.setId === null ? null : this.setView(this.set(run.setId));
    if (set !== null && set.state !== 'running') this.append(setEnded(set, WORKER));
  };

  requestCancel: Catalog['requestCancel'] = async (actor, runId, reason) => {
    const run = this.run(runId);
    if (isFinal(run.state)) throw runFinished(run);
    if (run.cancelRequested) return;
    this.runs.set(runId, { ...run, cancelRequested: true });
    this.append({ actor, action: 'run.cancel-requested', runId, serverId: run.serverId, details: { kind: run.kind, reason } });
  };

  // --- ways back and decisions --------------------------------------------------------------------------------------------
  openWayBack: Catalog['openWayBack'] = (...args) => this.wayBacks.openWayBack(...args);
  takeWayBack: Catalog['takeWayBack'] = (...args) => this.wayBacks.takeWayBack(...args);
  revertWayBack: Catalog['revertWayBack'] = (...args) => this.wayBacks.revertWayBack(...args);
  closeWayBack: Catalog['closeWayBack'] = (...args) => this.wayBacks.closeWayBack(...args);
  recordGoLive: Catalog['recordGoLive'] = (...args) => this.wayBacks.recordGoLive(...args);
  getWayBack: Catalog['getWayBack'] = (...args) => this.wayBacks.getWayBack(...args);
  listWayBacks: Catalog['listWayBacks'] = (...args) => this.wayBacks.listWayBacks(...args);
  listExpiredWayBacks: Catalog['listExpiredWayBacks'] = (...args) => this.wayBacks.listExpiredWayBacks(...args);
  decide: Catalog['decide'] = (...args) => this.wayBacks.decide(...args);
  getDecision: Catalog['getDecision'] = (...args) => this.wayBacks.getDecision(...args);
  listDecidedButWaiting: Catalog['listDecidedButWaiting'] = (...args) => this.wayBacks.listDecidedButWaiting(...args);

  getRun: Catalog['getRun'] = async (runId) => {
    const run = this.run(runId);
    const steps = [...this.stepsOf(runId).values()].sort((a, b) => a.seq - b.seq);
    return runView(run, this.wayBacks.contextOf(run), steps, this.now());
  };

  listPlans: Catalog['listPlans'] = async ({ serverId, state }, page) => {
    const rows = [...this.plans.values()].filter((plan) => (serverId ?? plan.serverId) === plan.serverId && (state ?? plan.state) === plan.state);
    return this.newestFirst(
      'restore-plans',
      rows,
      page,
      ({ createdAt }) => createdAt,
      (plan) => planSummary(plan, this.server(plan.serverId).name),
    );
  };

  resultOf: Catalog['resultOf'] = async (request, kind) => {
    this.reach();
    return this.earlier(request, `${kind}_`);
  };

  listRuns: Catalog['listRuns'] = async ({ serverId, kind, state }, page) => {
    const rows = this.runList().filter(
      (run) => (serverId ?? run.serverId) === run.serverId && (kind ?? run.kind) === run.kind && (state ?? run.state) === run.state,
    );
    return this.newestFirst(
      'runs',
      rows,
      page,
      ({ requestedAt }) => requestedAt,
      (run) => runView(run, this.wayBacks.contextOf(run), [], this.now()),
    );
  };

  measuredRecoverySeconds: Catalog['measuredRecoverySeconds'] = async (serverId, kind) =>
    this.runList()
      .filter((run) => run.serverId === serverId && run.kind === kind && run.state === 'succeeded')
      .sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime())
      .flatMap(({ recoverySeconds }) => (recoverySeconds === null ? [] : [recoverySeconds]))
      .slice(0, 20);

  figures: Catalog['figures'] = async () => {
    const steps = this.runList().flatMap(({ id, kind }) => [...this.stepsOf(id).values()].map((step) => ({ kind, step })));
    return countFigures({
      runs: this.runList(),
      steps,
      points: [...this.points.values()],
      wayBacks: await this.wayBacks.listWayBacks({ state: 'open' }),
      now: this.now(),
    });
  };

  // --- tokens and audit --------------------------------------------------------------------------------------------------
  createToken: Catalog['createToken'] = async (actor, name, scopes, expiresAt) => {
    this.reach();
    requireTokenRequest(name, scopes, expiresAt);
    const secret = newTokenSecret();
    const row: TokenRow = { id: newId('tok'), name, scopes: [...new Set(scopes)], secretSha256: tokenHash(secret), createdAt: this.now(), expiresAt };
    this.tokens.set(row.secretSha256, row);
    this.append({ actor, action: 'token.created', details: { tokenId: row.id, name, scopes: row.scopes, expiresAt } });
    return { record: tokenRecord(row), secret };
  };

  authenticate: Catalog['authenticate'] = async (secret) => {
    this.reach();
    const row = this.tokens.get(tokenHash(secret));
    if (row === undefined || isExpired(row, this.now())) throw tokenInvalid();
    return tokenRecord(row);
  };

  listTokens: Catalog['listTokens'] = async () => {
    this.reach();
    return [...this.tokens.values()].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1)).map(tokenRecord);
  };

  revokeToken: Catalog['revokeToken'] = async (actor, tokenId) => {
    this.reach();
    const row = [...this.tokens.values()].find(({ id }) => id === tokenId);
    if (row === undefined) throw tokenNotFound(tokenId);
    const revoked = { ...row, expiresAt: this.now() };
    if (isExpired(row, revoked.expiresAt)) return tokenRecord(row);
    this.tokens.set(row.secretSha256, revoked);
    this.append({ actor, action: 'token.revoked', details: { tokenId, name: row.name } });
    return tokenRecord(revoked);
  };

  audit: Catalog['audit'] = async (entry) => {
    this.reach();
    this.append(entry);
  };

  listAudit: Catalog['listAudit'] = async ({ runId }, page) => {
    this.reach();
    const after = readSequenceCursor('audit', page.cursor);
    const rows = this.entries.filter((entry) => entry.seq > after && (runId === undefined || entry.runId === runId));
    return toPage(
      rows.slice(0, rowsToRead(page)),
      page,
      (entry) => entry,
      ({ seq }) => sequenceCursor('audit', seq),
    );
  };

  verifyAudit: Catalog['verifyAudit'] = async () => {
    this.reach();
    return verifyAuditChain(async (afterSeq) => this.entries.filter(({ seq }) => seq > afterSeq).slice(0, 1000));
  };

  // --- mechanics ---------------------------------------------------------------------------------------------------------
  private reach(): void {
    if (this.failure !== null) throw this.failure;
  }

  private append(event: AuditEvent): void {
    const head = this.entries.at(-1);
    this.entries.push(...sealAfter([event], { seq: head?.seq ?? 0, hash: head?.hash ?? GENESIS_HASH, at: this.now().toISOString() }));
  }

  private inventory(): {
    hypervisors: HypervisorDeclaration[];
    repositories: RepositoryDeclaration[];
    offsite: OffsiteDeclaration[];
    policies: Policy[];
    servers: ServerRecord[];
    groups: ServerGroup[];
    relations: Relation[];
  } {
    this.reach();
    return {
      hypervisors: byName(this.hypervisors),
      repositories: byName(this.repositories),
      offsite: byName(this.offsiteDeclared),
      policies: byName(this.policies).map(policyRecord),
      servers: byName(this.servers),
      groups: byName(this.groups),
      relations: byName(this.relations),
    };
  }

  private serverList(): readonly ServerRecord[] {
    return [...this.servers.values()];
  }

  private runList(): RunRow[] {
    this.reach();
    return [...this.runs.values()];
  }

  private pointsOf(serverId: string): RecoveryPointRow[] {
    return [...this.points.values()].filter((row) => row.serverId === serverId);
  }

  private stepsOf(runId: string): Map<number, StoredStep> {
    const steps = this.steps.get(runId) ?? new Map<number, StoredStep>();
    this.steps.set(runId, steps);
    return steps;
  }

  private server(id: string): ServerRecord {
    return this.found(this.servers.get(id), () => serverNotFound(id));
  }

  private policyOf({ policy: name }: ServerRecord): Policy | null {
    return this.inventory().policies.find((policy) => policy.name === name) ?? null;
  }

  private serverInService(id: string): ServerRecord {
    const server = this.server(id);
    requireInService(server);
    return server;
  }

  private point(id: string): RecoveryPointRow {
    return this.found(this.points.get(id), () => recoveryPointNotFound(id));
  }

  private plan(id: string): RestorePlanRow {
    return this.found(this.plans.get(id), () => planNotFound(id));
  }

  private run(id: string): RunRow {
    return this.found(this.runs.get(id), () => runNotFound(id));
  }

  private found<T>(value: T | undefined, otherwise: () => ModosuError): T {
    this.reach();
    if (value === undefined) throw otherwise();
    return value;
  }

  private accept(kind: RunKind, request: RefusableRequest, runId: string, work: (runId: string) => void): AcceptedRun {
    this.reach();
    try {
      const earlier = this.earlier(request, runId);
      if (earlier !== null) return { runId: earlier, replayed: true };
      work(runId);
      this.claim(request, runId);
      return { runId, replayed: false };
    } catch (error) {
      const event = refusalEvent(kind, request, error);
      if (event !== null) this.append(event);
      throw error;
    }
  }

  private lock(server: ServerRecord, runId: string): RunGrant {
    const holder = this.locks.get(server.id);
    if (holder !== undefined) throw serverBusy(server, { runId: holder.runId, since: holder.acquiredAt });
    this.lastFencingToken += 1;
    const acceptedAt = this.now();
    this.locks.set(server.id, { serverId: server.id, runId, fencingToken: this.lastFencingToken, acquiredAt: acceptedAt });
    return { runId, fencingToken: this.lastFencingToken, acceptedAt };
  }

  private addRun(request: Pick<AcceptRunRequest, 'actor'>, run: DispatchableRun, planId: string | null, recoveryPointId: string | null): void {
    const { kind, input } = run;
    const { runId, serverId, reason, fencingToken } = input;
    this.runs.set(runId, {
      id: runId,
      kind,
      state: 'accepted',
      serverId,
      reason,
      requestedBy: request.actor,
      requestedAt: new Date(input.acceptedAt),
      startedAt: null,
      finishedAt: null,
      planId,
      recoveryPointId,
      setId: setOf(run),
      cancelRequested: false,
      waitingFor: null,
      error: null,
      recoverySeconds: null,
      lostSeconds: null,
      input,
    });
    this.append({
      actor: request.actor,
      action: 'run.requested',
      runId,
      serverId,
      details: { kind, reason, fencingToken, ...requestDetails(run, recoveryPointId) },
    });
  }

  private earlier(
    { actor, idempotencyKey, requestDigest }: Pick<AcceptRunRequest, 'actor' | 'idempotencyKey' | 'requestDigest'>,
    newResultId: string,
  ): string | null {
    if (idempotencyKey === null) return null;
    const known = this.keys.get(JSON.stringify([actor, idempotencyKey]));
    if (known === undefined) return null;
    const sameKind = known.resultId.split('_')[0] === newResultId.split('_')[0];
    if (known.digest !== requestDigest || !sameKind) throw keyReused(idempotencyKey);
    return known.resultId;
  }

  private claim({ actor, idempotencyKey, requestDigest }: Pick<AcceptRunRequest, 'actor' | 'idempotencyKey' | 'requestDigest'>, resultId: string): void {
    if (idempotencyKey !== null) this.keys.set(JSON.stringify([actor, idempotencyKey]), { digest: requestDigest, resultId });
  }

  private newestFirst<Row extends { readonly id: string }, Item>(
    kind: CursorKind,
    rows: readonly Row[],
    page: PageRequest,
    timeOf: (row: Row) => Date,
    toItem: (row: Row) => Item,
  ): Page<Item> {
    this.reach();
    const after = readTimeCursor(kind, page.cursor);
    const keyOf = (at: Date, id: string): string => `${at.toISOString()} ${id}`;
    const sorted = [...rows]
      .filter((row) => after === null || keyOf(timeOf(row), row.id) < keyOf(after.at, after.id))
      .sort((a, b) => (keyOf(timeOf(a), a.id) < keyOf(timeOf(b), b.id) ? 1 : -1));
    return toPage(sorted.slice(0, rowsToRead(page)), page, toItem, (row) => timeCursor(kind, { at: timeOf(row), id: row.id }));
  }
}

const byName = <T extends { readonly name: string }>(items: ReadonlyMap<string, T>): T[] => [...items.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

/** @param now clock of everything that is recorded. */
export const createFakeCatalog = (now?: () => Date): FakeCatalog => new FakeCatalog(now);

import type { AuditEvent } from '../../src/audit/append-audit';
import { backupDataInput, backupInput, confirmInput, plannedRun, plannedRunId, requireUsablePlan } from '../../src/catalog/acceptance';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { planNotFound } from '../../src/catalog/plan-store';
import { policyRecord } from '../../src/catalog/policy-row';
import { recoveryPointsOf, requireKept } from '../../src/catalog/retention-facts';
import type { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { PlanBody } from '../../src/contracts/plan';
import { isFinal } from '../../src/contracts/run';
import { isAhead } from '../../src/domain/clock-skew';
import { runKindOf } from '../../src/domain/planning/usable-plan';
import { judgeProtection, protectedServer } from '../../src/domain/protection-status';
import { changesToSignOff } from '../../src/domain/run-actions';
import { FakeAlerts } from './fake-catalog-alerts';
import { FakeAudit } from './fake-catalog-audit';
import { FakeBackupSets } from './fake-catalog-backup-sets';
import { FakeChains } from './fake-catalog-chains';
import { FakeChanges } from './fake-catalog-changes';
import { FakeCatalogCopies } from './fake-catalog-copies';
import { FakeDueBackups } from './fake-catalog-due';
import { countFigures } from './fake-catalog-figures';
import { FakeGenerations } from './fake-catalog-generations';
import { FakeGround } from './fake-catalog-ground';
import { FakeInventory } from './fake-catalog-inventory';
import { FakeJudgements } from './fake-catalog-judgements';
import { FakeMarkers } from './fake-catalog-markers';
import { FakeOffsite } from './fake-catalog-offsite';
import { FakePlans } from './fake-catalog-plans';
import { protectionFacts } from './fake-catalog-protection';
import { FakeRecoveryPoints } from './fake-catalog-recovery-points';
import { FakeRestoreSets } from './fake-catalog-restore-sets';
import { FakeRetention } from './fake-catalog-retention';
import { FakeRoom } from './fake-catalog-room';
import { FakeRuns } from './fake-catalog-runs';
import { FakeTokens } from './fake-catalog-tokens';
import { FakeVerifications } from './fake-catalog-verification';
import { FakeWayBacks } from './fake-catalog-way-back';

/**
 * The catalogue in memory, for tests of workflows, activities and the API. It shares the rules with the real one and passes the same contract suite; each
 * method runs to its end without a pause, which is all the locking it needs.
 */
export class FakeCatalog implements Catalog {
  private readonly ground: FakeGround;
  private readonly audits: FakeAudit;
  private readonly tokens: FakeTokens;
  private readonly inventory: FakeInventory;
  private readonly room: FakeRoom;
  private readonly points: FakeRecoveryPoints;
  private readonly plans: FakePlans;
  private readonly runs: FakeRuns;
  private readonly sets: FakeBackupSets;
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

  constructor(now: () => Date = () => new Date()) {
    this.ground = new FakeGround(now);
    const { ground } = this;
    const server = (serverId: string): ServerRecord => this.inventory.server(serverId);
    const append = (event: AuditEvent): void => ground.append(event);
    this.audits = new FakeAudit(ground);
    this.tokens = new FakeTokens(ground);
    this.inventory = new FakeInventory(ground, {
      requireFree: (held) => this.runs.requireFree(held),
      withdrawDue: (serverId) => this.due.withdrawAll(serverId),
    });
    this.room = new FakeRoom(ground, (name) => this.inventory.isRepository(name));
    this.runs = new FakeRuns(ground, {
      contextOf: (run) => this.wayBacks.contextOf(run),
      ended: (run) => this.sets.runEnded(run),
    });
    this.sets = new FakeBackupSets(ground, {
      server,
      servers: () => this.inventory.serverList(),
      policies: () => this.inventory.all().policies,
      group: (name) => this.inventory.group(name),
      runs: () => this.runs.all(),
      findPoint: (id) => this.points.find(id),
      busy: (held) => this.runs.busy(held),
      lock: (free, runId) => this.runs.lock(free, runId),
      addRun: (request, input) => this.runs.addRun(request, { kind: 'backup-image', input }, null, null),
    });
    this.plans = new FakePlans(ground, {
      server,
      point: (id) => this.points.point(id),
      run: (id) => this.runs.run(id),
      requireOffsite: (name) => this.inventory.requireOffsite(name),
      requireUndoable: (runId, restored) => this.wayBacks.requireUndoable(runId, restored),
    });
    this.wayBacks = new FakeWayBacks({
      now,
      run: (runId) => this.runs.run(runId),
      server,
      lockOf: (serverId) => this.runs.lockOf(serverId),
      runs: () => this.runs.all(),
      isRunningSet: (restoreSetId) => this.restoreSets.isRunning(restoreSetId),
      changesToSignOff: ({ id, planId }) => {
        const body = planId === null ? null : this.plans.plan(planId).body;
        return changesToSignOff(body === null ? null : (JSON.parse(body) as PlanBody), this.changes.appliedIn(id));
      },
      setLineage: (serverId, lineageId) => this.inventory.setServer({ ...this.inventory.server(serverId), lineageId }),
      append,
    });
    this.restoreSets = new FakeRestoreSets({
      now,
      server,
      point: (id) => this.points.point(id),
      plan: (planId) => this.plans.plan(planId),
      setPlan: (plan) => this.plans.put(plan),
      runs: () => this.runs.all(),
      wayBackOf: (runId) => this.wayBacks.wayBackOf(runId),
      isDecided: (runId) => this.wayBacks.isDecided(runId, 'go-live'),
      earlier: (request, id) => ground.earlier(request, id),
      claim: (request, id) => ground.claim(request, id),
      requireAcceptable: (requests) => {
        for (const request of requests) {
          const plan = this.plans.plan(request.planId);
          const restored = server(request.serverId);
          requireUsablePlan(plan, restored, request);
          requireKept(this.chains.of(recoveryPointsOf(plan)), plan.id);
          this.runs.requireFree(restored);
        }
      },
      acceptPlanned: (request) => this.acceptPlanned(request),
      decide: (request) => this.wayBacks.decide(request),
      cancel: (actor, runId, reason) => this.runs.requestCancel(actor, runId, reason),
      page: (rows, page, view) => ground.newestFirst('restore-sets', rows, page, ({ requestedAt }) => requestedAt, view),
      append,
    });
    this.generations = new FakeGenerations({ server, points: (serverId) => this.points.of(serverId) });
    this.judgements = new FakeJudgements({
      now,
      server,
      servers: () => this.inventory.all().servers,
      relations: () => this.inventory.all().relations,
      points: (serverId) => this.points.of(serverId),
      markersOf: (recoveryPointId) => this.markers.ofPoint(recoveryPointId),
      readingsOf: (occasion) => this.markers.of(occasion),
      append,
    });
    this.changes = new FakeChanges({
      now,
      server,
      policies: () => [...this.inventory.policyRows.values()].map(policyRecord),
      isImageSpent: (changed) => this.due.isImageSpent(changed),
      points: (serverId) => this.points.of(serverId),
      beginningOf: (lineageId) => this.wayBacks.beginningOf(lineageId),
      isKnownLine: (lineageId) => this.wayBacks.isKnownLine(lineageId),
      holder: (serverId) => this.runs.find(this.runs.lockOf(serverId)?.runId ?? '') ?? null,
      requireHold: (runId) => this.runs.requireHold(runId).serverId,
      earlier: (request) => ground.earlier(request, 'chg'),
      claim: (request, id) => ground.claim(request, id),
      page: (rows, page, view) => ground.newestFirst('changes', rows, page, ({ openedAt }) => openedAt, view),
      append,
    });
    this.due = new FakeDueBackups({
      now,
      servers: () => this.inventory.serverList(),
      policySince: (serverId) => this.inventory.policySince(serverId),
      restoredAt: ({ id, lineageId }) => {
        const isImaged = this.points.of(id).some((point) => point.kind === 'image' && point.state === 'usable' && point.lineageId === lineageId);
        return isImaged ? null : this.wayBacks.wentLiveAt(id, lineageId);
      },
      hasImage: (serverId) => this.points.of(serverId).some(({ kind }) => kind === 'image'),
      changed: (due) => this.changes.toImage(due),
      policies: () => this.inventory.policyRows,
      hypervisors: () => this.inventory.all().hypervisors,
      repositories: () => this.inventory.all().repositories,
      runs: () => this.runs.all(),
      start: ({ kind, request }) => (kind === 'image' ? this.acceptBackup(request) : this.acceptDataBackup(request)),
      page: (rows, page, view) => ground.newestFirst('due-backups', rows, page, ({ dueAt }) => dueAt, view),
      append,
    });
    this.chains = new FakeChains({
      now,
      find: (id) => this.points.find(id),
      points: () => this.points.all(),
      setPoint: (row) => this.points.put(row),
      append,
    });
    this.points = new FakeRecoveryPoints(ground, {
      chains: this.chains,
      generations: this.generations,
      markers: this.markers,
      server,
      requireRepository: (name) => this.inventory.requireRepository(name),
      copies: () => this.offsite.allCopies(),
      noteContained: (row) => this.changes.noteContained(row),
      published: ({ id, runId }, as) => {
        const run = this.runs.find(runId);
        if (run !== undefined && (as === 'instead' || run.recoveryPointId === null)) this.runs.put({ ...run, recoveryPointId: id });
      },
    });
    this.verifications = new FakeVerifications({
      now,
      chains: this.chains,
      server,
      servers: () => this.inventory.serverList(),
      policies: () => this.inventory.policyRows,
      runs: () => this.runs.all(),
      point: (id) => this.points.point(id),
      points: () => this.points.all(),
      promisedSince: (serverId) => this.bootPromisedSince(serverId),
      setPoint: (row) => this.points.put(row),
      page: (rows, page, view) => ground.newestFirst('verifications', rows, page, ({ requestedAt }) => requestedAt, view),
      append,
    });
    this.offsite = new FakeOffsite({
      now,
      chains: this.chains,
      declared: () => this.inventory.all().offsite,
      server,
      servers: () => this.inventory.all().servers,
      policies: () => this.inventory.policyRows,
      find: (id) => this.points.find(id),
      points: () => this.points.all(),
      setPoint: (row) => this.points.put(row),
      page: (rows, page, view) => ground.newestFirst('transfers', rows, page, ({ requestedAt }) => requestedAt, view),
      append,
    });
    this.retention = new FakeRetention({
      now,
      chains: this.chains,
      server,
      servers: () => this.inventory.serverList(),
      policies: () => this.inventory.policyRows,
      plans: () => this.plans.all(),
      runs: () => this.runs.all(),
      openWayBacks: (serverId) => this.wayBacks.listWayBacks({ serverId, state: 'open' }),
      verifications: () => this.verifications.all(),
      transfers: () => this.offsite.allTransfers(),
      copies: () => this.offsite.allCopies(),
      point: (id) => this.points.point(id),
      points: () => this.points.all(),
      setPoint: (row) => this.points.put(row),
      setServer: (changed) => this.inventory.setServer(changed),
      append,
    });
    this.copies = new FakeCatalogCopies({
      now,
      places: () => [
        ...this.inventory.all().repositories.map(({ name }) => ({ kind: 'image' as const, name })),
        ...this.inventory.all().offsite.map(({ name }) => ({ kind: 'offsite' as const, name })),
      ],
      entries: () => ground.entries,
    });
    this.alerts = new FakeAlerts({
      now,
      nameOf: (serverId) => this.inventory.server(serverId).name,
      isInService: (serverId) => this.inventory.server(serverId).decommissioned === null,
      protection: () => judgeProtection(this.inventory.all().servers.map(protectedServer), this.inventory.all().policies, this.facts(), now()),
      runs: () => this.runs.all(),
      isRunningSet: (restoreSetId) => this.restoreSets.isRunning(restoreSetId),
      points: () => this.points.all(),
      page: (rows, page, view) => ground.newestFirst('alerts', rows, page, ({ raisedAt }) => raisedAt, view),
    });
  }

  /** From now on every method throws this error, until called with null: PostgreSQL that is away. */
  failWith(error: ModosuError | null): void {
    this.ground.failWith(error);
  }

  async check(): Promise<void> {
    this.ground.reach();
  }

  async close(): Promise<void> {}

  // --- inventory ------------------------------------------------------------------------------------------------------
  diffEstate: Catalog['diffEstate'] = (...given) => this.inventory.diffEstate(...given);
  applyEstate: Catalog['applyEstate'] = (...given) => this.inventory.applyEstate(...given);
  listHypervisors: Catalog['listHypervisors'] = (...given) => this.inventory.listHypervisors(...given);
  listRepositories: Catalog['listRepositories'] = (...given) => this.inventory.listRepositories(...given);
  listOffsite: Catalog['listOffsite'] = (...given) => this.inventory.listOffsite(...given);
  listPolicies: Catalog['listPolicies'] = (...given) => this.inventory.listPolicies(...given);
  getPolicy: Catalog['getPolicy'] = (...given) => this.inventory.getPolicy(...given);
  listRelations: Catalog['listRelations'] = (...given) => this.inventory.listRelations(...given);
  listGroups: Catalog['listGroups'] = (...given) => this.inventory.listGroups(...given);
  getGroup: Catalog['getGroup'] = (...given) => this.inventory.getGroup(...given);
  listServers: Catalog['listServers'] = (...given) => this.inventory.listServers(...given);
  getServer: Catalog['getServer'] = (...given) => this.inventory.getServer(...given);
  decommissionServer: Catalog['decommissionServer'] = (...given) => this.inventory.decommissionServer(...given);
  recommissionServer: Catalog['recommissionServer'] = (...given) => this.inventory.recommissionServer(...given);
  adoptServer: Catalog['adoptServer'] = (...given) => this.inventory.adoptServer(...given);

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

  // --- recovery points ------------------------------------------------------------------------------------------------
  nextGeneration: Catalog['nextGeneration'] = (...given) => this.points.nextGeneration(...given);
  recordRecoveryPoint: Catalog['recordRecoveryPoint'] = (...given) => this.points.recordRecoveryPoint(...given);
  adoptRecoveryPoint: Catalog['adoptRecoveryPoint'] = (...given) => this.points.adoptRecoveryPoint(...given);
  recordDataRecoveryPoint: Catalog['recordDataRecoveryPoint'] = (...given) => this.points.recordDataRecoveryPoint(...given);
  adoptDataRecoveryPoint: Catalog['adoptDataRecoveryPoint'] = (...given) => this.points.adoptDataRecoveryPoint(...given);
  incrementalParents: Catalog['incrementalParents'] = (...given) => this.points.incrementalParents(...given);
  usableData: Catalog['usableData'] = (...given) => this.points.usableData(...given);
  listRecoveryPoints: Catalog['listRecoveryPoints'] = (...given) => this.points.listRecoveryPoints(...given);
  getRecoveryPoint: Catalog['getRecoveryPoint'] = (...given) => this.points.getRecoveryPoint(...given);
  newestUsable: Catalog['newestUsable'] = (...given) => this.points.newestUsable(...given);
  usableImages: Catalog['usableImages'] = (...given) => this.points.usableImages(...given);
  candidatePoints: Catalog['candidatePoints'] = (...given) => this.points.candidatePoints(...given);
  manifestChecksum: Catalog['manifestChecksum'] = (...given) => this.points.manifestChecksum(...given);
  markRecoveryPoint: Catalog['markRecoveryPoint'] = (...given) => this.points.markRecoveryPoint(...given);

  listGenerations: Catalog['listGenerations'] = (serverId, page) => this.generations.list(serverId, page);
  getGeneration: Catalog['getGeneration'] = (serverId, generation) => this.generations.get(serverId, generation);
  recordReadings: Catalog['recordReadings'] = (occasion, sides) => this.markers.record(occasion, sides);
  readingsOf: Catalog['readingsOf'] = (occasion) => this.markers.of(occasion);
  forgetReadings: Catalog['forgetReadings'] = async () =>
    this.markers.forget((occasion) => {
      const plan = this.plans.find(occasion);
      if (plan !== undefined) return plan.state !== 'planning';
      const [id = '', moment] = occasion.split(':');
      const run = this.runs.find(id);
      if (run === undefined || !isFinal(run.state)) return false;
      const wayBack = moment === 'recheck' ? this.wayBacks.wayBackOf(id) : undefined;
      const closing = this.runs.find(wayBack?.closedBy ?? '');
      return wayBack?.state !== 'open' && (closing === undefined || isFinal(closing.state));
    });
  markersOf: Catalog['markersOf'] = (recoveryPointId) => this.markers.ofPoint(recoveryPointId);

  askForNightly: Catalog['askForNightly'] = (hourUtc) => this.judgements.askForNightly(hourUtc);
  askForJudgement: Catalog['askForJudgement'] = (request) => this.judgements.askForJudgement(request);
  dueJudgements: Catalog['dueJudgements'] = (atMost) => this.judgements.due(atMost);
  storedStates: Catalog['storedStates'] = (serverIds) => this.judgements.states(serverIds);
  recordJudgements: Catalog['recordJudgements'] = (begunAt, judged) => this.judgements.record(begunAt, judged);
  listJudgements: Catalog['listJudgements'] = (filter) => this.judgements.list(filter);

  takeCatalogCopyTurn: Catalog['takeCatalogCopyTurn'] = (everyMs, reachable) => this.copies.takeTurn(everyMs, reachable);
  recordCatalogCopy: Catalog['recordCatalogCopy'] = (repository, outcome) => this.copies.record(repository, outcome);
  catalogCopies: Catalog['catalogCopies'] = () => this.copies.list();

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
      this.inventory.all().servers,
      this.points.all(),
      this.runs.all(),
      this.due.waiting(),
      ({ policy }) => this.inventory.policyRows.get(policy ?? '') ?? null,
      (serverId) => this.verifications.boots(serverId),
      (serverId) => this.bootPromisedSince(serverId),
      this.ground.now(),
      (server) => this.changes.toImage(server),
      { places: this.offsite.places(), copies: this.offsite.allCopies() },
      this.judgements.facts(),
    );

  private bootPromisedSince(serverId: string): Date | null {
    const policy = this.inventory.policyRows.get(this.inventory.server(serverId).policy ?? '');
    const images = this.points.of(serverId).filter(({ kind, publishedAt }) => kind === 'image' && !isAhead(publishedAt, this.ground.now()));
    if (policy === undefined || images.length === 0) return null;
    const first = Math.min(...images.map(({ publishedAt }) => publishedAt.getTime()));
    return new Date(Math.max(policy.verificationSince.getTime(), this.inventory.policySince(serverId)?.getTime() ?? 0, first));
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

  recordRepositoryRoom: Catalog['recordRepositoryRoom'] = (...given) => this.room.record(...given);
  repositoryRoom: Catalog['repositoryRoom'] = () => this.room.list();

  // --- plans ----------------------------------------------------------------------------------------------------------
  acceptPlan: Catalog['acceptPlan'] = (...given) => this.plans.acceptPlan(...given);
  acceptUndoPlan: Catalog['acceptUndoPlan'] = (...given) => this.plans.acceptUndoPlan(...given);
  getDispatchablePlan: Catalog['getDispatchablePlan'] = (...given) => this.plans.getDispatchablePlan(...given);
  completePlan: Catalog['completePlan'] = (...given) => this.plans.completePlan(...given);
  recordPlanRetry: Catalog['recordPlanRetry'] = (...given) => this.plans.recordPlanRetry(...given);
  failPlan: Catalog['failPlan'] = (...given) => this.plans.failPlan(...given);
  getPlan: Catalog['getPlan'] = (...given) => this.plans.getPlan(...given);
  listUnfinishedPlans: Catalog['listUnfinishedPlans'] = (...given) => this.plans.listUnfinishedPlans(...given);
  listPlans: Catalog['listPlans'] = (...given) => this.plans.listPlans(...given);

  // --- runs -----------------------------------------------------------------------------------------------------------
  listUndispatched: Catalog['listUndispatched'] = (...given) => this.runs.listUndispatched(...given);
  getDispatchable: Catalog['getDispatchable'] = (...given) => this.runs.getDispatchable(...given);
  listOpenRuns: Catalog['listOpenRuns'] = (...given) => this.runs.listOpenRuns(...given);
  startRun: Catalog['startRun'] = (...given) => this.runs.startRun(...given);
  recordStep: Catalog['recordStep'] = (...given) => this.runs.recordStep(...given);
  recordProgress: Catalog['recordProgress'] = (...given) => this.runs.recordProgress(...given);
  recordRetry: Catalog['recordRetry'] = (...given) => this.runs.recordRetry(...given);
  finishRun: Catalog['finishRun'] = (...given) => this.runs.finishRun(...given);
  requestCancel: Catalog['requestCancel'] = (...given) => this.runs.requestCancel(...given);
  getRun: Catalog['getRun'] = (...given) => this.runs.getRun(...given);
  listRuns: Catalog['listRuns'] = (...given) => this.runs.listRuns(...given);
  measuredRecoverySeconds: Catalog['measuredRecoverySeconds'] = (...given) => this.runs.measuredRecoverySeconds(...given);

  acceptBackup: Catalog['acceptBackup'] = async (request) =>
    this.runs.accept('backup-image', request, newId('run'), (runId) => {
      const server = this.inventory.serverInService(request.serverId);
      const input = backupInput(server, request, this.inventory.policyOf(server), this.runs.lock(server, runId), newId('rp'));
      this.runs.addRun(request, { kind: 'backup-image', input }, null, null);
    });

  acceptDataBackup: Catalog['acceptDataBackup'] = async (request) =>
    this.runs.accept('backup-data', request, newId('run'), (runId) => {
      const server = this.inventory.serverInService(request.serverId);
      backupDataInput(server, request, { runId, fencingToken: 0, acceptedAt: this.ground.now() });
      this.runs.addRun(request, { kind: 'backup-data', input: backupDataInput(server, request, this.runs.lock(server, runId)) }, null, null);
    });

  acceptPlanned: Catalog['acceptPlanned'] = async (request) => {
    const { planId, serverId } = request;
    const server = this.inventory.server(serverId);
    const plan = this.plans.plan(planId);
    if (plan.serverId !== serverId) throw planNotFound(planId);
    return this.runs.accept(runKindOf(plan), request, plannedRunId(plan), (runId) => {
      const usable = requireUsablePlan(plan, server, request);
      const { body } = usable;
      if (body.scenario === 'undo') this.wayBacks.requireUndoable(body.undoes.runId, server);
      else requireKept(this.chains.of(recoveryPointsOf(plan)), planId);
      this.runs.addRun(
        request,
        plannedRun(server, request, usable, this.runs.lock(server, runId)),
        planId,
        body.scenario === 'undo' ? null : body.recoveryPoint.id,
      );
      this.plans.put({ ...plan, state: 'used', runId });
    });
  };

  acceptConfirm: Catalog['acceptConfirm'] = async (request) =>
    this.runs.accept('confirm', request, newId('run'), (runId) => {
      const server = this.inventory.server(request.serverId);
      this.wayBacks.requireConfirmable(request.ofRunId, server);
      this.runs.addRun(request, { kind: 'confirm', input: confirmInput(server, request, this.runs.lock(server, runId)) }, null, null);
    });

  resultOf: Catalog['resultOf'] = async (request, kind) => {
    this.ground.reach();
    return this.ground.earlier(request, `${kind}_`);
  };

  figures: Catalog['figures'] = async () => {
    const steps = this.runs.all().flatMap(({ id, kind }) => [...this.runs.stepsOf(id).values()].map((step) => ({ kind, step })));
    return countFigures({
      runs: this.runs.all(),
      steps,
      points: this.points.all(),
      wayBacks: await this.wayBacks.listWayBacks({ state: 'open' }),
      now: this.ground.now(),
    });
  };

  // --- sets -----------------------------------------------------------------------------------------------------------
  acceptBackupSet: Catalog['acceptBackupSet'] = (...given) => this.sets.acceptBackupSet(...given);
  getDispatchableSet: Catalog['getDispatchableSet'] = (...given) => this.sets.getDispatchableSet(...given);
  listOpenSets: Catalog['listOpenSets'] = (...given) => this.sets.listOpenSets(...given);
  getSet: Catalog['getSet'] = (...given) => this.sets.getSet(...given);
  listSets: Catalog['listSets'] = (...given) => this.sets.listSets(...given);
  newestSets: Catalog['newestSets'] = (...given) => this.sets.newestSets(...given);

  acceptRestoreSet: Catalog['acceptRestoreSet'] = (request) => this.restoreSets.acceptRestoreSet(request);
  acceptRestoreSetRuns: Catalog['acceptRestoreSetRuns'] = (request) => this.restoreSets.acceptRestoreSetRuns(request);
  runningRestoreSets: Catalog['runningRestoreSets'] = () => this.restoreSets.runningRestoreSets();
  advanceRestoreSet: Catalog['advanceRestoreSet'] = (restoreSetId) => this.restoreSets.advanceRestoreSet(restoreSetId);
  getRestoreSet: Catalog['getRestoreSet'] = (id) => this.restoreSets.getRestoreSet(id);
  listRestoreSets: Catalog['listRestoreSets'] = (page) => this.restoreSets.listRestoreSets(page);

  // --- ways back and decisions ----------------------------------------------------------------------------------------
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

  // --- tokens and audit -----------------------------------------------------------------------------------------------
  createToken: Catalog['createToken'] = (...given) => this.tokens.create(...given);
  authenticate: Catalog['authenticate'] = (secret) => this.tokens.authenticate(secret);
  listTokens: Catalog['listTokens'] = () => this.tokens.list();
  revokeToken: Catalog['revokeToken'] = (...given) => this.tokens.revoke(...given);
  audit: Catalog['audit'] = (entry) => this.audits.record(entry);
  listAudit: Catalog['listAudit'] = (filter, page) => this.audits.list(filter, page);
  verifyAudit: Catalog['verifyAudit'] = () => this.audits.verify();
}

/** @param now clock of everything that is recorded. */
export const createFakeCatalog = (now?: () => Date): FakeCatalog => new FakeCatalog(now);

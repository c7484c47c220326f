import type { DataChoice, PlanSource } from '../../contracts/activities/planning';
import type { PlannedCredential } from '../../contracts/credential';
import type { Finding, KeptDisk, LostChanges, PlanBasis, PlannedData, RestorePlanBody, RestoreSurvey } from '../../contracts/plan';
import type { NicInspection, ServerInspection } from '../../contracts/server';
import type { StateBefore } from '../../contracts/way-back';
import { changeFindings, changeLosses } from './change-findings';
import { credentialFindings } from './credential-findings';
import { planCredentials } from './credential-planning';
import { afterIncident, dataFindings, recoveryLoss } from './data-planning';
import { estimateDuration } from './estimate';
import { oldDiskFindings, requireAttachable } from './old-disks';
import {
  agentWasSeen,
  checksNeedNetwork,
  dataNeedsAgent,
  dataNeedsNetwork,
  definitionFindings,
  mediaFindings,
  presenceFindings,
  quarantineFindings,
  spaceFindings,
  startFindings,
  stateFindings,
  upLinkFindings,
  volumeFindings,
  wayBackFindings,
} from './restore-findings';
import { serviceFindings } from './service-findings';
import { describeAge } from '../../contracts/format';
import { itemKey } from '../steps/data-steps';
import type { RelationShape } from '../steps/relation-steps';
import { restoreSteps } from '../steps/restore-steps';
import { addedSince, compareDiskSets, keptChanges, keptFindings, keptLosses, keptSetFindings, requireKeepable, salvageFindings } from './salvage';

/**
 * Makes the plan of an image restore. Pure: the same survey and moment give the same plan. The present definition is kept unless the server is gone or its
 * disk set differs; then the recovery point's is used and a finding says so. With kept disks it is always the present one. Throws `DISK_NOT_FOUND`,
 * `DISK_NOT_KEEPABLE`, `OLD_DISK_NOT_ATTACHABLE` for disks with which what was asked for cannot be done.
 *
 * @param judged what the relations of the server say of its going back
 */
export function planRestore(source: PlanSource, survey: RestoreSurvey, now: Date, judged: JudgedRelations = NOT_JUDGED): RestorePlanBody {
  const { present, manifest, targets } = survey;
  const keptDisks = requireKeepable(source, survey);
  const oldDisks = requireAttachable(source, survey, keptDisks);
  const keptTargets = keptDisks.map(({ target }) => target);
  // A worker near the hypervisor of an earlier version plans volumes for them all the same.
  const volumes = targets.volumes.filter(({ target }) => !keptTargets.includes(target));
  const restored = volumes.map(({ target }) => target);
  const diskSet = compareDiskSets(survey, keptTargets);
  const definitionFrom = keptDisks.length === 0 && (present === null || diskSet.length > 0) ? 'recovery-point' : 'present';
  const waitsForAgent = agentWasSeen(survey);
  const nics = definitionFrom === 'present' && present !== null ? present.nics : manifest.nics;
  const quarantinedMacs = productionMacs(nics, source);
  const choices = source.data ?? [];
  const data = choices.flatMap(({ planned }) => (planned === null ? [] : [planned]));
  const renewsGenerationId = definitionFrom === 'present' ? present?.generationId != null : manifest.generationId !== null;

  const appliesChanges = source.leaveChanges === false;
  const lostChanges = withFactsNow(source, survey);
  const credentials = restoredCredentials(source, survey, waitsForAgent);

  return {
    planId: source.planId,
    runId: source.runId,
    scenario: 'server',
    server: {
      serverId: source.serverId,
      name: source.serverName,
      uuid: source.uuid,
      hypervisor: source.hypervisor,
      domainName: present?.domainName ?? null,
      macs: (present?.nics ?? manifest.nics).map(({ mac }) => mac),
      powerState: present?.powerState ?? null,
    },
    recoveryPoint: {
      id: manifest.recoveryPointId,
      generation: manifest.generation,
      pointInTime: manifest.pointInTime,
      consistency: manifest.consistency,
      reason: manifest.reason,
      repository: source.repository,
      ...(survey.reads === undefined ? {} : { reads: survey.reads }),
    },
    definitionFrom,
    volumes,
    keptDisks,
    oldDisks,
    nvramNewPath: targets.nvramNewPath,
    renewsGenerationId,
    quarantinedMacs,
    healthChecks: source.protection.healthChecks,
    data,
    loss: recoveryLoss(pointsInTime(manifest.pointInTime, choices), source.incidentAt ?? null, now),
    before: stateNow(present),
    steps: restoreSteps({
      diskTargets: restored,
      hasNvram: targets.nvramNewPath !== null,
      present: present !== null,
      waitsForAgent,
      healthChecks: source.protection.healthChecks.map(({ name }) => name),
      data: data.map(({ item }) => item),
      oldDisks: oldDisks.map(({ target }) => target),
      relations: judged,
      ...(appliesChanges ? { changes: lostChanges?.changes ?? [] } : {}),
      credentials: credentials.flatMap(({ account, isSet }) => (isSet ? [account] : [])),
    }),
    findings: [
      ...serviceFindings(source),
      ...afterIncident(manifest.pointInTime, source.incidentAt ?? null),
      ...presenceFindings(survey),
      ...(keptDisks.length > 0 && diskSet.length > 0 ? keptSetFindings(source, survey, keptTargets, diskSet) : definitionFindings(survey, diskSet)),
      ...keptFindings(keptDisks, restored, survey),
      ...salvageFindings(source, survey, keptDisks),
      ...oldDiskFindings(oldDisks),
      ...volumeFindings(volumes),
      ...mediaFindings((definitionFrom === 'present' ? present : null)?.removableMedia ?? manifest.removableMedia, targets.missingMedia),
      ...stateFindings(survey),
      ...startFindings(survey, renewsGenerationId),
      ...quarantineFindings(source, quarantinedMacs, waitsForAgent),
      ...upLinkFindings(nics, quarantinedMacs, judged.replicas ?? []),
      ...judged.findings,
      ...changeFindings(lostChanges, source.serverName, manifest.generation, appliesChanges),
      ...credentialFindings(credentials, { generation: manifest.generation, now, notSetBecause: notSetBecause(source, waitsForAgent) }),
      ...dataFindings(choices, manifest),
      ...dataNeedsAgent(data, waitsForAgent),
      ...dataNeedsNetwork(data, nics, quarantinedMacs),
      ...checksNeedNetwork(source.protection, nics, quarantinedMacs),
      ...wayBackFindings(source),
      ...targets.space.flatMap((need) => spaceFindings(need, source)),
    ],
    losses: [...describeLosses(survey, restored, keptDisks, data, now), ...changeLosses(lostChanges)],
    ...(lostChanges === undefined ? {} : { lostChanges, appliesChanges }),
    ...(judged.relations.length + judged.steps.length === 0 ? {} : { relations: judged.relations, relationSteps: judged.steps }),
    ...(credentials.length === 0 ? {} : { credentials }),
    ...(source.set === undefined ? {} : { restoreSet: source.set }),
    space: targets.space,
    estimate: estimateDuration(source.measuredRecoverySeconds),
    basis: planBasis(survey),
    createdAt: now.toISOString(),
  };
}

/** What relations say, and what of it becomes part of the run. */
export interface JudgedRelations extends RelationShape {
  readonly findings: readonly Finding[];
  /** Names of servers that share its state (`replicates-with`, declared from either side). Absent: none. */
  readonly replicas?: readonly string[];
}

const NOT_JUDGED: JudgedRelations = { relations: [], findings: [], steps: [], hasQuarantineRules: false, hasLiveRules: false };

const withFactsNow = ({ lostChanges }: PlanSource, { factsNow }: RestoreSurvey): LostChanges | undefined =>
  lostChanges === undefined || factsNow === undefined ? lostChanges : { ...lostChanges, now: factsNow };

/** Nobody has asked where a plan was begun by an earlier version. */
const restoredCredentials = (source: PlanSource, { manifest, credentials: surveyed }: RestoreSurvey, waitsForAgent: boolean): readonly PlannedCredential[] =>
  surveyed === undefined
    ? []
    : planCredentials({
        declared: source.protection.credentials ?? [],
        remembered: manifest.credentials ?? [],
        surveyed,
        pointInTime: manifest.pointInTime,
        mayBeSet: notSetBecause(source, waitsForAgent) === null,
      });

const notSetBecause = ({ leaveCredentials }: PlanSource, waitsForAgent: boolean): 'left' | 'no-agent' | null =>
  leaveCredentials === true ? 'left' : waitsForAgent ? null : 'no-agent';

/** Of the data as it will be. The system itself is as old as the image and counts where a data set stays as the image has it, or none is declared. */
function pointsInTime(imageAt: string, choices: readonly DataChoice[]): readonly string[] {
  const following = choices.flatMap(({ planned }) => (planned === null ? [] : [planned.pointInTime]));
  return following.length > 0 && choices.every(({ planned }) => planned !== null) ? following : [...following, imageAt];
}

/** How a server is, for whoever wants to put it back into this state. A server that is gone is off. */
export const stateNow = (present: ServerInspection | null): StateBefore => ({
  powerState: present?.powerState ?? 'off',
  agent: present?.agent.state ?? 'absent',
});

/** Every NIC that is not declared as one of the backup network: an undeclared one must not talk to anybody by mistake. */
function productionMacs(nics: readonly Pick<NicInspection, 'mac'>[], { protection }: PlanSource): readonly string[] {
  const backup = new Set(protection.nics.filter(({ role }) => role === 'backup').map(({ mac }) => mac.toLowerCase()));
  return nics.map(({ mac }) => mac).filter((mac) => mac !== '' && !backup.has(mac.toLowerCase()));
}

/** What must still be so when the plan is carried out. */
function planBasis(survey: RestoreSurvey): PlanBasis {
  return {
    definitionFingerprint: survey.present?.definitionFingerprint ?? null,
    disks: (survey.present?.disks ?? []).map(({ target, path }) => ({ target, path })),
    recoveryPointId: survey.manifest.recoveryPointId,
    manifestSha256: survey.manifestSha256,
  };
}

/**
 * What has changed since the plan was made, one sentence each; empty when it still holds. Room is not judged again: the copies
 * themselves have taken some of it.
 */
export function staleness(plan: Pick<RestorePlanBody, 'basis' | 'findings' | 'keptDisks'>, survey: RestoreSurvey): readonly string[] {
  const planned = plan.basis;
  const now = planBasis(survey);
  const changes: string[] = [];
  if (planned.definitionFingerprint === null && now.definitionFingerprint !== null) changes.push('the server exists on the hypervisor again');
  else if (planned.definitionFingerprint !== null && now.definitionFingerprint === null) changes.push('the server is gone from the hypervisor');
  else if (planned.definitionFingerprint !== now.definitionFingerprint) changes.push('the definition of the server was changed');
  const list = (basis: PlanBasis): string =>
    basis.disks
      .map(({ target, path }) => `${target} ${path}`)
      .sort()
      .join(', ');
  if (list(planned) !== list(now)) changes.push(`the disks were [${list(planned)}] and are now [${list(now)}]`);
  if (planned.recoveryPointId !== now.recoveryPointId || planned.manifestSha256 !== now.manifestSha256) changes.push('the recovery point was changed');
  // Somebody may have repaired it meanwhile: a server that has come back to life must not be overwritten on the word of an old plan.
  const wasAlive = plan.findings.some(({ code }) => code === 'SERVER_ALIVE');
  if (!wasAlive && survey.present?.agent.state === 'answering') changes.push('the guest agent did not answer and answers now: the server is alive');
  const blocked = stateFindings(survey).filter(({ severity, code }) => severity === 'block' && !plan.findings.some((known) => known.code === code));
  return [...changes, ...keptChanges(plan, survey), ...blocked.map(({ message }) => message)];
}

/** Whether a server whose definitions name these files is the restored one, whatever the run has told of itself. */
export function usesNewVolumes({ volumes, nvramNewPath }: Pick<RestorePlanBody, 'volumes' | 'nvramNewPath'>, files: readonly string[]): boolean {
  return files.some((path) => path === nvramNewPath || volumes.some(({ newPath }) => newPath === path));
}

function describeLosses(
  { present, manifest }: RestoreSurvey,
  restored: readonly string[],
  kept: readonly KeptDisk[],
  data: readonly PlannedData[],
  now: Date,
): readonly string[] {
  const age = describeAge(manifest.pointInTime, now);
  const losses = [
    `Everything written to ${restored.join(', ')} after ${manifest.pointInTime} (${age} ago) is not in the restored server${data.length === 0 ? '' : ', except the data that follows'}; ${present === null ? 'the server is gone, and what still lies where its disks were is left alone' : 'it stays readable in the old volumes'}.`,
    ...keptLosses(kept),
  ];
  for (const { item, pointInTime } of data) {
    losses.push(`Data ${itemKey(item)}: what was written after ${pointInTime} (${describeAge(pointInTime, now)} ago) is not in the restored server.`);
  }
  const detached = present === null || kept.length > 0 ? [] : addedSince(present, manifest.disks, []);
  if (detached.length > 0) losses.push(`The restored server does not have ${detached.map(({ target }) => target).join(', ')} attached.`);
  losses.push('Settings, packages and passwords changed since then go back as well.');
  return losses;
}

import type { DataChoice, PlanSource } from '../../contracts/activities';
import type { Finding, KeptDisk, PlanBasis, PlannedData, PlannedVolume, RestorePlanBody, RestoreSurvey, SpaceNeed } from '../../contracts/plan';
import type { NicInspection, ServerInspection } from '../../contracts/server';
import { keptBytes, type StateBefore } from '../../contracts/way-back';
import { afterIncident, dataFindings, recoveryLoss } from './data-planning';
import { estimateDuration } from './estimate';
import { oldDiskFindings, requireAttachable } from './old-disks';
import { describeAge, formatBytes, formatBytesNeeded } from '../../contracts/format';
import { itemKey } from '../steps/data-steps';
import { restoreSteps } from '../steps/restore-steps';
import { addedSince, compareDiskSets, keptChanges, keptFindings, keptLosses, keptSetFindings, requireKeepable, salvageFindings } from './salvage';

/** Room that stays free in every directory a restore writes to. */
export const SPACE_RESERVE_BYTES = 64 * 1024 * 1024;

/**
 * Makes the plan of an image restore. Pure: the same survey and moment give the same plan. The present definition is kept unless the server is gone or its
 * disk set differs; then the recovery point's is used and a finding says so. With kept disks it is always the present one. Throws `DISK_NOT_FOUND`,
 * `DISK_NOT_KEEPABLE`, `OLD_DISK_NOT_ATTACHABLE` for disks with which what was asked for cannot be done.
 */
export function planRestore(source: PlanSource, survey: RestoreSurvey, now: Date): RestorePlanBody {
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
    }),
    findings: [
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
      ...dataFindings(choices, manifest),
      ...dataNeedsAgent(data, waitsForAgent),
      ...dataNeedsNetwork(data, nics, quarantinedMacs),
      ...checksNeedNetwork(source.protection, nics, quarantinedMacs),
      ...wayBackFindings(source),
      ...targets.space.flatMap((need) => spaceFindings(need, source)),
    ],
    losses: describeLosses(survey, restored, keptDisks, data, now),
    space: targets.space,
    estimate: estimateDuration(source.measuredRecoverySeconds),
    basis: planBasis(survey),
    createdAt: now.toISOString(),
  };
}

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

/** Whether anybody has ever seen the agent of this server answer: only then its answer can be waited for. */
const agentWasSeen = ({ present, manifest }: RestoreSurvey): boolean => manifest.agentBefore === 'answering' || present?.agent.state === 'answering';

function presenceFindings({ present, manifest }: RestoreSurvey): readonly Finding[] {
  if (present === null) {
    return [
      {
        code: 'SERVER_GONE',
        severity: 'warn',
        message: 'The hypervisor no longer knows this server; it is defined anew from the recovery point.',
        evidence: [`uuid ${manifest.server.uuid}`],
      },
    ];
  }
  if (present.powerState === 'off') return [{ code: 'SERVER_OFF', severity: 'ok', message: 'The server is off.', evidence: [] }];
  if (present.agent.state === 'answering') {
    return [
      {
        code: 'SERVER_ALIVE',
        severity: 'warn',
        message: 'The server is running and its guest agent answers: it is shut down by this restore.',
        remedy: 'Make sure that this is the server you mean.',
        evidence: [`power state ${present.powerState}`, `agent version ${present.agent.version ?? 'unknown'}`],
      },
    ];
  }
  return [
    {
      code: 'SERVER_NOT_ANSWERING',
      severity: 'ok',
      message: `libvirt says "${present.powerState}", but the guest agent does not answer: its power will be cut.`,
      evidence: [`agent ${present.agent.state}`],
    },
  ];
}

function definitionFindings({ present, manifest }: RestoreSurvey, diskSet: readonly string[]): readonly Finding[] {
  if (present === null) return [];
  if (diskSet.length > 0) {
    return [
      {
        code: 'DISK_SET_DIFFERS',
        severity: 'warn',
        message: 'The disks of the server differ from the recovery point: the whole definition of the recovery point is used.',
        remedy: 'Disks added since are detached but not deleted; attach them again after the restore if you need them.',
        evidence: diskSet,
      },
    ];
  }
  if (present.definitionFingerprint === manifest.definitionFingerprint) return [];
  return [
    {
      code: 'DEFINITION_CHANGED',
      severity: 'ok',
      message: 'The definition was changed since the recovery point (memory, network or other devices): the present one is kept.',
      evidence: [],
    },
  ];
}

/** Problems of the server as it stands. */
function stateFindings({ present }: RestoreSurvey): readonly Finding[] {
  return (present?.refusals ?? []).map((refusal) => ({
    code: refusal.code,
    // Most of what forbids a backup is what a restore mends; saved memory belongs to the old disks and must not meet the new ones.
    severity: refusal.code === 'SERVER_HAS_SAVED_STATE' ? ('block' as const) : ('warn' as const),
    message: `The server as it stands: ${refusal.message}`,
    remedy: refusal.hint,
    evidence: [],
  }));
}

function volumeFindings(volumes: readonly PlannedVolume[]): readonly Finding[] {
  const flattened = volumes.filter(({ flattened: isFlat }) => isFlat);
  return [
    ...(flattened.length === 0
      ? []
      : [
          {
            code: 'CHAIN_FLATTENED',
            severity: 'warn' as const,
            message: 'Disks that stood on a backing file come back as files that stand alone.',
            evidence: flattened.map(({ target, newPath }) => `${target} ${newPath}`),
          },
        ]),
  ];
}

function mediaFindings(media: RestoreSurvey['manifest']['removableMedia'], missing: readonly string[]): readonly Finding[] {
  const shown = (some: typeof media): readonly string[] => some.map(({ target, source }) => `${target} ${source ?? 'empty'}`);
  const gone = media.filter(({ source }) => source !== null && missing.includes(source));
  const there = media.filter((medium) => !gone.includes(medium));
  return [
    ...(there.length === 0
      ? []
      : [{ code: 'REMOVABLE_MEDIA', severity: 'ok' as const, message: 'CD-ROMs and floppies are recorded, not copied.', evidence: shown(there) }]),
    ...(gone.length === 0
      ? []
      : [
          {
            code: 'REMOVABLE_MEDIUM_MISSING',
            severity: 'warn' as const,
            message: 'What lay in a CD-ROM or floppy drive is not on the host any more: the drive comes back empty.',
            remedy: 'If the server needs it, put the file there before the restore, or insert it afterwards: `virsh change-media DOMAIN TARGET FILE --insert`.',
            evidence: shown(gone),
          },
        ]),
  ];
}

function startFindings(survey: RestoreSurvey, renewsGenerationId: boolean): readonly Finding[] {
  const findings: Finding[] = [];
  if (!agentWasSeen(survey)) {
    const { agentBefore, powerStateBefore } = survey.manifest;
    findings.push({
      code: 'START_CANNOT_BE_PROVEN',
      severity: 'warn',
      message: 'No guest agent of this server has been seen: the restore ends when libvirt says "running", which does not prove that the OS has started.',
      remedy: 'Look at the console after the restore, and install qemu-guest-agent.',
      evidence: [`agent ${agentBefore} when the recovery point was taken`, `power state ${powerStateBefore} then`],
    });
  }
  if (renewsGenerationId) {
    findings.push({
      code: 'GENERATION_ID_RENEWED',
      severity: 'ok',
      message: 'The server gets a fresh generation id, so that software in it notices the journey in time.',
      evidence: [],
    });
  }
  return findings;
}

function quarantineFindings({ protection }: PlanSource, quarantinedMacs: readonly string[], waitsForAgent: boolean): readonly Finding[] {
  const findings: Finding[] = [];
  const undeclared = quarantinedMacs.filter((mac) => !protection.nics.some((nic) => nic.mac.toLowerCase() === mac.toLowerCase()));
  if (undeclared.length > 0) {
    findings.push({
      code: 'NIC_NOT_DECLARED',
      severity: 'ok',
      message: 'NICs that are not declared count as production: their links are down until go-live.',
      remedy: 'Declare them under "nics" of the server, with role production or backup.',
      evidence: undeclared,
    });
  }
  const gone = protection.nics.filter(({ mac, role }) => role === 'production' && !quarantinedMacs.some((known) => known.toLowerCase() === mac.toLowerCase()));
  if (gone.length > 0) {
    findings.push({
      code: 'NIC_NOT_PRESENT',
      severity: 'warn',
      message: 'Declared production NICs are not in the definition that is used.',
      remedy: 'Correct "nics" of the server in the estate file.',
      evidence: gone.map(({ mac }) => mac),
    });
  }
  const { healthChecks } = protection;
  if (healthChecks.length === 0) {
    findings.push({
      code: 'NO_HEALTH_CHECKS',
      severity: 'ok',
      message: 'No health check is declared: the server goes live when it has started.',
      remedy: 'Declare "healthChecks" of the server.',
      evidence: [],
    });
  }
  const needAgent = healthChecks.filter(({ kind }) => kind !== 'tcp');
  if (needAgent.length > 0 && !waitsForAgent && protection.ssh == null) {
    findings.push({
      code: 'HEALTH_CHECK_NEEDS_AGENT',
      severity: 'warn',
      message: 'Health checks run in the guest through its agent, and nobody has seen that agent: they will most likely fail, and the restore is undone then.',
      remedy: 'Install qemu-guest-agent, or use TCP checks over the backup network.',
      evidence: needAgent.map(({ name, kind }) => `${name} (${kind})`),
    });
  }
  return findings;
}

/** Kept volumes take room that nobody sees otherwise. */
function wayBackFindings({ openWayBacks }: PlanSource): readonly Finding[] {
  if (openWayBacks.length === 0) return [];
  return [
    {
      code: 'WAY_BACKS_KEPT',
      severity: 'ok',
      message: `Volumes of ${openWayBacks.length === 1 ? 'an earlier run' : `${openWayBacks.length} earlier runs`} are still kept: ${formatBytes(openWayBacks.reduce((sum, wayBack) => sum + keptBytes(wayBack), 0))}. This restore keeps the present ones as well.`,
      evidence: openWayBacks.map((wayBack) => `run ${wayBack.runId}: ${formatBytes(keptBytes(wayBack))} until ${wayBack.expiresAt}`),
    },
  ];
}

function spaceFindings({ directory, neededBytes, freeBytes }: SpaceNeed, { openWayBacks }: PlanSource): readonly Finding[] {
  if (neededBytes + SPACE_RESERVE_BYTES <= freeBytes) return [];
  const missingBytes = neededBytes + SPACE_RESERVE_BYTES - freeBytes;
  return [
    {
      code: 'NOT_ENOUGH_SPACE',
      severity: 'block',
      message: `${directory} has too little room for the new volumes.`,
      remedy: `Free at least ${formatBytesNeeded(missingBytes)} in ${directory}.${confirmable(openWayBacks)}`,
      evidence: [`needed ${neededBytes} bytes and a reserve of ${SPACE_RESERVE_BYTES}`, `free ${freeBytes} bytes`],
    },
  ];
}

/** What a responder can give up at once. */
function confirmable(openWayBacks: PlanSource['openWayBacks']): string {
  const [oldest] = openWayBacks.filter(({ wentLiveAt }) => wentLiveAt !== null).toReversed();
  return oldest === undefined
    ? ''
    : ` Volumes that run ${oldest.runId} has kept hold ${formatBytes(keptBytes(oldest))}: modosu run confirm ${oldest.runId} deletes them.`;
}

/** Data is brought back by programs that run in the guest. */
function dataNeedsAgent(data: readonly PlannedData[], waitsForAgent: boolean): readonly Finding[] {
  if (data.length === 0 || waitsForAgent) return [];
  return [
    {
      code: 'DATA_NEEDS_AGENT',
      severity: 'block',
      message: 'Data sets follow the image, and nobody has seen the guest agent that has to bring them back.',
      remedy: 'Restore the image alone (--no-data), then the data.',
      evidence: data.map(({ item }) => item.dataSet.name),
    },
  ];
}

/** In quarantine the guest reaches the data repository over the backup network, or not at all. */
function dataNeedsNetwork(data: readonly PlannedData[], nics: readonly Pick<NicInspection, 'mac'>[], quarantinedMacs: readonly string[]): readonly Finding[] {
  if (data.length === 0 || nics.some(({ mac }) => !quarantinedMacs.includes(mac))) return [];
  return [
    {
      code: 'DATA_NEEDS_BACKUP_NETWORK',
      severity: 'block',
      message: 'Data sets follow the image, and every NIC of the server is down in quarantine: its guest could not reach the data repository.',
      remedy: 'Declare the NIC of the backup network under "nics" of the server (role: backup), or restore the image alone (--no-data), then the data.',
      evidence: nics.map(({ mac }) => mac),
    },
  ];
}

/** Programs that are run over SSH too. */
function checksNeedNetwork(
  { ssh, healthChecks }: PlanSource['protection'],
  nics: readonly Pick<NicInspection, 'mac'>[],
  quarantinedMacs: readonly string[],
): readonly Finding[] {
  const inGuest = healthChecks.filter(({ kind }) => kind !== 'tcp');
  if (ssh == null || inGuest.length === 0 || nics.some(({ mac }) => !quarantinedMacs.includes(mac))) return [];
  return [
    {
      code: 'HEALTH_CHECK_NEEDS_BACKUP_NETWORK',
      severity: 'block',
      message:
        'Health checks are run in the guest over SSH, and every NIC of the server is down in quarantine: they would fail, and the restore would be undone.',
      remedy: 'Declare the NIC of the backup network under "nics" of the server (role: backup), with its address as the host of "ssh".',
      evidence: inGuest.map(({ name, kind }) => `${name} (${kind})`),
    },
  ];
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
  for (const { item, pointInTime } of data)
    losses.push(`Data ${itemKey(item)}: what was written after ${pointInTime} (${describeAge(pointInTime, now)} ago) is not in the restored server.`);
  const detached = present === null || kept.length > 0 ? [] : addedSince(present, manifest.disks, []);
  if (detached.length > 0) losses.push(`The restored server does not have ${detached.map(({ target }) => target).join(', ')} attached.`);
  losses.push('Settings, packages and passwords changed since then go back as well.');
  return losses;
}

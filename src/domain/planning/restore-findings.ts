import type { PlanSource } from '../../contracts/activities/planning';
import { formatBytes, formatBytesNeeded } from '../../contracts/format';
import type { Finding, PlannedData, PlannedVolume, RestoreSurvey, SpaceNeed } from '../../contracts/plan';
import type { NicInspection } from '../../contracts/server';
import { namesOf } from '../../contracts/text';
import { keptBytes } from '../../contracts/way-back';

/** What a plan of a server's restore says beside its steps: what was found, what stands against it, what to do about it. Pure. */

/** Room that stays free in every directory a restore writes to. */
export const SPACE_RESERVE_BYTES = 64 * 1024 * 1024;

/** Whether anybody has ever seen the agent of this server answer: only then its answer can be waited for. */
export const agentWasSeen = ({ present, manifest }: RestoreSurvey): boolean => manifest.agentBefore === 'answering' || present?.agent.state === 'answering';

export function presenceFindings({ present, manifest }: RestoreSurvey): readonly Finding[] {
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

export function definitionFindings({ present, manifest }: RestoreSurvey, diskSet: readonly string[]): readonly Finding[] {
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
export function stateFindings({ present }: RestoreSurvey): readonly Finding[] {
  return (present?.refusals ?? []).map((refusal) => ({
    code: refusal.code,
    // Most of what forbids a backup is what a restore mends; saved memory belongs to the old disks and must not meet the new ones.
    severity: refusal.code === 'SERVER_HAS_SAVED_STATE' ? ('block' as const) : ('warn' as const),
    message: `The server as it stands: ${refusal.message}`,
    remedy: refusal.hint,
    evidence: [],
  }));
}

export function volumeFindings(volumes: readonly PlannedVolume[]): readonly Finding[] {
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

export function mediaFindings(media: RestoreSurvey['manifest']['removableMedia'], missing: readonly string[]): readonly Finding[] {
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

export function startFindings(survey: RestoreSurvey, renewsGenerationId: boolean): readonly Finding[] {
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

export function quarantineFindings({ protection }: PlanSource, quarantinedMacs: readonly string[], waitsForAgent: boolean): readonly Finding[] {
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

/**
 * Of a server that shares its state with others: links that are up in quarantine. A standby that reaches its primary over one of them goes on where it was before any
 * rule is asked.
 *
 * @param nics of a stored definition it is not known whether a link is up: it counts as such
 * @param replicas names of those that share it
 */
export function upLinkFindings(
  nics: readonly (Pick<NicInspection, 'mac' | 'source'> & { readonly linkUp?: boolean })[],
  quarantinedMacs: readonly string[],
  replicas: readonly string[],
): readonly Finding[] {
  const up = nics.filter(({ mac, linkUp }) => linkUp !== false && !quarantinedMacs.includes(mac));
  if (up.length === 0 || replicas.length === 0) return [];
  const links = up.map(({ mac, source }) => `${mac === '' ? 'one without an address' : mac}${source === null ? '' : ` (${source})`}`);
  return [
    {
      code: 'LINK_STAYS_UP',
      severity: 'warn',
      message: `In quarantine ${links.length === 1 ? `link ${links[0] ?? ''} stays` : `links ${links.join(', ')} stay`} up, and the server shares its state with ${namesOf(replicas)}: over ${links.length === 1 ? 'it' : 'them'} the two could replicate before any rule has said that they may.`,
      remedy: `Make sure that the server cannot reach them over that network (their addresses for replication lie on another one, or a firewall stands between), or declare the link with role production under "nics" of the server, and plan again.`,
      evidence: links,
    },
  ];
}

/** Kept volumes take room that nobody sees otherwise. */
export function wayBackFindings({ openWayBacks }: PlanSource): readonly Finding[] {
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

export function spaceFindings({ directory, neededBytes, freeBytes }: SpaceNeed, { openWayBacks }: PlanSource): readonly Finding[] {
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
    : ` Volumes that run ${oldest.runId} has kept hold ${formatBytes(keptBytes(oldest))}: \`modosu run confirm ${oldest.runId} --reason TEXT\` deletes them.`;
}

/** Data is brought back by programs that run in the guest. */
export function dataNeedsAgent(data: readonly PlannedData[], waitsForAgent: boolean): readonly Finding[] {
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
export function dataNeedsNetwork(
  data: readonly PlannedData[],
  nics: readonly Pick<NicInspection, 'mac'>[],
  quarantinedMacs: readonly string[],
): readonly Finding[] {
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
export function checksNeedNetwork(
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

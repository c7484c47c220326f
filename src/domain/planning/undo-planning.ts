import type { UndoSource } from '../../contracts/activities/planning';
import { describeAge, formatBytes } from '../../contracts/format';
import type { RunKind } from '../../contracts/run';
import type { Finding, ReturnedVolume, UndoPlanBody, UndoSurvey } from '../../contracts/plan';
import { DATA_UNDO_STEPS } from '../steps/data-steps';
import { changeLosses, undoChangeFindings } from './change-findings';
import { stateNow } from './restore-planning';
import { undoSteps } from '../steps/restore-steps';

/** What relations say of an undo, and whether any of them has rules for the time after it. */
export interface RelationsOfUndo {
  readonly findings: readonly Finding[];
  readonly hasLiveRules: boolean;
}

const NO_RELATIONS: RelationsOfUndo = { findings: [], hasLiveRules: false };

/**
 * Makes the plan of an undo: back to the volumes that a run has replaced. Pure. Before go-live nothing is lost; after it, what was written since is not in
 * the server any more, and stays in the volumes that are kept for a redo. Disks that the run has left as they were stay as they are now.
 *
 * @param relations what the relations of the server say of its going back to them
 */
export function planUndo(source: UndoSource, survey: UndoSurvey, now: Date, relations: RelationsOfUndo = NO_RELATIONS): UndoPlanBody {
  const { wayBack, undoneRun } = source;
  const { data } = wayBack;
  const { present } = survey;
  const stopsServer = present !== null && present.powerState !== 'off';
  const volumes = data === null ? returnedVolumes(source, survey) : [];
  const { before } = wayBack;
  return {
    planId: source.planId,
    runId: source.runId,
    scenario: 'undo',
    server: {
      serverId: source.serverId,
      name: source.serverName,
      uuid: source.uuid,
      hypervisor: source.hypervisor,
      domainName: present?.domainName ?? null,
      macs: (present?.nics ?? []).map(({ mac }) => mac),
      powerState: present?.powerState ?? null,
    },
    undoes: { runId: wayBack.runId, kind: undoneRun.kind, swappedAt: wayBack.createdAt, wentLiveAt: wayBack.wentLiveAt, reason: undoneRun.reason },
    volumes,
    generationId: { now: present?.generationId ?? null, then: survey.wayBack?.generationId ?? null },
    // Data goes back on the disks that the server has, also when they were replaced since.
    lineage: { now: source.lineageId, then: data === null ? wayBack.lineageBefore : source.lineageId },
    returnsTo: before,
    before: stateNow(present),
    // A server that did not answer before the restore cannot be waited for after the undo.
    steps:
      data !== null
        ? DATA_UNDO_STEPS
        : undoSteps({
            stopsServer,
            startsServer: before.powerState !== 'off',
            waitsForAgent: before.powerState !== 'off' && before.agent === 'answering',
            // Of a server that stays off nobody learns anything.
            provesPeers: before.powerState !== 'off' && relations.hasLiveRules,
          }),
    findings:
      data !== null
        ? dataFindings(survey)
        : [
            ...presenceFindings(survey),
            ...keptFindings(source, survey),
            ...unchangedFindings(survey),
            ...returnFindings(source),
            ...undoChangeFindings(source.lostChanges, source.serverName),
            ...relations.findings,
          ],
    losses: data !== null ? (survey.data?.losses ?? []) : [...describeLosses(source, volumes, now), ...changeLosses(source.lostChanges)],
    ...(source.lostChanges === undefined ? {} : { lostChanges: source.lostChanges }),
    ...(data === null ? {} : { data: { record: data, changes: survey.data?.changes ?? [] } }),
    basis: undoBasis(survey),
    createdAt: now.toISOString(),
  };
}

/**
 * Whether an undo of this run is judged by the server's relations: nobody has followed what was never live. And markers stand with images alone: data is restored into
 * a server that runs and goes forward there, so that peers follow the restore, and its undo, as any other write (ADR 40).
 */
export const peersMayHaveFollowed = ({ wentLiveAt, data }: { readonly wentLiveAt: string | null; readonly data?: unknown }, undone: RunKind): boolean =>
  wentLiveAt !== null && data == null && (undone === 'restore-server' || undone === 'undo');

const undoBasis = ({ present }: UndoSurvey): UndoPlanBody['basis'] => ({
  definitionFingerprint: present?.definitionFingerprint ?? null,
  disks: (present?.disks ?? []).map(({ target, path }) => ({ target, path })),
});

/** What has changed since the plan was made, one sentence each; empty when it still holds. */
export function undoStaleness(plan: Pick<UndoPlanBody, 'basis'>, survey: UndoSurvey): readonly string[] {
  const now = undoBasis(survey);
  const changes: string[] = [];
  if (now.definitionFingerprint === null) changes.push('the server is gone from the hypervisor');
  else if (now.definitionFingerprint !== plan.basis.definitionFingerprint) changes.push('the definition of the server was changed');
  const list = ({ disks }: UndoPlanBody['basis']): string =>
    disks
      .map(({ target, path }) => `${target} ${path}`)
      .sort()
      .join(', ');
  if (list(now) !== list(plan.basis)) changes.push(`the disks were [${list(plan.basis)}] and are now [${list(now)}]`);
  if (survey.wayBack === null) changes.push('the volumes to return to are no longer kept');
  else if (!survey.wayBack.complete) changes.push('a kept volume is missing or was exchanged');
  return changes;
}

/**
 * Whether a run that had swapped volumes has put the server back, by what the hypervisor says of that run: what it has kept is kept for it no more, or the server
 * uses it again. What the catalogue says comes after either.
 */
export function isTakenBack({ present, wayBack }: Pick<UndoSurvey, 'present' | 'wayBack'>): boolean {
  if (wayBack === null) return true;
  const kept = new Set(wayBack.volumes.map(({ path }) => path));
  return (present?.disks ?? []).some(({ path }) => kept.has(path));
}

function returnedVolumes({ wayBack }: UndoSource, survey: UndoSurvey): readonly ReturnedVolume[] {
  const { present, writtenBytes } = survey;
  const staying = unchangedDisks(survey).map(({ target }) => target);
  const targets = new Set([...(present?.disks ?? []).map(({ target }) => target), ...wayBack.volumes.map(({ target }) => target)]);
  return [...targets].sort().map((target) => {
    const presentPath = present?.disks.find((disk) => disk.target === target)?.path ?? null;
    return {
      target,
      presentPath,
      returnsToPath: staying.includes(target) ? presentPath : (wayBack.volumes.find((volume) => volume.target === target)?.path ?? null),
      writtenBytes: writtenBytes[target] ?? null,
    };
  });
}

/** Disks that the run has left as they were. */
const unchangedDisks = ({ wayBack }: UndoSurvey): readonly { readonly target: string; readonly path: string }[] => wayBack?.unchanged ?? [];

const stays = ({ presentPath, returnsToPath }: ReturnedVolume): boolean => presentPath !== null && presentPath === returnsToPath;

function unchangedFindings(survey: UndoSurvey): readonly Finding[] {
  const { present } = survey;
  if (present === null) return [];
  const unchanged = unchangedDisks(survey);
  const staying = unchanged.map(({ target }) => target);
  const detached = staying.filter((target) => !present.disks.some((disk) => disk.target === target));
  return [
    ...(staying.length === 0
      ? []
      : [
          {
            code: 'DISKS_KEPT',
            severity: 'ok' as const,
            message: `${staying.join(', ')} ${staying.length === 1 ? 'was' : 'were'} kept by that run and stay${staying.length === 1 ? 's' : ''} as now: what was written there is not undone.`,
            evidence: present.disks.filter(({ target }) => staying.includes(target)).map(({ target, path }) => `${target} ${path}`),
          },
        ]),
    ...(detached.length === 0
      ? []
      : [
          {
            code: 'KEPT_DISK_DETACHED',
            severity: 'block' as const,
            message: `${detached.join(', ')} ${detached.length === 1 ? 'was' : 'were'} kept by that run, and the server has ${detached.length === 1 ? 'it' : 'them'} no more: another server may use the file.`,
            remedy: 'Attach it again under the same target, then plan again.',
            evidence: unchanged.filter(({ target }) => detached.includes(target)).map(({ target, path }) => `${target} ${path}`),
          },
        ]),
  ];
}

function presenceFindings({ present }: UndoSurvey): readonly Finding[] {
  if (present === null) {
    return [
      {
        code: 'SERVER_GONE',
        severity: 'block',
        message: 'The hypervisor no longer knows this server: there is no definition to keep.',
        remedy: 'Restore it from a recovery point.',
        evidence: [],
      },
    ];
  }
  const saved = present.refusals.find(({ code }) => code === 'SERVER_HAS_SAVED_STATE');
  if (saved !== undefined) return [{ code: saved.code, severity: 'block', message: saved.message, remedy: saved.hint, evidence: [] }];
  if (present.powerState === 'off') return [{ code: 'SERVER_OFF', severity: 'ok', message: 'The server is off.', evidence: [] }];
  return [
    {
      code: present.agent.state === 'answering' ? 'SERVER_ALIVE' : 'SERVER_NOT_ANSWERING',
      severity: present.agent.state === 'answering' ? 'warn' : 'ok',
      message:
        present.agent.state === 'answering'
          ? 'The server is running and its guest agent answers: it is shut down by this undo.'
          : 'The guest agent does not answer: the power of the server is cut.',
      evidence: [`power state ${present.powerState}`],
    },
  ];
}

/** The server runs on: what goes back lies in its guest. */
function dataFindings({ present, data }: UndoSurvey): readonly Finding[] {
  if (present?.agent.state === 'answering') {
    return [
      { code: 'SERVER_ALIVE', severity: 'ok', message: 'The server runs on; its data goes back.', evidence: [`power state ${present.powerState}`] },
      ...(data?.findings ?? []),
    ];
  }
  return [
    {
      code: 'AGENT_SILENT',
      severity: 'block',
      message: 'The guest agent does not answer: what is kept lies inside the guest.',
      remedy: 'Start the server and its guest agent, then plan again.',
      evidence: [`power state ${present?.powerState ?? 'gone'}`],
    },
  ];
}

function keptFindings({ wayBack }: UndoSource, { wayBack: kept }: UndoSurvey): readonly Finding[] {
  if (kept === null) {
    return [
      {
        code: 'WAY_BACK_NOT_FOUND',
        severity: 'block',
        message: 'The host of the hypervisor has kept nothing of this run.',
        remedy: 'Restore from a recovery point instead.',
        evidence: [`run ${wayBack.runId}`],
      },
    ];
  }
  if (kept.complete) {
    return [
      {
        code: 'WAY_BACK_COMPLETE',
        severity: 'ok',
        message: 'Every kept volume is there.',
        evidence: kept.volumes.map(({ target, path, allocatedBytes }) => `${target} ${path} (${formatBytes(allocatedBytes)})`),
      },
    ];
  }
  return [
    {
      code: 'WAY_BACK_INCOMPLETE',
      severity: 'block',
      message: 'A kept volume is missing, or another file stands in its place.',
      remedy: 'Put it back, or restore from a recovery point instead.',
      evidence: kept.volumes.map(({ target, path }) => `${target} ${path}`),
    },
  ];
}

function returnFindings({ wayBack: { before } }: UndoSource): readonly Finding[] {
  if (before.powerState === 'off') {
    return [{ code: 'STAYS_OFF', severity: 'ok', message: 'The server was off before, and stays off after the undo.', evidence: [] }];
  }
  if (before.agent !== 'answering') {
    return [
      {
        code: 'START_CANNOT_BE_PROVEN',
        severity: 'warn',
        message: 'The server did not answer before that run; it will most likely not answer after the undo either.',
        remedy: 'Make sure that you want the server back that had been replaced.',
        evidence: [`agent ${before.agent} then`],
      },
    ];
  }
  return [];
}

function describeLosses({ wayBack }: UndoSource, volumes: readonly ReturnedVolume[], now: Date): readonly string[] {
  const { wentLiveAt } = wayBack;
  const returned = volumes.filter((volume) => !stays(volume));
  const staying = volumes.filter(stays).map(({ target }) => target);
  const notUndone =
    staying.length === 0
      ? []
      : [
          `What was written to ${staying.join(', ')} is NOT undone and not lost: ${staying.length === 1 ? 'that disk stays' : 'those disks stay'} as now, before and after.`,
        ];
  if (wentLiveAt === null) return notUndone;
  const written = returned
    .map(({ target, writtenBytes }) => ({ target, bytes: writtenBytes ?? 0 }))
    .filter(({ bytes }) => bytes > 0)
    .map(({ target, bytes }) => `${formatBytes(bytes)} to ${target}`);
  const counted = written.length === 0 ? '' : ` QEMU counts ${written.join(', ')} since the server was started.`;
  return [
    `Everything written${staying.length === 0 ? '' : ` to ${returned.map(({ target }) => target).join(', ')}`} since it went live at ${wentLiveAt} (${describeAge(wentLiveAt, now)} ago) is not in the server after the undo.${counted}`,
    'It stays in the present volumes, which are kept: undoing the undo brings it back.',
    ...notUndone,
    'Changes of the definition made since then (memory, network, devices) go back as well.',
  ];
}

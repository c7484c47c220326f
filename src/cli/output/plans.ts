import { formatBytes } from '../../contracts/format';
import { keptDisksOf, type LostChanges, type PlanBody, type RestorePlanBody, type RestorePlanSummary, type RestorePlanView } from '../../contracts/plan';
import { plannedCredentialsText } from './credentials';
import type { SetOfPlan } from '../../contracts/restore-set';
import { dataPlanText, lossAndTime, selectionText } from './data';
import { ago, blocks, findingsText, identityFields, indented, lossesText, nextText, section, stepsText } from './plan-parts';
import type { Printer } from './printer';
import { healthCheckText } from './protection';
import { retryingText } from './retrying';
import { errorText } from './runs';
import { fields, plain, table, utc } from './text';
import { undoPlanText } from './undo-plan';

export { blocks };

export const planTable = (plans: readonly RestorePlanSummary[]): string =>
  table(
    ['ID', 'SERVER', 'PLANS', 'STATE', 'MADE', 'BY', 'RUN'],
    plans.map((plan) => [plan.id, plan.serverName, plannedText(plan), plan.state, utc(plan.createdAt), plan.requestedBy, plan.runId ?? '-']),
  );

function plannedText({ scenario, undoesRunId, restoreSetId }: RestorePlanSummary): string {
  if (undoesRunId !== null) return `undo of ${undoesRunId}`;
  return restoreSetId === null ? scenario : `${scenario}, with ${restoreSetId}`;
}

/** A plan that is ready, of a restore or of an undo. */
export const planText = (plan: RestorePlanView, body: PlanBody, printer: Printer, now: Date): string =>
  body.scenario === 'undo'
    ? undoPlanText(plan, body, printer, now)
    : body.scenario === 'data'
      ? dataPlanText(plan, body, printer, now)
      : restorePlanText(plan, body, printer, now);

/** A plan that has no content: it is being made, or could not be made. */
export function unmadePlanText(plan: RestorePlanView, printer: Printer): string {
  const card = fields(
    [
      ['state', plan.state === 'planning' ? 'planning: it is still being made' : plan.state],
      ['server', `${plan.serverName} (${plan.serverId})`],
      ['scenario', plan.scenario],
      ['requested', `${utc(plan.createdAt)} by ${plan.requestedBy}`],
    ],
    '  ',
  );
  const waits = plan.retrying == null ? [] : [retryingText(plan.retrying, printer)];
  return [`Plan ${plan.id}\n${card}`, ...waits, ...(plan.error === null ? [] : [errorText(plan.error, printer)])].join('\n\n');
}

/** What a responder reads before typing the server's name: who it is, what it goes back to, what is wrong, what is lost, what will happen. */
function restorePlanText(plan: RestorePlanView, body: RestorePlanBody, printer: Printer, now: Date): string {
  const command = `modosu restore run ${plan.id} --reason "WHY" --confirm ${plain(body.server.name)} --wait`;
  const mayRun = plan.state === 'ready' && !blocks(body);
  const set = body.restoreSet;
  return [
    `Restore plan ${plan.id}`,
    section('This server is restored; compare before you go on', identity(body)),
    section('To this recovery point', recoveryPoint(body, now)),
    ...(set === undefined ? [] : [section('Together with', together(set))]),
    section('Findings', findingsText(body.findings, printer)),
    section('What goes back in time or is lost', lossesText(body.losses)),
    section('Volumes', volumes(body)),
    ...((body.data ?? []).length === 0 ? [] : [section('Data that follows the image', data(body, now))]),
    ...((body.credentials ?? []).length === 0 ? [] : [section('Credentials', plannedCredentialsText(body.credentials ?? [], now))]),
    section('Quarantine, until go-live', quarantine(body)),
    section('Steps', stepsText(body.steps)),
    section('Space', space(body)),
    section('Loss and time', lossAndTime(body.loss, body.estimate)),
    section('Plan hash', `  ${plan.hash ?? '-'}`),
    section(
      'Next',
      set !== undefined
        ? `  this plan is carried out with its set: modosu restore-set show ${set.id}`
        : [nextText(plan, body, command, printer), ...(mayRun ? ['  with --hold it stops before go-live, so that you can look at the server first'] : [])].join(
            '\n',
          ),
    ),
  ].join('\n\n');
}

const together = ({ id, members }: SetOfPlan): string =>
  fields(
    [
      ['restore set', id],
      ['servers', members.map(({ server, recoveryPointId }) => `${server} to ${recoveryPointId}`)],
    ],
    '  ',
  );

function identity({ server, before, definitionFrom, nvramNewPath, renewsGenerationId }: RestorePlanBody): string {
  return fields(
    [
      ...identityFields(server, before),
      ['definition', definitionFrom === 'present' ? 'the present one is kept' : 'the one of the recovery point'],
      ...(nvramNewPath === null ? [] : [['NVRAM', `restored to ${nvramNewPath}`] as const]),
      ['generation id', renewsGenerationId ? 'gets a new one' : 'the server has none'],
    ],
    '  ',
  );
}

function recoveryPoint({ recoveryPoint: point, lostChanges }: RestorePlanBody, now: Date): string {
  return fields(
    [
      ['id', point.id],
      ['generation', String(point.generation)],
      ['point in time', ago(point.pointInTime, now)],
      ['consistency', point.consistency],
      ['reason', point.reason],
      ['repository', point.repository],
      ...(point.reads === undefined ? [] : [['reads', readsText(point.reads)] as const]),
      ...(lostChanges === undefined ? [] : [['compared with', comparedText(lostChanges)] as const]),
    ],
    '  ',
  );
}

/** Beside what it was looked for differences that nobody has registered. */
function comparedText({ drift, now }: LostChanges): string {
  if (now?.state === 'compared') return `the server itself, as it was at ${utc(now.at)}${now.gaps.length === 0 ? '' : ', in part'}`;
  return drift === null ? 'nothing' : `the newest image of the server, generation ${drift.generation}`;
}

const readsText = ({ recoveryPoints, bytes }: NonNullable<RestorePlanBody['recoveryPoint']['reads']>): string =>
  recoveryPoints === 1 ? formatBytes(bytes) : `${formatBytes(bytes)} of ${recoveryPoints} recovery points, each of which builds on the one before it`;

function data(body: RestorePlanBody, now: Date): string {
  const rows = (body.data ?? []).map(({ item, pointInTime }) => [
    item.dataSet.name,
    selectionText(item.selection)[0] ?? '',
    ago(pointInTime, now),
    item.recoveryPointId,
  ]);
  return indented(table(['DATA SET', 'WHAT', 'POINT IN TIME', 'RECOVERY POINT'], rows));
}

function quarantine({ server, quarantinedMacs, healthChecks }: RestorePlanBody): string {
  const up = server.macs.filter((mac) => !quarantinedMacs.includes(mac));
  return fields(
    [
      ['links down', quarantinedMacs.length === 0 ? 'none: the server is on its networks at once' : [...quarantinedMacs]],
      ['links up', up.length === 0 ? 'none' : up],
      ['health checks', healthChecks.length === 0 ? 'none declared: only the guest agent is asked' : healthChecks.map(healthCheckText)],
    ],
    '  ',
  );
}

function volumes(body: RestorePlanBody): string {
  const rows = body.volumes.map((volume) => [
    volume.target,
    `${formatBytes(volume.virtualSizeBytes)} ${volume.format}${volume.flattened ? ', flattened' : ''}`,
    volume.newPath,
    volume.replacesPath ?? 'nothing',
  ]);
  for (const { target, path, virtualSizeBytes } of keptDisksOf(body)) rows.push([target, formatBytes(virtualSizeBytes), path, 'nothing: it stays as it is']);
  for (const { target, format, path } of body.oldDisks ?? []) rows.push([`${target}, old`, format, path, 'nothing: attached read-only, to copy from']);
  return indented(table(['DISK', 'SIZE', 'NEW VOLUME', 'REPLACES (KEPT)'], rows));
}

function space(body: RestorePlanBody): string {
  if (body.space.length === 0) return '  nothing is written';
  const rows = body.space.map(({ directory, neededBytes, freeBytes }) => [directory, formatBytes(neededBytes), formatBytes(freeBytes)]);
  return indented(table(['DIRECTORY', 'NEEDED', 'FREE'], rows));
}

import { formatBytes, formatDuration } from '../../contracts/format';
import type { Finding, FindingSeverity, RestorePlanBody, RestorePlanView } from '../../contracts/plan';
import type { Printer } from './printer';
import { fields, plain, table, utc } from './text';

const SEVERITY: Readonly<Record<FindingSeverity, string>> = {
  ok: 'OK',
  warn: 'WARNING',
  step: 'STEP ADDED',
  block: 'BLOCKS',
  unknown: 'UNKNOWN',
};

const ORDER: readonly FindingSeverity[] = ['block', 'unknown', 'warn', 'step', 'ok'];

export const blocks = (body: RestorePlanBody): boolean => body.findings.some(({ severity }) => severity === 'block');

/** What a responder reads before typing the server's name: who it is, what it goes back to, what is wrong, what is lost, what will happen. */
export function planText(plan: RestorePlanView, body: RestorePlanBody, printer: Printer, now: Date): string {
  return [
    `Restore plan ${plan.id}`,
    section('This server is restored; compare before you go on', identity(body)),
    section('To this recovery point', recoveryPoint(body, now)),
    section('Findings', findings(body, printer)),
    section('What goes back in time or is lost', body.losses.length === 0 ? '  nothing' : body.losses.map((loss) => `  - ${plain(loss)}`).join('\n')),
    section('Volumes', volumes(body)),
    section('Steps', body.steps.map(({ title }, index) => `  ${index + 1}. ${plain(title)}`).join('\n')),
    section('Space', space(body)),
    section('Time', `  ${estimate(body)}`),
    section('Plan hash', `  ${plan.hash ?? '-'}`),
    section('Next', next(plan, body, printer)),
  ].join('\n\n');
}

const section = (title: string, text: string): string => `${title}\n${text}`;

function identity({ server, definitionFrom, nvramNewPath, renewsGenerationId }: RestorePlanBody): string {
  const powerState = server.powerState ?? 'the hypervisor no longer knows this server';
  return fields(
    [
      ['name', server.name],
      ['UUID', server.uuid],
      ['hypervisor', server.hypervisor],
      ['domain', server.domainName ?? '-'],
      ['MAC', server.macs.length === 0 ? '-' : [...server.macs]],
      ['state now', powerState],
      ['definition', definitionFrom === 'present' ? 'the present one is kept' : 'the one of the recovery point'],
      ...(nvramNewPath === null ? [] : [['NVRAM', `restored to ${nvramNewPath}`] as const]),
      ['generation id', renewsGenerationId ? 'gets a new one' : 'the server has none'],
    ],
    '  ',
  );
}

function recoveryPoint({ recoveryPoint: point }: RestorePlanBody, now: Date): string {
  const age = formatDuration((now.getTime() - Date.parse(point.pointInTime)) / 1000);
  return fields(
    [
      ['id', point.id],
      ['generation', String(point.generation)],
      ['point in time', `${utc(point.pointInTime)}, ${age} ago`],
      ['consistency', point.consistency],
      ['reason', point.reason],
      ['repository', point.repository],
    ],
    '  ',
  );
}

function findings(body: RestorePlanBody, printer: Printer): string {
  if (body.findings.length === 0) return '  none';
  const sorted = [...body.findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return sorted.map((finding) => findingText(finding, printer)).join('\n');
}

function findingText(finding: Finding, printer: Printer): string {
  const head = `  ${SEVERITY[finding.severity]}  ${plain(finding.code)}: ${plain(finding.message)}`;
  const painted = finding.severity === 'block' ? printer.paint('red', head) : finding.severity === 'ok' ? head : printer.paint('yellow', head);
  const evidence = finding.evidence.map((fact) => `      ${plain(fact)}`);
  const remedy = finding.remedy === undefined ? [] : [`      remedy: ${plain(finding.remedy)}`];
  return [painted, ...evidence, ...remedy].join('\n');
}

function volumes(body: RestorePlanBody): string {
  const rows = body.volumes.map((volume) => [
    volume.target,
    `${formatBytes(volume.virtualSizeBytes)} ${volume.format}${volume.flattened ? ', flattened' : ''}`,
    volume.newPath,
    volume.replacesPath ?? 'nothing',
  ]);
  return indented(table(['DISK', 'SIZE', 'NEW VOLUME', 'REPLACES (KEPT)'], rows));
}

function space(body: RestorePlanBody): string {
  if (body.space.length === 0) return '  nothing is written';
  const rows = body.space.map(({ directory, neededBytes, freeBytes }) => [directory, formatBytes(neededBytes), formatBytes(freeBytes)]);
  return indented(table(['DIRECTORY', 'NEEDED', 'FREE'], rows));
}

function estimate({ estimate: measured }: RestorePlanBody): string {
  if (measured === null) return 'no estimate yet: fewer than three measured restores';
  return `${formatDuration(measured.p50Seconds)} to ${formatDuration(measured.p90Seconds)}, based on ${measured.basedOnRuns} runs`;
}

function next(plan: RestorePlanView, body: RestorePlanBody, printer: Printer): string {
  if (plan.state === 'used') return `  this plan has been carried out: modosu run show ${plan.runId ?? ''}`.trimEnd();
  if (blocks(body)) return '  This plan cannot run: remove the causes of what BLOCKS and plan again.';
  return printer.paint('bold', `  modosu restore run ${plan.id} --reason "WHY" --confirm ${plain(body.server.name)} --wait`);
}

const indented = (text: string): string => text.split('\n').map((row) => `  ${row}`).join('\n');

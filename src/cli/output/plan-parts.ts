import { formatDuration } from '../../contracts/format';
import type { Finding, FindingSeverity, PlanBody, PlannedStep, RestorePlanView, ServerIdentity } from '../../contracts/plan';
import type { StateBefore } from '../../contracts/way-back';
import type { Printer } from './printer';
import { plain, utc } from './text';

/** What the plans of restores and undos show alike. */

const SEVERITY: Readonly<Record<FindingSeverity, string>> = {
  ok: 'OK',
  warn: 'WARNING',
  step: 'STEP ADDED',
  block: 'BLOCKS',
  unknown: 'UNKNOWN',
};

const ORDER: readonly FindingSeverity[] = ['block', 'unknown', 'warn', 'step', 'ok'];

export const blocks = (body: Pick<PlanBody, 'findings'>): boolean => body.findings.some(({ severity }) => severity === 'block');

/** Of these only rules about peers: people may override them. */
const isOverridable = (body: Pick<PlanBody, 'findings'>): boolean =>
  body.findings.every(({ severity, relation }) => severity !== 'block' || relation !== undefined);

const isUnknown = (body: Pick<PlanBody, 'findings'>): boolean => body.findings.some(({ severity }) => severity === 'unknown');

export const section = (title: string, text: string): string => `${title}\n${text}`;

export const indented = (text: string): string =>
  text
    .split('\n')
    .map((row) => `  ${row}`)
    .join('\n');

type Field = readonly [string, string | readonly string[]];

/** The identity card: what is compared before the name is typed. */
export const identityFields = (server: ServerIdentity, before: StateBefore): readonly Field[] => [
  ['name', server.name],
  ['UUID', server.uuid],
  ['hypervisor', server.hypervisor],
  ['domain', server.domainName ?? '-'],
  ['MAC', server.macs.length === 0 ? '-' : [...server.macs]],
  ['state now', server.powerState === null ? 'the hypervisor no longer knows this server' : stateText({ powerState: server.powerState, agent: before.agent })],
];

export const stateText = ({ powerState, agent }: StateBefore): string => (powerState === 'off' ? 'off' : `${powerState}, guest agent ${agent}`);

export const ago = (timestamp: string, now: Date): string => `${utc(timestamp)}, ${formatDuration((now.getTime() - Date.parse(timestamp)) / 1000)} ago`;

export function findingsText(findings: readonly Finding[], printer: Printer): string {
  if (findings.length === 0) return '  none';
  const sorted = [...findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return sorted.map((finding) => findingText(finding, printer)).join('\n');
}

function findingText(finding: Finding, printer: Printer): string {
  const head = `  ${SEVERITY[finding.severity]}  ${plain(finding.code)}: ${plain(finding.message)}`;
  const painted = finding.severity === 'block' ? printer.paint('red', head) : finding.severity === 'ok' ? head : printer.paint('yellow', head);
  const evidence = finding.evidence.map((fact) => `      ${plain(fact)}`);
  const remedy = finding.remedy === undefined ? [] : [`      remedy: ${plain(finding.remedy)}`];
  return [painted, ...evidence, ...remedy].join('\n');
}

export const stepsText = (steps: readonly PlannedStep[]): string => steps.map(({ title }, index) => `  ${index + 1}. ${plain(title)}`).join('\n');

export const lossesText = (losses: readonly string[]): string => (losses.length === 0 ? '  nothing' : losses.map((loss) => `  - ${plain(loss)}`).join('\n'));

/** What to type next; `command` only where the plan can still run. */
export function nextText(plan: RestorePlanView, body: PlanBody, command: string, printer: Printer): string {
  if (plan.state === 'used') return `  this plan has been carried out: modosu run show ${plan.runId ?? ''}`.trimEnd();
  const acknowledged = isUnknown(body) ? `${command} --acknowledge-unknown` : command;
  if (blocks(body)) {
    if (!isOverridable(body)) return '  This plan cannot run: remove the causes of what BLOCKS and plan again.';
    const codes = [...new Set(body.findings.filter(({ severity }) => severity === 'block').map(({ code }) => code))];
    return [
      '  This plan does not run as it is: its peers would not accept the server as it would be. Follow a remedy above and plan again.',
      `  Who knows better overrides it: ${acknowledged} ${codes.map((code) => `--override ${code}`).join(' ')} --override-reason "WHY"`,
    ].join('\n');
  }
  return [
    ...(isUnknown(body) ? ['  Something about it is not known. Find it out by hand before you acknowledge that.'] : []),
    printer.paint('bold', `  ${acknowledged}`),
  ].join('\n');
}

import { stringify } from 'yaml';
import type { Check } from './check';

export const REPORT_FORMATS = ['table', 'json', 'yaml'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export interface Report {
  readonly failed: number;
  readonly warnings: number;
  readonly checks: readonly Check[];
}

export const reportOf = (checks: readonly Check[]): Report => ({
  failed: checks.filter(({ state }) => state === 'fail').length,
  warnings: checks.filter(({ state }) => state === 'warn').length,
  checks,
});

export function render(report: Report, format: ReportFormat): string {
  if (format === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  if (format === 'yaml') return stringify(report);
  const width = Math.max(...report.checks.map(({ subject }) => subject.length));
  const lines = report.checks.flatMap(({ subject, state, detail, hint, code }) => [
    `${state.padEnd(4)}  ${subject.padEnd(width)}  ${code === null ? '' : `${code}: `}${oneLine(detail)}`,
    ...(hint === null ? [] : [`${' '.repeat(width + 8)}-> ${oneLine(hint)}`]),
  ]);
  return `${lines.join('\n')}\n\n${verdict(report)}\n`;
}

function verdict({ failed, warnings }: Report): string {
  if (failed > 0) return `${count(failed, 'check')} failed: runs that need them will not work.`;
  return warnings > 0 ? `Everything a run needs is there; ${count(warnings, 'thing')} to look at.` : 'Everything a run needs is there.';
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

/** Messages of other programs reach the terminal here: no line breaks, no escape sequences. */
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();

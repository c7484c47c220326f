import { stringify } from 'yaml';
import { cleanWords } from '../../contracts/text';
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

/** Of one message or hint, in characters: messages of other programs reach the terminal here. */
const MAX_LENGTH = 2_000;

export function render(report: Report, format: ReportFormat): string {
  if (format === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  if (format === 'yaml') return stringify(report);
  const width = Math.max(...report.checks.map(({ subject }) => subject.length));
  const lines = report.checks.flatMap(({ subject, state, detail, hint, code }) => [
    `${state.padEnd(4)}  ${subject.padEnd(width)}  ${code === null ? '' : `${code}: `}${cleanWords(detail, MAX_LENGTH)}`,
    ...(hint === null ? [] : [`${' '.repeat(width + 8)}-> ${cleanWords(hint, MAX_LENGTH)}`]),
  ]);
  return `${lines.join('\n')}\n\n${verdict(report)}\n`;
}

function verdict({ failed, warnings }: Report): string {
  if (failed > 0) return `${count(failed, 'check')} failed: runs that need them will not work.`;
  return warnings > 0 ? `Everything a run needs is there; ${count(warnings, 'thing')} to look at.` : 'Everything a run needs is there.';
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

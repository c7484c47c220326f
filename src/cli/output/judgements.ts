import { describeAge } from '../../contracts/format';
import type { Comeback, JudgementView } from '../../contracts/judgement';
import type { Finding, FindingSeverity } from '../../contracts/plan';
import type { ServerProtection } from '../../contracts/protection-status';
import type { Relation } from '../../contracts/relation';
import { findingsText } from './plan-parts';
import type { Printer } from './printer';
import { fields, table, utc } from './text';

/** Whether servers could come back alone. */

const VERDICT: Readonly<Record<FindingSeverity, string>> = {
  ok: 'would be accepted',
  warn: 'would be accepted, see its warnings',
  step: 'with steps',
  block: 'COULD NOT',
  unknown: 'NOT KNOWN',
};

/** Verdicts from the worst on. */
const FROM_WORST = ['block', 'unknown', 'step', 'warn', 'ok'] as const;

const verdictText = (verdict: FindingSeverity | null): string => (verdict === null ? 'not judged yet' : VERDICT[verdict]);

/** Codes with the peers that they are about, the worst first; each once. */
function whyText(findings: readonly Pick<Finding, 'code' | 'severity' | 'relation'>[]): string {
  const inTheWay = FROM_WORST.slice(0, 3).flatMap((severity) => findings.filter((finding) => finding.severity === severity));
  return [...new Set(inTheWay.map(({ code, relation }) => (relation === undefined ? code : `${code} (${relation.peer})`)))].join(', ') || '-';
}

/** Those of the estate that could not come back as they are, or of which nobody knows; null: there is none. */
export function comebackTable(servers: readonly ServerProtection[], at: string): string | null {
  const rows = servers.flatMap(({ serverName, comeback }) => (comeback === null || isFine(comeback) ? [] : [[serverName, ...comebackCells(comeback, at)]]));
  return rows.length === 0 ? null : table(['SERVER', 'RESTORED ALONE', 'SINCE', 'JUDGED', 'WHY'], rows);
}

const isFine = ({ verdict, isOutdated }: Comeback): boolean => (verdict === 'ok' || verdict === 'warn') && !isOutdated;

const comebackCells = ({ verdict, since, judgedAt, isOutdated, findings }: Comeback, at: string): readonly string[] => [
  verdictText(verdict),
  utc(since),
  judgedAt === null ? (isOutdated ? 'NEVER' : '-') : `${describeAge(judgedAt, new Date(at))} ago${isOutdated ? ', OUTDATED' : ''}`,
  whyText(findings),
];

export const judgementTable = (judgements: readonly JudgementView[]): string =>
  table(
    ['SERVER', 'RESTORED ALONE', 'SINCE', 'JUDGED', 'ASKED FOR', 'WHY'],
    judgements.map(({ serverName, isAsked, judged }) => [
      serverName,
      verdictText(judged?.worst ?? null),
      utc(judged?.since ?? null),
      utc(judged?.judgedAt ?? null),
      isAsked ? 'yes' : '-',
      whyText(judged?.findings ?? []),
    ]),
  );

/** One with all of its findings and their evidence. */
export function judgementText({ serverName, isAsked, judged }: JudgementView, printer: Printer): string {
  const head = fields([
    ['server', serverName],
    ['restored alone', verdictText(judged?.worst ?? null)],
    ['since', utc(judged?.since ?? null)],
    ['judged', utc(judged?.judgedAt ?? null)],
    ['recovery point', judged?.recoveryPointId ?? '-'],
    ...(isAsked ? [['asked for', 'another judgement has not come yet'] as const] : []),
  ]);
  return judged === null ? head : `${head}\n\nFINDINGS\n${findingsText(judged.findings, printer)}`;
}

/** What was found of one relation, beside each of its peers. */
export interface RelationVerdict {
  readonly peer: string;
  readonly verdict: FindingSeverity;
  readonly judgedAt: string;
}

/** By the last judgement of its server; a peer of which nothing was said is left out. */
export function verdictsOf({ name, server, peers }: Relation, judgements: readonly JudgementView[]): readonly RelationVerdict[] {
  const judged = judgements.find(({ serverName }) => serverName === server)?.judged ?? null;
  if (judged === null) return [];
  return peers.flatMap((peer) => {
    const own = judged.findings.filter(({ relation }) => relation?.name === name && relation.peer === peer.server);
    const verdict = FROM_WORST.find((severity) => own.some((finding) => finding.severity === severity));
    return verdict === undefined ? [] : [{ peer: peer.server, verdict, judgedAt: judged.judgedAt }];
  });
}

/** The verdict of a relation in a cell. */
export function verdictCell(verdicts: readonly RelationVerdict[]): string {
  const worst = FROM_WORST.find((severity) => verdicts.some(({ verdict }) => verdict === severity));
  if (worst === undefined) return '-';
  const of = verdicts.filter(({ verdict }) => verdict === worst).map(({ peer }) => peer);
  return worst === 'ok' || worst === 'warn' ? worst : `${worst} (${of.join(', ')})`;
}

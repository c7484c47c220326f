import { cpus } from 'node:os';
import type { RetentionRules } from '../src/contracts/policy';
import { judgeRetention, type RetentionContext, type RetentionPoint } from '../src/domain/retention/retention';
import { summarise, type Summary } from './statistics';

/** What rules cost that read a whole history: no guest, no server, one process. */

/** A day in the life of `modosu retention preview` of a server that nobody has ever tidied up. */
const POINTS = 100_000;
const HOUR_MS = 3_600_000;
const AIM_SECONDS = 1;

export interface RulesRound {
  readonly judgeSeconds: number;
  /** Sorting the same recovery points by time: what no program that judges them can leave out. */
  readonly sortSeconds: number;
}

export function measureRulesRound(): RulesRound {
  const now = new Date(Date.UTC(2026, 10, 27));
  const points = history(now);
  const sortSeconds = secondsOf(() => [...points].sort((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1)));
  const judgeSeconds = secondsOf(() => judgeRetention(points, context(now)));
  return { judgeSeconds, sortSeconds };
}

/** Images in chains of thirty, one every ten hours, and three data sets; a tenth of them damaged, a few held. In no order. */
function history(now: Date): readonly RetentionPoint[] {
  const each = POINTS / 4;
  return Array.from({ length: POINTS }, (_, at) => {
    // By 7919, a prime that does not divide their number: all of them, in another order.
    const index = (at * 7919) % POINTS;
    const [kind, nth] = [Math.floor(index / each), index % each];
    return {
      id: `rp_${kind}_${String(nth).padStart(6, '0')}`,
      kind: kind === 0 ? 'image' : 'data',
      dataSet: kind === 0 ? null : `set${kind}`,
      pointInTime: new Date(now.getTime() - nth * 10 * HOUR_MS),
      usable: nth % 10 !== 7,
      verifiedAt: nth % 3 === 0 ? now : null,
      bootedAt: kind === 0 && nth % 5 === 4 ? now : null,
      isAway: false,
      line: kind === 0 && nth > 1000 ? { id: 'line', why: 'that the server has' } : null,
      parentId: kind === 0 && nth % 30 !== 29 && nth < each - 1 ? `rp_0_${String(nth + 1).padStart(6, '0')}` : null,
      isSafety: kind !== 0 && nth % 100 === 50,
      hold: nth % 5000 === 17 ? { reason: 'evidence' } : null,
      inUseBy: null,
    };
  });
}

const RULES: RetentionRules = { last: 10, hourly: 48, daily: 60, weekly: 52, monthly: 120, yearly: 99, withinDays: 30 };
const context = (now: Date): RetentionContext => ({
  now,
  timeZone: 'Europe/Berlin',
  rules: { image: RULES, data: RULES },
  clockTrusted: true,
  decommissioned: null,
});

function secondsOf(work: () => unknown): number {
  const startedAt = performance.now();
  work();
  return (performance.now() - startedAt) / 1000;
}

/** The section of docs/BENCHMARKS.md. */
export function rulesReport(rounds: readonly RulesRound[], { date }: { readonly date: string }): string {
  const judge = summarise(rounds.map(({ judgeSeconds }) => judgeSeconds));
  const sort = summarise(rounds.map(({ sortSeconds }) => sortSeconds));
  const row = (name: string, { min, median }: Summary, against: string): string => `| ${name} | ${min.toFixed(2)} | ${median.toFixed(2)} | ${against} |`;
  return `## Rules over a long history
Written by \`npm run bench -- rules\` (${rounds.length} rounds, ${date}; ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Node.js ${process.versions.node}). ${POINTS.toLocaleString('en')} recovery points of one server, a quarter of them images in chains of thirty, over
${Math.round((POINTS / 4) * (10 / 24 / 365))} years: what \`modosu retention preview\` and the worker judge, without reading them from PostgreSQL. Against it the same recovery points are only sorted.

| retention, seconds | min | median | against sorting |
| --- | --: | --: | --: |
${row('judged', judge, `${(judge.median / sort.median).toFixed(1)} x`)}
${row('sorted', sort, '')}

Aim: under ${AIM_SECONDS} s. Measured: ${judge.median.toFixed(2)} s, ${judge.median < AIM_SECONDS ? 'met' : '**missed**'}.
`;
}

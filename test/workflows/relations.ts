import type { Finding, RestorePlanBody } from '../../src/contracts/plan';
import type { PlannedRelation, PlannedRelationStep, ProbeJob, RunJudgement } from '../../src/contracts/reading';
import { findingAbout, madeUpMarker, PLANNED_RELATION } from '../support/made-up-relations';
import { planJudged } from './cast';
import { type Scripted } from './harness';

/** Peers that are asked in a rehearsal, and a plan that rules have judged. */

/** kvm1 has workers, kvm9 has none. */
export const targetOf = (name: string, hypervisor = 'kvm1'): ProbeJob['target'] => ({
  serverId: `srv_${name}`,
  serverName: name,
  uuid: '3f0c9c1e-1111-4222-8333-444455557777',
  hypervisor,
  address: null,
});
export const jobFor = (name: string, hypervisor?: string): ProbeJob => ({
  occasion: 'o',
  sides: [{ relation: 'standby', peer: name, of: 'peer' }],
  target: targetOf(name, hypervisor),
  specs: [madeUpMarker('position'), madeUpMarker('words')],
});

export const ruleStep = (code: string, more: Partial<PlannedRelationStep> = {}): PlannedRelationStep => ({
  key: `rule:${code}:db02`,
  code,
  title: `Do ${code}`,
  argv: ['/usr/bin/do', code],
  on: 'server',
  when: 'quarantine',
  relation: 'standby',
  peer: 'db02',
  ...more,
});
export const judgedPlan = (
  steps: readonly PlannedRelationStep[],
  findings: readonly Finding[] = [],
  asksIn: NonNullable<PlannedRelation['asksIn']> = [],
): RestorePlanBody => planJudged({ relations: [{ ...PLANNED_RELATION, asksIn }], findings, steps, hasQuarantineRules: true, hasLiveRules: true });

type Judge = NonNullable<Scripted['judgeRun']>;
/** Steps at the recheck as planned, nothing against it in any moment, unless it is said. */
export const restoreJudged = (
  plan: RestorePlanBody,
  judge: (moment: Parameters<Judge>[0]['moment']) => Partial<RunJudgement> | undefined,
  more: Scripted = {},
): Scripted => ({
  loadPlan: async () => plan,
  readingJobs: async () => [jobFor('db02')],
  peersOf: async () => [targetOf('db02')],
  judgeRun: async ({ moment }) => ({ against: [], judged: 1, steps: moment === 'recheck' ? (plan.relationSteps ?? []) : [], ...judge(moment) }),
  ...more,
});
export const fine = () => undefined;
export const AGAINST = { against: [findingAbout('NOT_TOGETHER', 'block', { remedy: 'Rebuild it.' })] };
export const PUT_BACK = ['powerOff', 'revertSwap'] as const;

import { findingAbout } from '../../../test/support/made-up-relations';
import type { ModosuError } from '../../contracts/errors';
import type { PlanBody, PlanScenario } from '../../contracts/plan';
import { isBodyOf, runKindOf, usablePlan, type PlanForAcceptance, type PlannedRequest } from './usable-plan';

const SERVER = { name: 'db01' };
const REQUEST: PlannedRequest = { confirm: 'db01', hold: false };
const MEANS = { hashOf: (text: string): string => `hash of ${text}`, storableText: (text: string, maxBytes: number): string => text.slice(0, maxBytes) };

/** Of a plan as it is stored, with anything else in its body. */
function planOf(scenario: PlanScenario, more: object = {}): PlanForAcceptance {
  const undoes = scenario === 'undo' ? { undoes: { runId: 'run_0' } } : {};
  const body = JSON.stringify({ planId: 'plan_1', runId: 'run_1', scenario, findings: [], ...undoes, ...more });
  return {
    id: 'plan_1',
    state: 'ready',
    scenario,
    undoesRunId: scenario === 'undo' ? 'run_0' : null,
    hash: MEANS.hashOf(body),
    body,
    error: null,
    runId: null,
  };
}

const asked = (plan: PlanForAcceptance, request: Partial<PlannedRequest> = {}) => usablePlan(plan, SERVER, { ...REQUEST, ...request }, MEANS);

function refusalOf(plan: PlanForAcceptance, request?: Partial<PlannedRequest>): Pick<ModosuError, 'code' | 'message' | 'context'> {
  try {
    asked(plan, request);
  } catch (error) {
    const { code, message, context } = error as ModosuError;
    return { code, message, context };
  }
  throw new Error('it was accepted');
}

/** Each thing that may be wrong, with what it makes of a plan and a request that are otherwise fine; in the order in which they are told. */
const WRONGS: readonly (readonly [code: string, why: string, (plan: PlanForAcceptance) => PlanForAcceptance, Partial<PlannedRequest>, message: RegExp])[] = [
  ['PLAN_NOT_READY', 'it is being made', (plan) => ({ ...plan, state: 'planning' }), {}, /^Plan plan_1 is still being made\.$/],
  [
    'PLAN_FAILED',
    'it could not be made',
    (plan) => ({ ...plan, state: 'failed', error: { code: 'SERVER_GONE', message: 'It is gone.' } as never }),
    {},
    /^Plan plan_1 could not be made: It is gone\.$/,
  ],
  ['PLAN_ALREADY_USED', 'a run has carried it out', (plan) => ({ ...plan, state: 'used', runId: 'run_9' }), {}, /^Plan plan_1 was carried out by run run_9\.$/],
  ['PLAN_STALE', 'its text was edited', (plan) => ({ ...plan, body: `${plan.body} ` }), {}, /no longer has the hash it was given/],
  [
    'PLAN_STALE',
    'another plan, with its hash, was put in its place',
    ({ body, ...plan }) => {
      const other = (body ?? '').replace('"planId":"plan_1"', '"planId":"plan_2"');
      return { ...plan, body: other, hash: MEANS.hashOf(other) };
    },
    {},
    /is not the plan that was asked for/,
  ],
  [
    'PLAN_IN_SET',
    'it belongs to a set',
    ({ body, ...plan }) => {
      const other = (body ?? '').replace('"findings"', '"restoreSet":{"id":"rset_1"},"findings"');
      return { ...plan, body: other, hash: MEANS.hashOf(other) };
    },
    {},
    /belongs to restore set rset_1: .* with the others, or not at all/,
  ],
  [
    'PLAN_BLOCKED',
    'a finding blocks',
    ({ body, ...plan }) => {
      const other = (body ?? '').replace('"findings":[]', `"findings":[${JSON.stringify(findingAbout('STANDBY_AHEAD', 'block'))}]`);
      return { ...plan, body: other, hash: MEANS.hashOf(other) };
    },
    {},
    /must not be carried out: STANDBY_AHEAD/,
  ],
  ['CONFIRMATION_MISMATCH', 'another name was typed', (plan) => plan, { confirm: 'db02' }, /^The plan changes server "db01", but "db02" was typed\./],
];

describe('a plan that may be carried out', () => {
  it.each(['server', 'data', 'undo'] as const)('is one of the scenario %s that is ready, unchanged, and confirmed', (scenario) => {
    const plan = planOf(scenario);
    expect(asked(plan)).toEqual({ body: JSON.parse(plan.body ?? ''), hash: plan.hash, accepted: null });
  });

  it('may stop before its go-live where it has one', () => {
    expect(asked(planOf('server'), { hold: true }).accepted).toBeNull();
    expect(refusalOf(planOf('data'), { hold: true })).toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringContaining('into the running server') as string,
    });
    expect(refusalOf(planOf('undo'), { hold: true })).toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringContaining('an undo returns to a server that has been live before') as string,
    });
  });

  it('is one of a set for that set alone', () => {
    const plan = planOf('server', { restoreSet: { id: 'rset_1' } });
    expect(asked(plan, { restoreSetId: 'rset_1' }).body).toMatchObject({ restoreSet: { id: 'rset_1' } });
    expect(refusalOf(plan, { restoreSetId: 'rset_2' })).toMatchObject({ code: 'PLAN_IN_SET', context: { planId: 'plan_1', setId: 'rset_1' } });
  });

  it('says what stood against it and was accepted', () => {
    const plan = planOf('server', { findings: [findingAbout('STANDBY_AHEAD', 'block')] });
    const override = { codes: ['STANDBY_AHEAD'], reason: 'it is rebuilt' };
    expect(asked(plan, { findings: { override, acknowledgeUnknown: false } }).accepted).toMatchObject({
      overridden: [{ code: 'STANDBY_AHEAD' }],
      why: 'it is rebuilt',
    });
  });
});

describe('a plan that may not', () => {
  it.each(WRONGS)('%s: %s', (code, _why, spoil, request, message) => {
    const refused = refusalOf(spoil(planOf('server')), request);
    expect(refused.code).toBe(code);
    expect(refused.message).toMatch(message);
    expect(refused.context).toMatchObject({ planId: 'plan_1' });
  });

  it('tells the first of several reasons: what is wrong with the plan comes before what was typed', () => {
    for (const [code, , spoil] of WRONGS.slice(0, -1)) expect(refusalOf(spoil(planOf('server')), { confirm: 'db02' }).code).toBe(code);
    const [, , edited] = WRONGS[3] as (typeof WRONGS)[number];
    const [, , used] = WRONGS[2] as (typeof WRONGS)[number];
    expect(refusalOf(used(edited(planOf('server')))).code).toBe('PLAN_ALREADY_USED');
  });

  it.each(['body', 'hash'] as const)('is one without its %s', (field) =>
    expect(refusalOf({ ...planOf('server'), [field]: null })).toMatchObject({ code: 'PLAN_STALE' }),
  );

  it('repeats what was typed as far as it can be shown', () => {
    expect(refusalOf(planOf('server'), { confirm: 'x'.repeat(1000) }).message).toContain(`"${'x'.repeat(128)}" was typed`);
  });

  it('names the run that has used it', () => {
    const [, , used] = WRONGS[2] as (typeof WRONGS)[number];
    expect(refusalOf(used(planOf('server'))).context).toEqual({ planId: 'plan_1', runId: 'run_9' });
  });
});

describe('the body of a plan', () => {
  const bodyOf = (scenario: PlanScenario): PlanBody => JSON.parse(planOf(scenario).body ?? '') as PlanBody;

  it('is of the plan, the scenario and, of an undo, the run that its row says', () => {
    expect(isBodyOf(planOf('undo'), bodyOf('undo'))).toBe(true);
    expect(isBodyOf({ ...planOf('undo'), undoesRunId: 'run_7' }, bodyOf('undo'))).toBe(false);
    expect(isBodyOf(planOf('data'), bodyOf('server'))).toBe(false);
    expect(isBodyOf({ ...planOf('server'), id: 'plan_3' }, bodyOf('server'))).toBe(false);
  });

  it('says which kind of run carries it out', () => {
    expect((['server', 'data', 'undo'] as const).map((scenario) => runKindOf({ scenario }))).toEqual(['restore-server', 'restore-data', 'undo']);
  });
});

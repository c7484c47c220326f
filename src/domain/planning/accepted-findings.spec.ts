import { findingAbout } from '../../../test/support/made-up-relations';
import type { Finding } from '../../contracts/plan';
import { acceptFindings, isOverridable, NOTHING_ACCEPTED, type FindingsRequest } from './accepted-findings';

const AHEAD = findingAbout('STANDBY_AHEAD', 'block');
const DISKS: Finding = { code: 'DISK_SET_DIFFERS', severity: 'block', message: 'Disk vdb is missing.', evidence: [] };
const UNKNOWN = findingAbout('PEER_UNKNOWN', 'unknown');
const NOT_OF_A_RELATION: Finding = { code: 'CHANGES_UNKNOWN', severity: 'unknown', message: 'Nobody knows.', evidence: [] };

const overriding = (...codes: readonly string[]): FindingsRequest => ({ override: { codes, reason: 'it is rebuilt' }, acknowledgeUnknown: false });
const acknowledging = (request: FindingsRequest = NOTHING_ACCEPTED): FindingsRequest => ({ ...request, acknowledgeUnknown: true });
const accept = (findings: readonly Finding[], request: FindingsRequest = NOTHING_ACCEPTED) => acceptFindings('plan_1', findings, request);

const refused = (findings: readonly Finding[], request?: FindingsRequest): { readonly code: string; readonly message: string; readonly hint: string } => {
  try {
    accept(findings, request);
  } catch (error) {
    return error as never;
  }
  throw new Error('it was accepted');
};

describe('findings that nobody has to accept', () => {
  it('are fine, warnings and steps', () => {
    expect(accept([])).toBeNull();
    expect(accept([findingAbout('A', 'ok'), findingAbout('B', 'warn'), findingAbout('C', 'step')])).toBeNull();
    expect(accept([], acknowledging())).toBeNull();
  });
});

describe('what blocks', () => {
  it('because of a relation is overridden by its code, with the reason; who did so stands with relation and peer', () => {
    const other = findingAbout('STANDBY_AHEAD', 'block', { relation: { name: 'standby', peer: 'db03', profile: 'made-up' } });
    expect(accept([AHEAD, other], overriding('STANDBY_AHEAD'))).toEqual({
      overridden: [
        { code: 'STANDBY_AHEAD', relation: 'standby', peer: 'db02' },
        { code: 'STANDBY_AHEAD', relation: 'standby', peer: 'db03' },
      ],
      why: 'it is rebuilt',
      acknowledged: [],
    });
  });

  it('is refused without that, and the hint says how', () => {
    expect(refused([AHEAD, findingAbout('OTHER', 'block')])).toMatchObject({
      code: 'PLAN_BLOCKED',
      message: 'Plan plan_1 must not be carried out: STANDBY_AHEAD: STANDBY_AHEAD is so.; OTHER: OTHER is so.',
      hint: expect.stringContaining('--override STANDBY_AHEAD --override OTHER --override-reason "WHY"'),
      context: { planId: 'plan_1', findings: ['STANDBY_AHEAD', 'OTHER'] },
    });
  });

  it('is refused as long as one finding is left', () => {
    expect(refused([AHEAD, findingAbout('OTHER', 'block')], overriding('STANDBY_AHEAD'))).toMatchObject({
      code: 'PLAN_BLOCKED',
      context: { findings: ['OTHER'] },
    });
  });

  it('and keeps the restore itself from working is never overridden, and no hint says that it could be', () => {
    expect(refused([DISKS], overriding('DISK_SET_DIFFERS'))).toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringContaining('cannot be overridden'),
    });
    const mixed = refused([AHEAD, DISKS], overriding('STANDBY_AHEAD'));
    expect(mixed).toMatchObject({ code: 'PLAN_BLOCKED', context: { findings: ['DISK_SET_DIFFERS'] } });
    expect(mixed.hint).not.toContain('--override');
    expect([isOverridable(AHEAD), isOverridable(DISKS), isOverridable(UNKNOWN)]).toEqual([true, false, false]);
    // The same code, once of a relation and once not.
    expect(refused([AHEAD, { ...DISKS, code: 'STANDBY_AHEAD' }], overriding('STANDBY_AHEAD'))).toMatchObject({ code: 'PLAN_BLOCKED' });
  });

  it('is not overridden by a code that blocks nothing: whoever names it has read another plan', () => {
    for (const findings of [[], [AHEAD], [findingAbout('GONE', 'warn')], [findingAbout('GONE', 'unknown')]]) {
      expect(refused(findings, acknowledging(overriding('GONE')))).toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringContaining('blocks nothing'),
      });
    }
  });
});

describe('what is not known', () => {
  it('has to be acknowledged, also where it is of no relation', () => {
    expect(refused([UNKNOWN, NOT_OF_A_RELATION])).toMatchObject({
      code: 'PLAN_NOT_ACKNOWLEDGED',
      message: expect.stringContaining('CHANGES_UNKNOWN: Nobody knows.'),
      hint: expect.stringContaining('--acknowledge-unknown'),
      context: { findings: ['PEER_UNKNOWN', 'CHANGES_UNKNOWN'] },
    });
    expect(accept([UNKNOWN, NOT_OF_A_RELATION], acknowledging())).toEqual({
      overridden: [],
      why: null,
      acknowledged: [
        { code: 'PEER_UNKNOWN', relation: 'standby', peer: 'db02' },
        { code: 'CHANGES_UNKNOWN', relation: null, peer: null },
      ],
    });
  });

  it('is not accepted by an override, nor what blocks by an acknowledgement', () => {
    expect(refused([AHEAD, UNKNOWN], overriding('STANDBY_AHEAD'))).toMatchObject({ code: 'PLAN_NOT_ACKNOWLEDGED' });
    expect(refused([AHEAD, UNKNOWN], acknowledging())).toMatchObject({ code: 'PLAN_BLOCKED' });
    expect(accept([AHEAD, UNKNOWN], acknowledging(overriding('STANDBY_AHEAD')))).toMatchObject({ why: 'it is rebuilt', overridden: [{}], acknowledged: [{}] });
  });
});

import { ERROR_CODES } from '../../src/contracts/error-codes';
import type { DataChange } from '../../src/contracts/data';
import type { DataRestorePlanBody, Finding } from '../../src/contracts/plan';
import { fetched, itemOf, loadPlanOf, replacedFilesIn, requireStillPossible } from './plan';

const mockLoadPlan = jest.fn<Promise<unknown>, [string, string]>();
const mockFetch = jest.fn<Promise<string>, [unknown]>();
jest.mock('@temporalio/workflow', () => ({
  proxyActivities: () => ({ loadPlan: (id: string, hash: string) => mockLoadPlan(id, hash), fetchForPlan: (wanted: unknown) => mockFetch(wanted) }),
  proxyLocalActivities: () => ({}),
}));

const thrownBy = (work: () => void): unknown => {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
};

describe('the request of a plan', () => {
  const INPUT = { planId: 'plan_1', serverId: 'srv_1', recoveryPointId: null } as const;
  beforeEach(() => mockFetch.mockReset());

  it('stays as it is where its recovery point is here', async () => {
    expect(await fetched(INPUT, { dataSet: null, noData: false })).toBe(INPUT);
    expect(mockFetch).not.toHaveBeenCalled();
  });

  it('names what was fetched where it lies only in a copy', async () => {
    mockFetch.mockResolvedValue('rp_1');
    const input = { ...INPUT, from: 'vault', keepDisks: ['vdb'] };
    expect(await fetched(input, { dataSet: null, noData: true })).toEqual({ ...input, recoveryPointId: 'rp_1' });
    expect(mockFetch).toHaveBeenCalledWith({ ...INPUT, from: 'vault', incidentAt: null, dataSet: null, noData: true });
  });
});

describe('the plan of a run', () => {
  beforeEach(() => mockLoadPlan.mockReset());

  it.each(['server', 'data', 'undo'] as const)('is the one that was accepted: %s', async (scenario) => {
    const body = { scenario };
    mockLoadPlan.mockResolvedValue(body);
    expect(await loadPlanOf(scenario, { planId: 'plan_1', planHash: 'h' })).toBe(body);
    expect(mockLoadPlan).toHaveBeenCalledWith('plan_1', 'h');
  });

  it.each([
    ['server', 'data', 'an image restore'],
    ['data', 'undo', 'a data restore'],
    ['undo', 'server', 'an undo'],
  ] as const)('that is one of %s is never carried out as one of %s', async (planned, asked, named) => {
    mockLoadPlan.mockResolvedValue({ scenario: planned });
    await expect(loadPlanOf(asked, { planId: 'plan_1', planHash: 'h' })).rejects.toMatchObject({
      code: 'PLAN_STALE',
      message: `Plan plan_1 is one of ${named}, not what this run was accepted for.`,
    });
  });
});

describe('what is found when a plan is carried out', () => {
  const finding = (code: string, severity: Finding['severity'], remedy?: string): Finding => ({
    code,
    severity,
    message: `${code} is so.`,
    evidence: [],
    ...(remedy === undefined ? {} : { remedy }),
  });

  it('does not stop it while nothing blocks', () => {
    expect(() => requireStillPossible([])).not.toThrow();
    expect(() => requireStillPossible((['ok', 'warn', 'step', 'unknown'] as const).map((severity) => finding('SOMETHING', severity)))).not.toThrow();
  });

  it('stops it with everything that blocks, and with what would help', () => {
    expect(
      thrownBy(() =>
        requireStillPossible([
          finding('AGENT_SILENT', 'block', 'Start it.'),
          finding('OLD', 'warn', 'Look.'),
          finding('FULL', 'block', 'Make room.'),
          finding('ODD', 'block'),
        ]),
      ),
    ).toMatchObject({
      code: 'PLAN_STALE',
      message: 'The plan no longer holds: AGENT_SILENT is so. FULL is so. ODD is so. Nothing was changed.',
      hint: 'Start it. Make room. Then make a new plan.',
      context: { changes: ['AGENT_SILENT', 'FULL', 'ODD'] },
    });
  });

  it('has the hint of every old plan where nothing is known to help', () =>
    expect(thrownBy(() => requireStillPossible([finding('ODD', 'block')]))).toMatchObject({ hint: ERROR_CODES.PLAN_STALE.hint }));
});

describe('the plan of a data restore', () => {
  const change = (effect: DataChange['effect'], count: number): DataChange => ({ effect, what: 'files', count, bytes: null, examples: [] });

  it('says how many files it replaces, of files alone', () => {
    const changes = [change('added', 1), change('replaced', 2), change('kept', 4), change('replaced', 8)];
    expect(replacedFilesIn({ selection: { kind: 'files', paths: [], replace: true }, changes })).toBe(10);
    expect(replacedFilesIn({ selection: { kind: 'files', paths: [], replace: true }, changes: [] })).toBe(0);
    expect(replacedFilesIn({ selection: { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true }, changes })).toBeNull();
  });

  it('says what it brings back', () => {
    const dataSet = { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null } as const;
    const content = { kind: 'files', paths: ['/srv'], files: 1, totalBytes: 1, problems: [] } as const;
    const selection = { kind: 'files', paths: [], replace: true } as const;
    const plan = {
      recoveryPoint: { id: 'rp_1', dataSet, pointInTime: '2026-03-02T09:00:00.000Z', snapshotId: 's', reason: 'daily', content },
      selection,
    } as unknown as DataRestorePlanBody;
    expect(itemOf(plan)).toEqual({ dataSet, recoveryPointId: 'rp_1', snapshotId: 's', content, selection });
  });
});

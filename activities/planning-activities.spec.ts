import { planHash } from '../src/catalog/plan-hash';
import type { PlanBody } from '../src/contracts/plan';
import type { ActivityDependencies } from './dependencies';
import { PlanningJudgements } from './planning-activities';
import { dataManifest } from '../test/contract/catalog.data.contract';
import { givenServer, manifestOf } from '../test/contract/catalog.fixtures';
import { createFakeCatalog } from '../test/support/fake-catalog';

const BODY = {
  planId: 'plan_1',
  scenario: 'server',
  runId: 'run_1',
  volumes: [{ target: 'vda', newPath: '/images/db01.qcow2.run_1' }],
  findings: [],
  losses: ['What was written since.'],
} as unknown as PlanBody;

describe('the plan of a run', () => {
  const load = (stored: PlanBody | null, hash = planHash(BODY)): Promise<PlanBody> =>
    new PlanningJudgements({ catalog: { getPlan: async () => ({ body: stored }) } } as unknown as ActivityDependencies).loadPlan('plan_1', hash);

  it('is carried out as it was accepted, whatever the order of its properties', async () => {
    const turned = Object.fromEntries(Object.entries(BODY).reverse()) as unknown as PlanBody;
    await expect(load(turned)).resolves.toEqual(BODY);
  });

  // The run was accepted with one hash; what stands in the database when it begins may be something else.
  it.each<[string, PlanBody | null]>([
    ['another path', { ...BODY, volumes: [{ target: 'vda', newPath: '/images/other' }] } as unknown as PlanBody],
    ['another finding', { ...BODY, findings: [{ code: 'DISK_SET_DIFFERS' }] } as unknown as PlanBody],
    ['a field that nobody has approved', { ...BODY, more: true } as unknown as PlanBody],
    ['no body', null],
  ])('is refused with %s', async (_what, stored) => {
    await expect(load(stored)).rejects.toMatchObject({
      code: 'PLAN_STALE',
      retry: 'never',
      message: 'Plan plan_1 is not the one that was accepted: its hash differs.',
    });
  });

  it('is refused for a run that was accepted with another hash', async () => {
    await expect(load(BODY, '0'.repeat(64))).rejects.toMatchObject({ code: 'PLAN_STALE' });
  });
});

describe('what a plan is made of', () => {
  it('says whether the server is out of service, for an image and for data', async () => {
    const catalog = createFakeCatalog();
    const server = await givenServer(catalog);
    await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
    const manifest = dataManifest(server, 9);
    await catalog.recordDataRecoveryPoint(manifest);
    const { choosePlanSource, chooseDataSource } = bound(new PlanningJudgements({ catalog } as unknown as ActivityDependencies));
    const image = () => choosePlanSource({ planId: 'plan_1', serverId: server.id, recoveryPointId: null });
    const selection = { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true } as const;
    const data = () =>
      chooseDataSource({
        planId: 'plan_1',
        serverId: server.id,
        recoveryPointId: manifest.recoveryPointId,
        dataSet: manifest.dataSet.name,
        selection,
        incidentAt: null,
      });
    // Nothing stands there for one in service: what was recorded before is replayed as it was.
    for (const source of [await image(), await data()]) expect(source).not.toHaveProperty('decommissioned');
    const { decommissioned } = await catalog.decommissionServer({ actor: 'alice', serverId: server.id, confirm: 'db01', reason: 'replaced', keepDays: 90 });
    for (const source of [await image(), await data()]) expect(source).toMatchObject({ decommissioned });
  });
});

const bound = (judgements: PlanningJudgements) => ({
  choosePlanSource: judgements.choosePlanSource.bind(judgements),
  chooseDataSource: judgements.chooseDataSource.bind(judgements),
});

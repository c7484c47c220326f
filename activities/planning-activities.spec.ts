import { planHash } from '../src/catalog/plan-hash';
import type { Catalog, ServerRecord } from '../src/catalog/catalog';
import type { ApplyAgain } from '../src/contracts/change';
import type { DataManifest } from '../src/contracts/data';
import type { ServerFacts } from '../src/contracts/facts';
import type { LostChanges, PlanBody, RestorePlanBody } from '../src/contracts/plan';
import type { ImageManifest } from '../src/contracts/recovery-point';
import type { ActivityDependencies } from './dependencies';
import { PlanningJudgements } from './planning-activities';
import { dataManifest } from '../test/contract/catalog.data.contract';
import { outOfService, relationLab } from '../test/support/relation-lab';
import { ESTATE, finishedUndo, givenServer, manifestOf, planBodyOf, RESOLVED } from '../test/contract/catalog.fixtures';
import { restoredTo } from '../test/contract/catalog.change.contract';
import { createFakeCatalog } from '../test/support/fake-catalog';
import { serverFacts } from '../test/support/server-facts';

const BODY = {
  planId: 'plan_1',
  scenario: 'server',
  runId: 'run_1',
  volumes: [{ target: 'vda', newPath: '/images/db01.qcow2.run_1' }],
  findings: [],
  losses: ['What was written since.'],
} as unknown as PlanBody;

describe('a cancel', () => {
  it('is known from the catalogue, whether it has reached the workflow or not', async () => {
    const runs: Readonly<Record<string, { readonly cancelRequested: boolean }>> = { run_1: { cancelRequested: true }, run_2: { cancelRequested: false } };
    const activities = new PlanningJudgements({ catalog: { getRun: async (runId: string) => runs[runId] } } as unknown as ActivityDependencies);
    expect([await activities.isCancelRequested('run_1'), await activities.isCancelRequested('run_2')]).toEqual([true, false]);
  });
});

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

  it('of files, says with whom their server shares its state, as it is declared now', async () => {
    const peers = [{ server: 'db02', address: null }];
    const lab = await relationLab([
      { name: 'zone', server: 'db01', peers, profile: 'dns-zone' },
      { name: 'needs', server: 'db01', peers: [{ server: 'db03', address: null }], type: 'depends-on', profile: null },
    ]);
    const selection = { kind: 'files', paths: ['/srv/uploads'], replace: true } as const;
    const content = { kind: 'files', paths: ['/srv/uploads'], files: 1, totalBytes: 1, problems: [] } as const;
    const declared = { kind: 'files', name: 'uploads', paths: ['/srv/uploads'] } as const;
    const { id: recoveryPointId } = await lab.catalog.recordDataRecoveryPoint(dataManifest(lab.server, 9, { dataSet: declared as never, content }));
    const calls = new PlanningJudgements(lab.deps);
    const plan = async () => {
      const asked = { scenario: 'data', dataSet: 'uploads', recoveryPointId, selection, incidentAt: null } as const;
      const { planId } = await lab.catalog.acceptPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'p', serverId: lab.server.id, ...asked });
      const source = await calls.chooseDataSource({ planId, serverId: lab.server.id, recoveryPointId, dataSet: 'uploads', selection, incidentAt: null });
      const present = { uuid: lab.server.uuid, disks: [], nics: [], refusals: [], powerState: 'running', agent: { state: 'answering' } } as never;
      await calls.composeDataPlan(source, { present, changes: [], findings: [], losses: [] });
      return ((await lab.catalog.getPlan(planId)).body?.findings ?? []).filter(({ code }) => code === 'FILES_GO_BACK_BESIDE_PEERS');
    };
    expect(await plan()).toMatchObject([{ severity: 'warn', evidence: ['relation "zone" (replicates-with): "db02", profile dns-zone'] }]);
    await outOfService(lab, 'db02');
    expect(await plan()).toEqual([]);
  });

  it('of data, says where the credentials are declared that its recovery point remembers, and nothing of others', async () => {
    const catalog = createFakeCatalog();
    const [declared] = ESTATE.servers;
    const at = (account: string) => ({ account, store: 'vault', path: `linux/${account}`, reapply: true });
    await catalog.applyEstate('setup', { ...ESTATE, servers: [{ ...declared!, credentials: [at('root'), at('backup')] }] }, RESOLVED);
    const server = await catalog.getServer('db01');
    const { chooseDataSource } = bound(new PlanningJudgements({ catalog } as unknown as ActivityDependencies));
    const source = async (changes: Partial<DataManifest>) => {
      const { recoveryPointId, dataSet } = await catalog.recordDataRecoveryPoint(dataManifest(server, 9, changes)).then(({ id, dataSet: name }) => ({
        recoveryPointId: id,
        dataSet: name,
      }));
      const selection = { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true } as const;
      return chooseDataSource({ planId: 'plan_1', serverId: server.id, recoveryPointId, dataSet, selection, incidentAt: null });
    };
    const then = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: null, problem: null };
    const remembering = await source({ version: 2, credentials: [then, { ...then, account: 'gone' }] });
    expect(remembering.point.credentials).toEqual([then, { ...then, account: 'gone' }]);
    expect(remembering.credentials).toEqual([at('root')]);
    expect(await source({})).not.toHaveProperty('credentials');
  });
});

describe('what a plan says is lost of configuration', () => {
  const MINUTE = 60_000;
  const START = Date.UTC(2026, 2, 1);
  let time: number;
  let catalog: Catalog;
  let server: ServerRecord;
  beforeEach(async () => {
    time = START;
    catalog = createFakeCatalog(() => new Date(time));
    server = await givenServer(catalog);
  });
  const open = async (title: string, applyAgain: ApplyAgain | null = null): Promise<string> => {
    time += MINUTE;
    const request = { actor: 'alice', idempotencyKey: null, requestDigest: title, serverId: server.id, title, ticket: null, author: null, externalId: null };
    return (await catalog.openChange({ ...request, applyAgain })).change.id;
  };
  const complete = async (id: string): Promise<void> => {
    time += MINUTE;
    await catalog.completeChange({ actor: 'alice', id });
  };
  const change = async (title: string, applyAgain: ApplyAgain | null = null): Promise<string> => {
    const id = await open(title, applyAgain);
    await complete(id);
    return id;
  };
  const image = async (changes: Partial<ImageManifest> = {}, facts: ServerFacts | null = null): Promise<string> => {
    time += MINUTE;
    const at = new Date(time).toISOString();
    const { lineageId } = await catalog.getServer(server.id);
    const held = await catalog.changesAt(server.id, at);
    const said = { version: 5, lineageId, pointInTime: at, publishedAt: at, changes: held, ...changes } as const;
    return (await catalog.recordRecoveryPoint(manifestOf(server, await catalog.nextGeneration(server.id), said), 'main', undefined, facts)).id;
  };
  const plan = async (recoveryPointId: string): Promise<LostChanges> => {
    const { choosePlanSource } = bound(new PlanningJudgements({ catalog } as unknown as ActivityDependencies));
    const { lostChanges } = await choosePlanSource({ planId: 'plan_1', serverId: server.id, recoveryPointId });
    if (lostChanges === undefined) throw new Error('the plan says nothing of changes');
    return lostChanges;
  };

  it('is nothing where the image holds all of it', async () => {
    await change('one');
    const notCompared = { why: 'newest', generations: [1], sentences: [] };
    expect(await plan(await image())).toEqual({ changes: [], returning: [], isKnown: true, drift: null, notCompared });
  });

  it('is what was completed since, and what was being made, with how each is made again', async () => {
    const half = await open('half done', { kind: 'text', text: 'run the playbook\nthen reboot' });
    await change('one');
    const first = await image();
    await complete(half);
    const since = await change('since', { kind: 'command', argv: ['/bin/true'], timeoutSeconds: 5 });
    const begun = await open('not complete');
    expect(await plan(first)).toMatchObject({
      open: [{ id: begun, title: 'not complete', completedAt: null }],
      changes: [
        { id: since, title: 'since', how: 'missing', applyAgain: { kind: 'command' } },
        { id: half, title: 'half done', how: 'partly', applyAgain: { kind: 'text', text: 'run the playbook\nthen reboot' } },
      ],
      returning: [],
      isKnown: true,
    });
  });

  it('is what was done of changes that are being made, also of those of which the image has a part, and of no others', async () => {
    const half = await open('half done');
    const first = await image();
    const [begun, cancelled] = [await open('begun'), await open('cancelled')];
    await catalog.cancelChange({ actor: 'alice', id: cancelled, reason: 'taken back' });
    expect((await plan(first)).open?.map(({ id }) => id)).toEqual([half, begun]);
    // What was completed elsewhere is not being made any more.
    const restore = await restoredTo(catalog, server, first);
    await catalog.completeChange({ actor: 'alice', id: half, madeAgain: true });
    await finishedUndo(catalog, await catalog.getServer(server.id), restore);
    expect((await plan(first)).open?.map(({ id }) => id)).toEqual([begun]);
    await complete(begun);
    expect(await plan(first)).not.toHaveProperty('open');
  });

  it('of an undo is also what was done of changes that are being made', async () => {
    const first = await image();
    const restore = await restoredTo(catalog, server, first);
    const begun = await open('begun since the restore');
    const calls = new PlanningJudgements({ catalog } as unknown as ActivityDependencies);
    const { planId } = await catalog.acceptUndoPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'u', ofRunId: restore });
    expect((await calls.chooseUndoSource({ planId, serverId: server.id, ofRunId: restore })).lostChanges?.open?.map(({ id }) => id)).toEqual([begun]);
  });

  it('is nothing that was cancelled', async () => {
    const half = await open('half done');
    const first = await image();
    await catalog.cancelChange({ actor: 'alice', id: half, reason: 'taken back' });
    expect(await plan(first)).toMatchObject({ changes: [], returning: [] });
  });

  it('has changed when another one was completed since the plan was made; what it names, and what is open, has not', async () => {
    const first = await image();
    const half = await open('half done');
    await change('in the plan');
    const calls = new PlanningJudgements({ catalog } as unknown as ActivityDependencies);
    const lostChanges = await plan(first);
    const planned = async (more: Partial<RestorePlanBody>): Promise<string> => {
      const asked = { scenario: 'server', recoveryPointId: first, keepDisks: [], attachOldDisks: [] } as const;
      const { planId } = await catalog.acceptPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'p', serverId: server.id, ...asked });
      const body = { ...planBodyOf(planId, server, first), ...more };
      await catalog.completePlan(planId, body, planHash(body));
      return planId;
    };
    const [planId, older] = [await planned({ lostChanges }), await planned({})];
    expect(await calls.changesSincePlan(planId)).toEqual([]);
    await complete(half);
    expect(await calls.changesSincePlan(planId)).toEqual([`configuration change "half done" (${half}) was completed since`]);
    expect(await calls.changesSincePlan(older)).toEqual([]);
  });

  it('of an undo is what was made on the disks that it leaves', async () => {
    const first = await image();
    const before = await change('before the restore');
    const restore = await restoredTo(catalog, server, first);
    const since = await change('since the restore', { kind: 'text', text: 'by hand' });
    const calls = new PlanningJudgements({ catalog } as unknown as ActivityDependencies);
    const { planId } = await catalog.acceptUndoPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'u', ofRunId: restore });
    const source = await calls.chooseUndoSource({ planId, serverId: server.id, ofRunId: restore });
    expect(source.lostChanges).toMatchObject({ changes: [{ id: since, how: 'missing', applyAgain: { kind: 'text' } }], returning: [{ id: before }] });
    const present = { uuid: server.uuid, disks: [], nics: [], refusals: [], powerState: 'off', agent: { state: 'silent' } } as never;
    await calls.composeUndoPlan(source, { present, wayBack: null, writtenBytes: {} });
    expect(await calls.changesSincePlan(planId)).toEqual([]);
    const later = await change('since the plan');
    expect(await calls.changesSincePlan(planId)).toEqual([`configuration change "since the plan" (${later}) was completed since`]);
  });

  it('is not what the server lacks and the image brings back', async () => {
    const first = await image();
    const [one, two] = [await change('one'), await change('two')];
    const second = await image();
    expect((await plan(first)).changes.map(({ id }) => id)).toEqual([one, two]);
    await restoredTo(catalog, server, first);
    const three = await change('three');
    expect(await plan(second)).toMatchObject({ changes: [{ id: three, how: 'missing' }], returning: [{ id: one }, { id: two }] });
    expect(await plan(first)).toMatchObject({ changes: [{ id: three }], returning: [] });
  });

  it('is named by images alone after the catalogue was rebuilt from them; how it is made again nobody knows then', async () => {
    const recorded = { id: 'chg_01aaaaaaaaaaaaaaaaaaaaaaaa', title: 'before the fire', ticket: 'OPS-1', completedAt: '2026-02-01T00:00:00.000Z' };
    const first = await image({ changes: { contained: [], partly: [], more: 0 } });
    await image({ changes: { contained: [recorded], partly: [], more: 0 } });
    expect(await plan(first)).toMatchObject({ changes: [{ ...recorded, how: 'missing', applyAgain: null }], isKnown: true });
  });

  it('is not known of an image of an earlier version, unless the server has none', async () => {
    const old = await image({ version: 1, changes: undefined });
    expect(await plan(old)).toMatchObject({ changes: [], isKnown: true });
    const since = await change('since');
    expect(await plan(old)).toMatchObject({ changes: [{ id: since, how: 'missing' }], isKnown: false });
  });

  it('is told with what differs although nobody has registered it, against the newest image of the disks that the server has', async () => {
    const packages = (...versions: readonly string[]) => serverFacts({ packages: versions.map((value, at) => ({ key: `p${at}`, value })) });
    const first = await image({}, packages('1', '1'));
    expect(await plan(first)).toMatchObject({ drift: null, notCompared: { why: 'newest', generations: [1] } });
    const second = await image({}, packages('1', '2', '1'));
    expect((await plan(first)).drift).toEqual({ of: 1, generation: 2, sentences: ['1 package changed, 1 added'] });
    expect(await plan(first)).not.toHaveProperty('notCompared');
    expect((await plan(second)).drift).toBeNull();
    await image({}, packages('1', '2', '1'));
    expect((await plan(second)).drift).toEqual({ of: 2, generation: 3, sentences: [] });
    expect(await plan(second)).not.toHaveProperty('notCompared');
    await restoredTo(catalog, server, first);
    // Of the disks that it has now there is no image yet.
    expect(await plan(second)).toMatchObject({ drift: null, notCompared: { why: 'no-image', generations: [2] } });
    await image({}, packages('3'));
    expect((await plan(second)).drift).toMatchObject({ of: 2, sentences: ['1 package changed, 2 removed'] });
  });

  it('says of facts that could not be compared that they were not, and why', async () => {
    const first = await image({}, serverFacts());
    const second = await image({}, null);
    const why = 'generation 2: nobody could ask the server';
    const asked = { why: 'no-facts', generations: [2], sentences: [expect.stringContaining(why)] };
    expect(await plan(first)).toMatchObject({ drift: null, notCompared: asked });
    await image({ changes: undefined, version: 1 }, null);
    expect(await plan(second)).toMatchObject({
      notCompared: { generations: [2, 3], sentences: [expect.stringContaining(why), expect.stringContaining('an earlier version')] },
    });
    const error = { code: 'AGENT_SILENT', message: 'x', hint: 'x' } as const;
    await image({}, serverFacts({}, { sections: { users: { kind: 'users', state: 'failed', error } } }));
    const gap = 'users: not compared, those of the later one were not collected (AGENT_SILENT)';
    expect((await plan(first)).drift?.sentences).toEqual([gap]);
    expect((await plan(first)).notCompared).toEqual({ why: 'in-part', generations: [1, 4], sentences: [gap] });
  });
});

const bound = (judgements: PlanningJudgements) => ({
  choosePlanSource: judgements.choosePlanSource.bind(judgements),
  chooseDataSource: judgements.chooseDataSource.bind(judgements),
});

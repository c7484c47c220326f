import type { ChangeView } from '../../src/contracts/change';
import type { GenerationDetail, GenerationDiff, GenerationView } from '../../src/contracts/generation';
import type { RestorePlanBody } from '../../src/contracts/plan';
import { isFinal, type RunView } from '../../src/contracts/run';
import { guestExec, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { E2eStack } from '../support/e2e-stack';
import { installDpkg, putPackage, type GuestShell } from '../support/guest-dpkg';
import { eventually } from '../support/up-process';

/** What is changed on a server on purpose, and what is not: an image after each change, and what a restore takes away again. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-changes';
const PACKAGE = '/opt/packages/shop-tools.deb';
const stack = new E2eStack();
let guest: GuestServer;
let change: ChangeView;

const sh = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', script]);
const inGuest: GuestShell = async (script, args, input) => {
  const { exitCode, stderr } = await guestExec(guest.uuid, ['sh', '-euc', script, 'sh', ...args], input === undefined ? {} : { input });
  if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
};
const post = async <T>(path: string, body: object): Promise<T> => (await stack.post<T>(path, body)).body;
const generations = async (): Promise<readonly GenerationView[]> =>
  (await stack.get<{ items: GenerationView[] }>(`/v1/servers/${NAME}/generations`)).body.items;
const diff = async (one: number, other: number): Promise<GenerationDiff> =>
  (await stack.get<GenerationDiff>(`/v1/servers/${NAME}/generations/${one}/diff?with=${other}`)).body;
const section = ({ facts }: GenerationDiff, kind: string) => facts?.sections.find((one) => one.kind === kind);

const imaged = (id: string): Promise<ChangeView> =>
  eventually(
    async () => (await stack.get<ChangeView>(`/v1/changes/${id}`)).body,
    ({ recoveryPointId }) => recoveryPointId !== null,
    300_000,
  );
const idle = () =>
  eventually(
    async () => (await stack.get<{ items: RunView[] }>(`/v1/runs?server=${NAME}`)).body.items,
    (runs) => runs.every(({ state }) => isFinal(state)),
    120_000,
  );

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({ name: NAME, guest: 'postgresql', protection: { configurationPaths: ['/opt/app'] } });
  await waitForAgent(guest.uuid, 120_000);
  await sh('mkdir -p /opt/app && echo "workers = 2" > /opt/app/app.conf');
  await installDpkg(inGuest);
  const motd = { name: 'shop-tools', version: '1.2', file: 'usr/share/shop-tools/motd', content: 'welcome\n' };
  await putPackage(inGuest, '/opt/packages/shop-base.deb', { ...motd, name: 'shop-base', file: 'usr/share/shop-base/readme' });
  await putPackage(inGuest, PACKAGE, motd);
  await sh('dpkg -i /opt/packages/shop-base.deb && sync');
});
afterAll(() => stack.close());

it('the first image is the baseline: it knows what the server is, and no change', async () => {
  await stack.backup(NAME, 'registered', { mode: 'online' });
  const [first] = await generations();
  expect(first).toMatchObject({
    generation: 1,
    isOnPresentLine: true,
    changes: { contained: [], partly: [], more: 0 },
    facts: { state: 'collected', family: 'debian' },
  });
  const { body } = await stack.get<GenerationDetail>(`/v1/servers/${NAME}/generations/1`);
  const entries = (kind: string) => body.sections?.flatMap((one) => (one.kind === kind && one.state === 'collected' ? one.entries : [])) ?? [];
  expect(entries('kernel').find(({ key }) => key === 'release')?.value).toBe((await sh('uname -r')).trim());
  expect(entries('users').map(({ key }) => key)).toContain('postgres');
  expect(entries('packages')).toEqual([{ key: 'shop-base:all', value: '1.2' }]);
  expect(entries('mounts').map(({ key }) => key)).toContain('/');
  expect(entries('files').map(({ key }) => key)).toContain('/opt/app/app.conf');
  // What a guest tells of its accounts holds nothing that opens them.
  expect(JSON.stringify(body)).not.toMatch(/\$[0-9a-z]+\$/);
});

it('a change that is complete is followed by an image, which contains it', async () => {
  change = await post<ChangeView>(`/v1/servers/${NAME}/changes`, {
    title: 'More workers, and an account for the importer',
    ticket: 'OPS-12',
    applyAgain: { kind: 'text', text: 'Run the playbook "app".' },
  });
  await sh('echo "workers = 8" > /opt/app/app.conf; echo "importer:x:1500:1500::/home/importer:/bin/false" >> /etc/passwd; sync');
  await post(`/v1/changes/${change.id}/complete`, {});
  expect(await imaged(change.id)).toMatchObject({ generation: 2, inServer: 'yes' });
  const [second] = await generations();
  expect(second).toMatchObject({
    generation: 2,
    reason: expect.stringContaining('More workers') as string,
    changes: { contained: [{ id: change.id, ticket: 'OPS-12' }] },
  });
  const between = await diff(1, 2);
  expect(between.changes?.added.map(({ id }) => id)).toEqual([change.id]);
  expect(section(between, 'users')).toMatchObject({ added: [{ key: 'importer' }], removed: [], changed: [] });
  expect(section(between, 'files')).toMatchObject({ added: [], changed: [{ key: '/opt/app/app.conf' }] });
  expect(between.summary.some((sentence) => sentence.includes('no change registered'))).toBe(false);
  await idle();
});

it('what differs although nobody has registered a change shows as that', async () => {
  await sh('echo "debug = true" >> /opt/app/app.conf; sync');
  await stack.backup(NAME, 'by hand', { mode: 'online' });
  const between = await diff(2, 3);
  expect(between.changes).toEqual({ added: [], removed: [] });
  expect(between.summary).toEqual(['1 configuration file changed, no change registered']);
});

it('what was changed since the newest image is in a plan of that image', async () => {
  const of = await generations();
  expect(of[0]).toMatchObject({ generation: 3 });
  const body = async (): Promise<RestorePlanBody> => (await stack.plan(NAME)).body as RestorePlanBody;
  const before = await body();
  expect(before).toMatchObject({
    recoveryPoint: { generation: 3 },
    lostChanges: { drift: null, notCompared: { why: 'newest' }, now: { state: 'compared', of: 3, sentences: [], gaps: [] } },
  });
  expect(before.findings.map(({ code }) => code)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^FACTS_/)]));

  await sh('cp -p /opt/app/app.conf /root/app.conf; cp -p /etc/passwd /root/passwd');
  await sh('echo "trace = true" >> /opt/app/app.conf; echo "eve:x:1666:1666::/home/eve:/bin/sh" >> /etc/passwd; sync');
  const after = await body();
  expect(after.lostChanges?.now).toMatchObject({
    state: 'compared',
    of: 3,
    sentences: ['1 user added ("eve")', '1 configuration file changed ("/opt/app/app.conf")'],
    gaps: [],
  });
  expect(after.findings.find(({ code }) => code === 'FACTS_DIFFER')).toMatchObject({
    severity: 'warn',
    message: expect.stringContaining('The server itself differs from generation 3') as string,
    evidence: ['1 user added ("eve")', '1 configuration file changed ("/opt/app/app.conf")'],
  });
  // Nothing was imaged for it.
  expect(await generations()).toEqual(of);
  await sh('cp -p /root/app.conf /opt/app/app.conf; cp -p /root/passwd /etc/passwd; rm /root/app.conf /root/passwd; sync');
  expect((await body()).lostChanges?.now).toMatchObject({ state: 'compared', sentences: [], gaps: [] });
});

it('the plan of a restore says which changes are lost, and what else is different; left as they are, the server lacks them, and undo brings them back', async () => {
  const oldest = (await generations()).find(({ generation }) => generation === 1);
  const plan = await stack.planWith(NAME, { recoveryPointId: oldest?.recoveryPointId, leaveChanges: true });
  const body = plan.body as RestorePlanBody;
  expect(body.lostChanges).toMatchObject({
    changes: [{ id: change.id, how: 'missing', applyAgain: { kind: 'text' } }],
    drift: { of: 1, generation: 3, sentences: ['1 user added', '1 configuration file changed'] },
    now: { state: 'compared', of: 1, sentences: ['1 user added ("importer")', '1 configuration file changed ("/opt/app/app.conf")'] },
  });
  expect(body.findings.map(({ code }) => code)).toEqual(expect.arrayContaining(['CHANGES_LOST', 'FACTS_DIFFER']));
  expect(body.losses).toContain('Configuration change "More workers, and an account for the importer" (OPS-12).');

  // One that is complete since is not in the plan that somebody has read: the run stops before it has touched anything.
  const { id: later } = await post<ChangeView>(`/v1/servers/${NAME}/changes`, {
    title: 'Something since the plan',
    applyAgain: { kind: 'command', argv: ['true'] },
  });
  await post(`/v1/changes/${later}/complete`, {});
  await imaged(later);
  await idle();
  const refused = await stack.finished((await stack.startRestore(plan)).id);
  expect(refused).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE', message: expect.stringContaining('Something since the plan') as string } });
  expect(refused.steps.map(({ key, state }) => `${key} ${state}`)[0]).toBe('check failed');
  const anew = await stack.planWith(NAME, { recoveryPointId: oldest?.recoveryPointId, leaveChanges: true });
  expect((anew.body as RestorePlanBody).lostChanges?.changes.map(({ id }) => id)).toEqual([change.id, later]);

  const run = await stack.finished((await stack.startRestore(anew)).id);
  expect(run).toMatchObject({ state: 'succeeded' });
  await waitForAgent(guest.uuid, 120_000);
  expect(await sh('cat /opt/app/app.conf; grep -c importer /etc/passwd || true')).toBe('workers = 2\n0\n');
  expect((await stack.get<ChangeView>(`/v1/changes/${change.id}`)).body).toMatchObject({ state: 'completed', generation: 2, inServer: 'no' });

  const undo = await stack.finished((await stack.undo(run.id)).id);
  expect(undo).toMatchObject({ state: 'succeeded' });
  await waitForAgent(guest.uuid, 120_000);
  expect(await sh('grep -c importer /etc/passwd')).toBe('1\n');
  expect((await stack.get<ChangeView>(`/v1/changes/${change.id}`)).body).toMatchObject({ inServer: 'yes' });
  await stack.expectOrder(undo);
});

it('a restore applies them again: by their programs, and by people, for whom it waits before go-live', async () => {
  const { id: byProgram } = await post<ChangeView>(`/v1/servers/${NAME}/changes`, {
    title: 'The package shop-tools',
    applyAgain: { kind: 'command', argv: ['dpkg', '-i', PACKAGE] },
  });
  await sh(`dpkg -i ${PACKAGE}; sync`);
  await post(`/v1/changes/${byProgram}/complete`, {});
  const { id: byBrokenProgram } = await post<ChangeView>(`/v1/servers/${NAME}/changes`, {
    title: 'A package that is not to be had any more',
    applyAgain: { kind: 'command', argv: ['sh', '-c', 'echo no such package >&2; exit 100'] },
  });
  await post(`/v1/changes/${byBrokenProgram}/complete`, {});
  // Each is due an image: until they have one, a run may begin at any moment.
  for (const id of [byProgram, byBrokenProgram]) await imaged(id);
  await idle();
  const { generation: installed } = await imaged(byProgram);
  expect((await diff(1, installed as number)).summary).toEqual(
    expect.arrayContaining(['Only the later one contains the change "The package shop-tools".', '1 package added']),
  );
  const oldest = (await generations()).find(({ generation }) => generation === 1);
  const plan = await stack.plan(NAME, oldest?.recoveryPointId);
  const body = plan.body as RestorePlanBody;
  expect(body.findings.find(({ code }) => code === 'CHANGES_LOST')).toMatchObject({ severity: 'step' });
  expect(body.losses).toContain('Configuration change "The package shop-tools".');
  expect(body.lostChanges?.drift?.sentences).toContain('1 package added');
  expect(body.steps.map(({ key }) => key)).toEqual(expect.arrayContaining([`apply:${byProgram}`, `apply:${byBrokenProgram}`, 'sign-off']));

  const { id } = await stack.startRestore(plan);
  const waiting = await eventually(
    () => stack.run(id),
    ({ waitingFor, state }) => waitingFor === 'sign-off' || isFinal(state),
    240_000,
  );
  expect(waiting).toMatchObject({ state: 'running', waitingFor: 'sign-off', allowedActions: ['sign-off', 'undo', 'cancel'] });
  const stepOf = (run: RunView, key: string) => run.steps.find((step) => step.key === key);
  expect(stepOf(waiting, `apply:${byProgram}`)?.detail).toMatchObject({
    applied: true,
    evidence: expect.stringContaining('Setting up shop-tools (1.2)') as string,
  });
  expect(stepOf(waiting, `apply:${byBrokenProgram}`)?.detail).toMatchObject({ applied: false, evidence: 'exit code 100: no such package' });
  expect(stepOf(waiting, 'go-live')?.state).toBe('pending');
  // What a person does, as the change says.
  await sh('echo "workers = 8" > /opt/app/app.conf; echo "importer:x:1500:1500::/home/importer:/bin/false" >> /etc/passwd');
  await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'playbook run', notApplied: [byBrokenProgram] });
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded' });
  expect(stepOf(run, 'sign-off')?.detail).toMatchObject({ signedOffBy: expect.any(String) as string, reason: 'playbook run', applied: 1, notApplied: 1 });
  expect(await sh('cat /opt/app/app.conf /usr/share/shop-tools/motd; dpkg-query -W')).toBe('workers = 8\nwelcome\nshop-base\t1.2\nshop-tools\t1.2\n');
  const inServer = async (of: string) => (await stack.get<ChangeView>(`/v1/changes/${of}`)).body.inServer;
  expect([await inServer(change.id), await inServer(byProgram), await inServer(byBrokenProgram)]).toEqual(['yes', 'yes', 'no']);
  await stack.expectOrder(run);
});

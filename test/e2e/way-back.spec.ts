import { existsSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { UndoPlanBody } from '../../src/contracts/plan';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import { checksumFiles, domainState, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { mustRun, virsh } from '../guests/run-program';
import { E2eStack, type Problem } from '../support/e2e-stack';

/** Quarantine, go-live, undo, redo and confirm on a real guest, through the API. One guest throughout; each test says in which state it leaves it. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-wayback';
const stack = new E2eStack();
let guest: GuestServer;
let point: ImageRecoveryPointView;
let atPoint: string;

const health = [{ name: 'app', kind: 'command' as const, argv: ['test', '-s', '/opt/app/random'] as const, timeoutSeconds: 20 }];

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({ name: NAME, guest: 'minimal', withGenerationId: true, protection: { healthChecks: health } });
  await waitForAgent(guest.uuid, 120_000);
  await guestOutput(guest.uuid, ['sh', '-c', 'mkdir -p /opt/app && head -c 2000000 /dev/urandom > /opt/app/random && sync']);
  atPoint = await contents();
  point = await stack.backup(NAME, 'baseline', { mode: 'online' });
});
afterAll(() => stack.close());

const contents = (): Promise<string> => checksumFiles(guest.uuid, '/opt/app');
const write = async (text: string): Promise<string> => {
  await guestOutput(guest.uuid, ['sh', '-c', `echo ${text} > /opt/app/${text}; sync`]);
  return contents();
};
const definition = (): Promise<string> => virsh(['dumpxml', '--inactive', guest.uuid]);
const disk = async (): Promise<string> => /<source file='([^']+)'/.exec(await definition())?.[1] ?? '';
const generationId = async (): Promise<string> => /<genid>([^<]+)/.exec(await definition())?.[1] ?? '';
const carrier = async (): Promise<string> =>
  (await guestOutput(guest.uuid, ['sh', '-c', 'ip link set eth0 up; sleep 1; cat /sys/class/net/eth0/carrier'])).trim();
const lineage = async (): Promise<string> => (await stack.get<{ lineageId: string }>(`/v1/servers/${NAME}`)).body.lineageId;
const refused = async (path: string, body?: object): Promise<Problem & { status: number }> => {
  const { status, body: problem } = await stack.post<Problem>(path, body ?? {});
  return { ...problem, status };
};
/** A restore of the point, up to the moment where it waits. */
const held = async (): Promise<RunView> => stack.waiting((await stack.startRestore(await stack.plan(NAME, point.id), { hold: true })).id);

it('an online backup is of a running server that was frozen for a moment', async () => {
  expect(point).toMatchObject({ state: 'usable', consistency: 'filesystem' });
  const run = await stack.run(point.runId);
  const begin = run.steps.find(({ key }) => key === 'begin');
  expect(begin?.detail['frozenMs']).toBeLessThan(10_000);
  expect(await domainState(guest.uuid)).toBe('running');
  await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: atPoint }] });
});

it('waits in quarantine with --hold, with its production link down; cancelled there, the old server comes back and nothing is lost', async () => {
  const later = await write('before-hold');
  const [path, genid, line] = [await disk(), await generationId(), await lineage()];

  const waiting = await held();

  expect(waiting).toMatchObject({ state: 'running', waitingFor: 'go-live' });
  expect(waiting.allowedActions).toEqual(expect.arrayContaining(['go-live', 'undo', 'cancel']));
  expect(waiting.steps.find(({ key }) => key === 'health:app')?.state).toBe('succeeded');
  expect(await contents()).toBe(atPoint);
  expect(await carrier()).toBe('0');
  expect(await lineage()).not.toBe(line);

  const run = await stack.cancel(waiting.id);

  expect(run.state).toBe('cancelled');
  await waitForAgent(guest.uuid, 120_000);
  expect([await disk(), await generationId(), await lineage()]).toEqual([path, genid, line]);
  expect(await carrier()).toBe('1');
  expect(await stack.wayBacks(NAME, 'open')).toEqual([]);
  await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: later }] });
});

it('a health check that fails brings the old server back', async () => {
  await stack.declare(NAME, { healthChecks: [{ name: 'app', kind: 'command', argv: ['false'], timeoutSeconds: 3 }] });
  const before = await contents();
  const run = await stack.restore(NAME);
  await stack.declare(NAME, { healthChecks: health });
  expect(run).toMatchObject({ state: 'failed', error: { code: 'HEALTH_CHECK_FAILED' } });
  await waitForAgent(guest.uuid, 120_000);
  await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: before }] });
});

describe('a restore that has gone live', () => {
  let restored: RunView;
  let oldDisk: string;
  let oldGenid: string;
  let oldLineage: string;
  let oldContents: string;
  let undone: RunView;
  let written: string;

  it('was let go live by a person, who stands in its history', async () => {
    [oldDisk, oldGenid, oldLineage, oldContents] = [await disk(), await generationId(), await lineage(), await contents()];
    const waiting = await held();
    expect(await stack.goLive(waiting.id, 'checked by hand')).toMatchObject({ id: waiting.id });
    restored = await stack.finished(waiting.id);
    expect(restored).toMatchObject({ state: 'succeeded', wayBack: { state: 'open', lineageBefore: oldLineage } });
    expect(restored.steps.find(({ key }) => key === 'go-live')?.detail).toMatchObject({ linksRaised: 1, reason: 'checked by hand' });
    expect(await carrier()).toBe('1');
    expect(await generationId()).not.toBe(oldGenid);
    await stack.expectOrder(restored, { contents: [{ guest, directory: '/opt/app', sha256: atPoint }] });
  });

  it('keeps the old volume, counted, with an expiry', async () => {
    const [kept] = await stack.wayBacks(NAME, 'open');
    expect(kept?.volumes).toEqual([{ target: 'vda', path: oldDisk, allocatedBytes: statSync(oldDisk).blocks * 512 }]);
    const days = (Date.parse(kept?.expiresAt ?? '') - Date.parse(kept?.createdAt ?? '')) / 86_400_000;
    expect(days).toBeCloseTo(7, 1);
    const plan = await stack.plan(NAME, point.id);
    expect(plan.body?.findings.find(({ code }) => code === 'WAY_BACKS_KEPT')?.evidence).toEqual([expect.stringContaining(restored.id)]);
  });

  it('go-live of it a second time, or of a failed run, is refused', async () => {
    expect(await refused(`/v1/runs/${restored.id}/go-live`, { reason: 'again' })).toMatchObject({ status: 409, code: 'RUN_FINISHED' });
    const failed = (await stack.get<{ items: readonly RunView[] }>(`/v1/runs?server=${NAME}&state=failed`)).body.items[0];
    expect(await refused(`/v1/runs/${failed?.id}/go-live`, { reason: 'try' })).toMatchObject({ status: 409, code: 'RUN_FINISHED' });
    expect(await refused(`/v1/runs/${failed?.id}/undo-plans`)).toMatchObject({ status: 404, code: 'WAY_BACK_NOT_FOUND' });
    expect(await refused(`/v1/runs/${failed?.id}/confirm`, { reason: 'try' })).toMatchObject({ status: 404, code: 'WAY_BACK_NOT_FOUND' });
  });

  it('is undone by a plan that says what would be lost; volumes, generation id and lineage return', async () => {
    written = await write('after-restore');
    const plan = await stack.undoPlan(restored.id);
    const body = plan.body as UndoPlanBody;
    expect(body.losses[0]).toMatch(/^Everything written since it went live at .* QEMU counts .* to vda/);
    expect(body).toMatchObject({ generationId: { then: oldGenid }, lineage: { then: oldLineage }, volumes: [{ target: 'vda', returnsToPath: oldDisk }] });

    undone = await stack.finished((await stack.startRestore(plan)).id);

    expect(undone).toMatchObject({ kind: 'undo', state: 'succeeded', wayBack: { state: 'open' } });
    await waitForAgent(guest.uuid, 120_000);
    expect([await disk(), await generationId(), await lineage()]).toEqual([oldDisk, oldGenid, oldLineage]);
    expect((await stack.run(restored.id)).wayBack).toMatchObject({ state: 'undone', closedBy: undone.id });
    await stack.expectOrder(undone, { contents: [{ guest, directory: '/opt/app', sha256: oldContents }] });
    expect(await refused(`/v1/runs/${restored.id}/undo-plans`)).toMatchObject({
      status: 409,
      code: 'WAY_BACK_CLOSED',
      hint: expect.stringContaining(undone.id) as string,
    });
  });

  it('is redone by undoing the undo, with what had been written to it', async () => {
    const run = await stack.finished((await stack.undo(undone.id)).id);
    expect(run.state).toBe('succeeded');
    await waitForAgent(guest.uuid, 120_000);
    expect(await lineage()).toBe(restored.wayBack?.lineageAfter);
    await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: written }] });
    undone = run;
  });

  it('is not undone when a kept volume is missing or was exchanged', async () => {
    await mustRun('COPY_FAILED', 'mv', [oldDisk, `${oldDisk}.aside`]);
    await writeFile(oldDisk, 'another file');
    const plan = await stack.undoPlan(undone.id);
    expect(plan.body?.findings).toContainEqual(expect.objectContaining({ code: 'WAY_BACK_INCOMPLETE', severity: 'block' }));
    expect(await refused(`/v1/restore-plans/${plan.id}/run`, { reason: 'try', confirm: NAME })).toMatchObject({ status: 409, code: 'PLAN_BLOCKED' });
    const run = await stack.finished((await stack.confirm(undone.id)).id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'WAY_BACK_INCOMPLETE' } });
    expect(existsSync(oldDisk)).toBe(true);
    await rm(oldDisk);
    await mustRun('COPY_FAILED', 'mv', [`${oldDisk}.aside`, oldDisk]);
    await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: written }] });
  });

  it('is confirmed: the old volume is deleted; confirming twice and undo after confirm are refused', async () => {
    const run = await stack.finished((await stack.confirm(undone.id)).id);
    expect(run).toMatchObject({ kind: 'confirm', state: 'succeeded' });
    expect(existsSync(oldDisk)).toBe(false);
    expect(await stack.wayBacks(NAME, 'open')).toEqual([]);
    expect(await refused(`/v1/runs/${undone.id}/confirm`, { reason: 'again' })).toMatchObject({ status: 409, code: 'WAY_BACK_CLOSED', runId: run.id });
    expect(await refused(`/v1/runs/${undone.id}/undo-plans`)).toMatchObject({ status: 409, code: 'WAY_BACK_CLOSED' });
    await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: written }] });
  });
});

describe('behind our back', () => {
  it('a domain changed between plan and run of an undo: refused before anything is touched', async () => {
    const restored = await stack.restore(NAME);
    expect(restored.state).toBe('succeeded');
    await waitForAgent(guest.uuid, 120_000);
    const plan = await stack.undoPlan(restored.id);
    const file = join(stack.directory, 'changed.xml');
    await writeFile(file, (await definition()).replace("<memory unit='KiB'>262144", "<memory unit='KiB'>266240"));
    await virsh(['define', file]);
    const run = await stack.finished((await stack.startRestore(plan)).id);
    expect(run).toMatchObject({
      state: 'failed',
      error: { code: 'PLAN_STALE', message: expect.stringContaining('definition of the server was changed') as string },
    });
    await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: atPoint }] });
    await stack.finished((await stack.confirm(restored.id)).id);
  });

  it('a domain deleted in the middle of a restore that waits: go-live fails, says so, and loses no file', async () => {
    const waiting = await held();
    const old = waiting.wayBack?.volumes[0]?.path ?? '';
    const xml = await virsh(['dumpxml', '--inactive', '--security-info', guest.uuid]);
    const file = join(stack.directory, 'deleted.xml');
    await writeFile(file, xml);
    await virsh(['destroy', guest.uuid]);
    await virsh(['undefine', guest.uuid, '--keep-nvram']);
    await stack.goLive(waiting.id);
    const run = await stack.finished(waiting.id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'SERVER_GONE' } });
    expect(existsSync(old)).toBe(true);
    expect(existsSync(/<source file='([^']+)'/.exec(xml)?.[1] ?? '')).toBe(true);
    expect((await stack.run(run.id)).allowedActions).toContain('undo');
    // Whoever did that defines it again; the restored server starts as it was in quarantine, and is taken from there.
    await virsh(['define', file]);
    await virsh(['start', guest.uuid]);
    await waitForAgent(guest.uuid, 120_000);
    const undo = await stack.finished((await stack.undo(run.id)).id);
    expect(undo.state).toBe('succeeded');
    await waitForAgent(guest.uuid, 120_000);
    await stack.expectOrder(undo, { contents: [{ guest, directory: '/opt/app', sha256: atPoint }] });
  });
});

describe('one lock', () => {
  it('of fifty requests at once one runs, and forty-nine are told who holds the server', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        stack.post<Problem & { id?: string }>(`/v1/servers/${NAME}/backups`, { kind: 'image', mode: 'online', reason: 'all at once' }),
      ),
    );
    const winners = answers.filter(({ status }) => status === 202);
    expect(winners).toHaveLength(1);
    const holder = winners[0]?.body.id;
    expect(answers.filter(({ status, body }) => status === 409 && body.code === 'SERVER_BUSY' && body.runId === holder)).toHaveLength(49);
    const run = await stack.finished(holder ?? '');
    expect(run.state).toBe('succeeded');
    await stack.expectOrder(run);
  });
});

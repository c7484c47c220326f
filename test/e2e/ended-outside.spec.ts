import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { serverWorkflowId } from '../../src/contracts/ids';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import { checksumFiles, domainState, guestOutput, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { BALLAST, loadBallast } from '../support/ballast';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/**
 * Workflows that somebody terminates or resets in Temporal, and an old run that comes back to life: compensation is skipped then, and the janitor has to do
 * it.
 */
jest.setTimeout(1_200_000);
const NAME = 'e2e-outside';
const HEAVY = 'e2e-outside-heavy';
const stack = new E2eStack({ MODOSU_COPY_RATE_LIMIT: String(8 * 1024 * 1024) });
/** An online backup of it has a middle. */
let heavy: GuestServer;
let guest: GuestServer;
let point: ImageRecoveryPointView | null = null;
let files: string;
let temporal: Connection;
let namespace: string;

beforeAll(async () => {
  await stack.start();
  await stack.slowRepository();
  heavy = await stack.addServer({
    name: HEAVY,
    guest: 'minimal',
    start: false,
    dataDisk: BALLAST.dataDisk,
    protection: { onlineBackup: { rateLimitBytesPerSecond: BALLAST.rateLimitBytesPerSecond, maxGuestLatencyMs: null } },
  });
  await loadBallast(heavy);
  await startGuest(heavy.uuid);
  guest = await stack.addServer({ name: NAME, guest: 'minimal' });
  await waitForAgent(guest.uuid, 120_000);
  await fillApp(guest);
  files = await checksumFiles(guest.uuid, '/opt/app');
  const endpoints = JSON.parse(readFileSync(join(stack.stateDirectory, 'run', 'endpoints.json'), 'utf8')) as {
    temporalAddress: string;
    temporalNamespace: string;
  };
  namespace = endpoints.temporalNamespace;
  temporal = await Connection.connect({ address: endpoints.temporalAddress });
});
afterAll(async () => {
  await temporal.close();
  await stack.close();
});

const fillApp = ({ uuid }: GuestServer): Promise<string> =>
  guestOutput(uuid, ['sh', '-c', 'mkdir -p /opt/app && head -c 1000000 /dev/urandom > /opt/app/random && sync']);
/** The one that is restored; made by the first who asks. */
const baseline = async (): Promise<ImageRecoveryPointView> => (point ??= await stack.backup(NAME, 'baseline', { mode: 'online' }));
const terminate = async ({ serverId }: RunView): Promise<void> => {
  await temporal.workflowService.terminateWorkflowExecution({
    namespace,
    workflowExecution: { workflowId: serverWorkflowId(serverId) },
    reason: 'somebody in the web UI',
  });
};
const disk = async (): Promise<string> => /<source file='([^']+)'/.exec(await virsh(['dumpxml', '--inactive', guest.uuid]))?.[1] ?? '';
const expectEndedOutside = async (runId: string, { uuid } = guest): Promise<RunView> => {
  const run = await stack.finished(runId);
  expect(run).toMatchObject({ state: 'failed', error: { code: 'RUN_ENDED_OUTSIDE' } });
  expect(run.steps.find(({ key }) => key === 'clean-up')?.state).toBe('succeeded');
  await waitForAgent(uuid, 120_000);
  return run;
};

it('a backup terminated while QEMU copies: the job is cancelled, nothing is left, the server has never noticed', async () => {
  await waitForAgent(heavy.uuid, 120_000);
  await fillApp(heavy);
  const sum = await checksumFiles(heavy.uuid, '/opt/app');
  const { id } = await stack.startBackup(HEAVY, 'terminated', { mode: 'online' });
  const started = await stack.copyUnderWay(id, 'vdb');
  await terminate(started);
  const run = await expectEndedOutside(id, heavy);
  expect(await stack.images(HEAVY)).toEqual([]);
  await stack.expectOrder(run, { contents: [{ guest: heavy, directory: '/opt/app', sha256: sum }] });
});

it('an offline backup terminated while the server is off: it is started again', async () => {
  const { id } = await stack.startBackup(NAME, 'terminated');
  const started = await stack.copyUnderWay(id, 'vda');
  expect(await domainState(guest.uuid)).toBe('shut off');
  await terminate(started);
  const run = await expectEndedOutside(id);
  expect(await domainState(guest.uuid)).toBe('running');
  await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: files }] });
});

it('a restore terminated in mid-copy: the new volumes are removed, the server is left alone', async () => {
  const before = await disk();
  const { id } = await stack.startRestore(await stack.plan(NAME, (await baseline()).id));
  const started = await stack.copyUnderWay(id, 'vda');
  await terminate(started);
  const run = await expectEndedOutside(id);
  expect(await disk()).toBe(before);
  await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: files }] });
});

it('a restore terminated while it waits for go-live: the old server is put back', async () => {
  const before = await disk();
  await guestOutput(guest.uuid, ['sh', '-c', 'echo later > /opt/app/later; sync']);
  const later = await checksumFiles(guest.uuid, '/opt/app');
  const waiting = await stack.waiting((await stack.startRestore(await stack.plan(NAME, (await baseline()).id), { hold: true })).id);
  expect(waiting.waitingFor).toBe('go-live');
  await terminate(waiting);
  const run = await expectEndedOutside(waiting.id);
  expect(await disk()).toBe(before);
  expect(readdirSync(guest.directory).filter((name) => name.includes(waiting.id))).toEqual([]);
  await stack.expectOrder(run, { contents: [{ guest, directory: '/opt/app', sha256: later }] });
});

it('a run that has ended and is reset in Temporal cannot write any more', async () => {
  const old = await stack.restore(NAME);
  expect(old.state).toBe('succeeded');
  await waitForAgent(guest.uuid, 120_000);
  await guestOutput(guest.uuid, ['sh', '-c', 'echo since > /opt/app/since; sync']);
  const [since, path, definition] = [await checksumFiles(guest.uuid, '/opt/app'), await disk(), await virsh(['dumpxml', '--inactive', guest.uuid])];

  const workflowId = serverWorkflowId(old.serverId);
  const { history } = await temporal.workflowService.getWorkflowExecutionHistory({ namespace, execution: { workflowId } });
  const firstTask = history?.events?.find(({ workflowTaskCompletedEventAttributes }) => workflowTaskCompletedEventAttributes != null)?.eventId;
  const { runId } = await temporal.workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: { workflowId },
    workflowTaskFinishEventId: firstTask,
    reason: 'a ghost',
    requestId: 'ghost-1',
  });
  const status = async (): Promise<number> =>
    (await temporal.workflowService.describeWorkflowExecution({ namespace, execution: { workflowId, runId } })).workflowExecutionInfo?.status ?? 0;
  // 1 is "running". It ends by itself, in vain.
  expect(await eventually(status, (found) => found !== 1, 120_000)).not.toBe(2);

  expect([await disk(), await virsh(['dumpxml', '--inactive', guest.uuid])]).toEqual([path, definition]);
  expect(await stack.run(old.id)).toMatchObject({ state: 'succeeded' });
  await stack.expectOrder(await stack.run(old.id), { contents: [{ guest, directory: '/opt/app', sha256: since }] });
});

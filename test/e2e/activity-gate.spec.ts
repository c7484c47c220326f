import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Gate } from '../support/activity-gate';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/** The gate with which other tests hold the worker at the boundary of a step holds it there, and nowhere else. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-gate';
const gate = new Gate();
const stack = new E2eStack(gate.env);

beforeAll(async () => {
  await stack.start();
  await stack.addServer({ name: NAME, guest: 'minimal', start: false });
});
afterAll(async () => {
  gate.openAll();
  await stack.close();
  gate.close();
});

it('holds an activity before it begins, also when it is tried again by another process', async () => {
  gate.hold('publish.before');
  const { id } = await stack.startBackup(NAME, 'held before it is published');
  const first = await gate.reached('publish.before', 60_000);
  expect(first.runId).toBe(id);
  expect((await stack.stepIs(id, 'publish', 'running')).steps.find(({ key }) => key === 'catalogue')?.state).toBe('pending');
  expect(readdirSync(join(stack.repository, 'staging'))).toHaveLength(1);

  gate.forget('publish.before');
  expect(stack.killPart('worker')).toBe(first.pid);
  const second = await gate.reached('publish.before', 90_000);
  expect(second).toMatchObject({ runId: id });
  expect(second.pid).not.toBe(first.pid);
  expect(await stack.images(NAME)).toEqual([]);

  gate.open('publish.before');
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  await stack.expectOrder(run);
});

it('holds one disk after its copy, heartbeating, and the end of a run; what is not held is not stopped', async () => {
  gate.hold('copyDiskToRepository.vda.after');
  gate.hold('copyDiskToRepository.vdb.before');
  gate.hold('finishRun.before');
  const { id } = await stack.startBackup(NAME, 'held after the copy');
  const { pid } = await gate.reached('copyDiskToRepository.vda.after', 60_000);
  // Longer than the heartbeat time-out of 30 s: it is not taken for dead.
  const until = performance.now() + 33_000;
  await eventually(
    () => performance.now(),
    (now) => now > until,
    40_000,
  );
  gate.open('copyDiskToRepository.vda.after');
  expect(await gate.reached('finishRun.before', 30_000)).toEqual({ pid, runId: id });
  expect((await stack.run(id)).state).toBe('running');
  gate.openAll();
  expect(await stack.finished(id)).toMatchObject({ state: 'succeeded' });
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding, RestorePlanBody, RestorePlanView } from '../../src/contracts/plan';
import type { ImageManifest, ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { isFinal, type RunView } from '../../src/contracts/run';
import { cutPower, waitForAgent, waitForPostgresql } from '../guests/guest-server';
import { follows, installPrograms, rebuildByBasebackup } from '../guests/replication';
import { addReplicatingPair, type ReplicatingPair } from '../support/e2e-replication';
import { E2eStack } from '../support/e2e-stack';
import { inFull } from '../support/thorough';
import { eventually } from '../support/up-process';

/**
 * The classic accident: a primary of PostgreSQL goes back in time beside a standby that is ahead. Without the product's word, with it, and with a word that is not
 * kept. Each test takes the pair as the one before has left it: the standby streams from the primary, and their rows agree.
 */
jest.setTimeout(900_000);
const [PRIMARY, STANDBY] = ['e2e-repl-primary', 'e2e-repl-standby'] as const;
const PROGRAMS = { 'new-timeline-program': '/usr/local/sbin/new-timeline', 'rebuild-program': '/usr/local/sbin/rebuild' };
const DECISION = { codes: ['STANDBY_AHEAD'], reason: 'what was written since is wrong, on the standby too' };

const stack = new E2eStack();
let { guests, primary, standby, relate, agree } = {} as ReplicatingPair;

beforeAll(async () => {
  await stack.start();
  ({ guests, primary, standby, relate, agree } = await addReplicatingPair(stack, [PRIMARY, STANDBY], ['192.168.77.21/24', '192.168.77.22/24']));
  const names = { [PRIMARY]: primary.machine.address, [STANDBY]: standby.machine.address };
  await Promise.all([primary, standby].map((server) => installPrograms(server, names)));
});
afterAll(() => stack.close());

/** An image of the primary, and what is written afterwards: the standby has it. */
async function imageAndRows(before: string, since: string): Promise<ImageRecoveryPointView> {
  await primary.write(before);
  await follows(standby, primary);
  const image = await stack.backup(PRIMARY, 'nightly', { mode: 'online' });
  await primary.write(since, 3000);
  await agree();
  expect(await standby.rows()).toContain(` ${since}`);
  return image;
}

/** What is written on the primary from now on arrives, and nothing else is there. */
async function expectReplication(note: string, gone: string): Promise<void> {
  await primary.write(note);
  await agree();
  const rows = await standby.rows();
  expect(rows).toContain(` ${note}`);
  expect(rows).not.toContain(` ${gone}`);
}

async function planned(image: ImageRecoveryPointView): Promise<{ readonly plan: RestorePlanView; readonly body: RestorePlanBody }> {
  const plan = await stack.plan(PRIMARY, image.id);
  expect(plan).toMatchObject({ state: 'ready', error: null });
  return { plan, body: plan.body as RestorePlanBody };
}
const saidOf = ({ findings }: RestorePlanBody): readonly string[] =>
  findings.flatMap(({ severity, code, relation }) => (relation === undefined ? [] : [`${severity} ${code}`]));
const blocking = ({ findings }: RestorePlanBody): Finding => findings.find(({ severity }) => severity === 'block') as Finding;
const stepOf = ({ steps }: RunView, key: string) => steps.find((step) => step.key === key);
const waitsFor = (id: string, decision: RunView['waitingFor']): Promise<RunView> =>
  eventually(
    () => stack.run(id),
    ({ waitingFor, state }) => waitingFor === decision || isFinal(state),
    300_000,
  );
const bytesOf = (position: string): bigint => {
  const [high = '', low = ''] = position.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
};

it('without the product: the restored primary goes live, its standby streams without a word, and their rows differ', async () => {
  const image = await imageAndRows('first', 'lost');
  const { plan, body } = await planned(image);
  expect(saidOf(body)).toEqual([]);
  expect(await stack.finished((await stack.startRestore(plan)).id)).toMatchObject({ state: 'succeeded' });
  await waitForPostgresql(guests[0].uuid, 120_000);

  await primary.write('after');
  await eventually(
    () => primary.sql('SELECT state FROM pg_stat_replication'),
    (state) => state === 'streaming',
    90_000,
  );
  const [there, here] = [await standby.rows(), await primary.rows()];
  expect(here).toMatch(/ first.* after/);
  expect(here).not.toContain(' lost');
  expect(there).toMatch(/ first.* lost/);
  expect(there).not.toContain(' after');
  expect(bytesOf(await standby.position())).toBeGreaterThan(bytesOf(await primary.position()));

  await rebuildByBasebackup(standby, primary);
  await agree();
});

it('with it: the plan blocks with both positions and what else there is; overridden, both are put right by programs, and replication works', async () => {
  await relate(PROGRAMS);
  const image = await imageAndRows('second', 'withdrawn');
  const manifest = JSON.parse(await readFile(join(stack.repository, 'servers', image.serverId, image.id, 'manifest.json'), 'utf8')) as ImageManifest;
  const captured = manifest.markers?.find(({ relation, of }) => relation === 'standby' && of === 'server')?.readings['wal-position'];
  const least = await standby.position();

  const { plan, body } = await planned(image);
  expect(saidOf(body)).toEqual(['block STANDBY_AHEAD', 'step NEW_TIMELINE_BY_PROGRAM', 'step STANDBY_REBUILT_BY_PROGRAM']);
  const { message, remedy, evidence } = blocking(body);
  const [, peer = '0/0', restored = '0/0'] = /received the log up to (\S+), and "e2e-repl-primary" goes back to ([\dA-F/]+)/.exec(message) ?? [];
  expect(captured).toMatchObject({ state: 'read', value: restored });
  expect(bytesOf(peer)).toBeGreaterThanOrEqual(bytesOf(least));
  expect(bytesOf(least)).toBeGreaterThan(bytesOf(restored));
  for (const position of [peer, restored]) expect(evidence.join('\n')).toContain(position);
  expect(remedy).toMatch(/^Promote "e2e-repl-standby" instead of restoring.*Otherwise.*new timeline and the standby to be rebuilt/);
  await expect(stack.startRestore(plan)).rejects.toThrow(/PLAN_BLOCKED.*STANDBY_AHEAD/);

  const run = await waitsFor((await stack.startRestore(plan, { override: DECISION })).id, 'sign-off');
  expect(run).toMatchObject({ state: 'succeeded', error: null, waitingFor: null });
  for (const code of ['NEW_TIMELINE_BY_PROGRAM', 'STANDBY_REBUILT_BY_PROGRAM']) {
    expect(stepOf(run, `rule:${code}:${STANDBY}`)).toMatchObject({
      state: 'succeeded',
      detail: { applied: true, evidence: expect.stringMatching(/^exit code 0\b/) as string },
    });
  }
  for (const key of ['peers-before', 'peers']) expect(stepOf(run, key)).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });

  await expectReplication('third', 'withdrawn');
  expect(await standby.rows()).toMatch(/ first.* after.* second.* third/);
  await stack.expectOrder(run);
});

describe('with it, where people do the steps', () => {
  let image: ImageRecoveryPointView;

  inFull('who says that the new timeline is there, and it is not, gets the server as it was', async () => {
    await relate({});
    image = await imageAndRows('fourth', 'kept for now');
    const { plan, body } = await planned(image);
    expect(saidOf(body)).toEqual(['block STANDBY_AHEAD', 'step NEW_TIMELINE_NEEDED', 'step STANDBY_TO_REBUILD']);
    const { id } = await stack.startRestore(plan, { override: DECISION });
    expect(await waitsFor(id, 'sign-off')).toMatchObject({ state: 'running', waitingFor: 'sign-off' });
    await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'done' });
    const run = await stack.finished(id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('NEW_TIMELINE_MISSING') as string } });
    await waitForAgent(guests[0].uuid, 120_000);
    await waitForPostgresql(guests[0].uuid, 120_000);
    await agree();
    expect(await primary.rows()).toContain(' kept for now');
    await stack.expectOrder(run);
  });

  inFull('who says that the standby is rebuilt, and it is not, has no restore that succeeded: their rows differ', async () => {
    const { plan } = await planned(image);
    const { id } = await stack.startRestore(plan, { override: DECISION });
    await waitsFor(id, 'sign-off');
    await waitForPostgresql(guests[0].uuid, 120_000);
    await primary.newTimeline();
    await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'on a new timeline' });
    expect(await waitsFor(id, 'sign-off-live')).toMatchObject({ state: 'running', waitingFor: 'sign-off-live' });
    await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'rebuilt' });
    const run = await stack.finished(id);
    expect(run).toMatchObject({
      state: 'failed',
      error: { code: 'PEERS_REJECT', message: expect.stringContaining('PEER_STILL_PAST_FORK') as string },
      wayBack: { state: 'open' },
    });
    await primary.write('after the restore');
    expect(await primary.rows()).not.toContain(' kept for now');
    expect(await standby.rows()).toMatch(/ kept for now/);
    expect(await standby.rows()).not.toContain(' after the restore');

    await rebuildByBasebackup(standby, primary);
    await expectReplication('fifth', 'kept for now');
  });
});

inFull('the other way out: the standby is promoted, nothing is lost, and the plan of the old primary says that there would be two', async () => {
  const image = await imageAndRows('sixth', 'wanted');
  const all = await primary.rows();
  await cutPower(guests[0].uuid);
  await standby.promote();
  expect(await standby.rows()).toBe(all);
  await standby.write('on the new primary');

  const { plan, body } = await planned(image);
  expect(saidOf(body)).toEqual(['block STANDBY_PROMOTED']);
  expect(blocking(body)).toMatchObject({
    message: expect.stringContaining('there would be two') as string,
    remedy: expect.stringMatching(/^Leave "e2e-repl-standby" the primary\. Make "e2e-repl-primary" its standby with pg_basebackup/) as string,
  });
  await expect(stack.startRestore(plan)).rejects.toThrow('PLAN_BLOCKED');
  expect(await standby.rows()).toContain(' on the new primary');
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RestorePlanBody, UndoPlanBody } from '../../src/contracts/plan';
import type { ImageManifest, ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { JudgementView } from '../../src/contracts/judgement';
import type { EstateStatus } from '../../src/contracts/protection-status';
import { isFinal, type RunView } from '../../src/contracts/run';
import { domainState, guestExec, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { Gate } from '../support/activity-gate';
import { E2eStack } from '../support/e2e-stack';
import { askAgent } from '../support/hostile-agent';
import { inFull } from '../support/thorough';
import { eventually } from '../support/up-process';

/** A server and its peer, judged by a profile that people have written: before anything is overwritten, right before that, in quarantine, and live. */
jest.setTimeout(1_200_000);
const [SERVER, PEER] = ['e2e-rel-server', 'e2e-rel-peer'] as const;

/** Both count the same epochs. A server that goes back is brought to the epoch of its peer by a program of its own; a peer that is pinned does not want that. */
const PROFILE = `format: modosu-profile
version: 1
name: epoch
title: An epoch that two servers count together
status: experimental
description: Both have a file with the epoch.
markers:
  - name: epoch
    type: counter
    of: each
    isCaptured: true
    probe: { kind: command, argv: [cat, /opt/app/epoch] }
  - name: pinned
    type: boolean
    of: peer
    probe: { kind: command, argv: [cat, /opt/app/pinned] }
rules:
  - code: PEER_PINNED
    phases: [plan]
    when:
      - { value: { marker: pinned, of: peer, at: now }, equals: 'true' }
    severity: block
    message: '"\${peer}" is pinned and does not want "\${server}" to change.'
    remedy: Take the pin out.
  - code: PEER_AHEAD
    phases: [plan]
    when:
      - compare: { marker: epoch, of: peer, at: now }
        with: { marker: epoch, of: server, at: recovery-point }
        is: [ahead]
    severity: step
    message: '"\${peer}" is in epoch \${peer.epoch.now}, and "\${server}" goes back to \${server.epoch.recovery-point}.'
    step:
      title: Bring "\${server}" to epoch \${peer.epoch.now}.
      argv: [/opt/app/catch-up]
      on: server
      when: quarantine
  - code: PEER_TO_BE_TOLD
    phases: [plan]
    when:
      - compare: { marker: epoch, of: peer, at: now }
        with: { marker: epoch, of: server, at: recovery-point }
        is: [ahead]
    severity: step
    message: '"\${peer}" has to be told.'
    step:
      title: Tell "\${peer}" that "\${server}" is back.
      on: peer
      when: live
  - code: STILL_BEHIND
    phases: [quarantine]
    when:
      - compare: { marker: epoch, of: server, at: now }
        with: { marker: epoch, of: peer, at: now }
        is: [behind]
    severity: block
    message: '"\${server}" is in epoch \${server.epoch.now}, and "\${peer}" in \${peer.epoch.now}.'
  - code: EPOCHS_DIFFER
    phases: [live]
    when:
      - compare: { marker: epoch, of: server, at: now }
        with: { marker: epoch, of: peer, at: now }
        is: [ahead, behind]
    severity: block
    message: '"\${server}" is in epoch \${server.epoch.now}, and "\${peer}" in \${peer.epoch.now}.'
    remedy: Bring both to one epoch.
`;

const profiles = mkdtempSync(join(tmpdir(), 'modosu-profiles-'));
writeFileSync(join(profiles, 'epoch.yaml'), PROFILE);
const gate = new Gate();
const stack = new E2eStack({ ...gate.env, MODOSU_PROFILES_DIR: profiles });
let server: GuestServer;
let peer: GuestServer;
let baseline: ImageRecoveryPointView;

const inGuest = ({ uuid }: GuestServer, script: string): Promise<string> => guestOutput(uuid, ['sh', '-c', script]);
const codes = (body: RestorePlanBody | UndoPlanBody): readonly string[] =>
  body.findings.flatMap(({ code, relation }) => (relation === undefined ? [] : [code]));
const planned = async () => {
  const plan = await stack.plan(SERVER, baseline.id);
  expect(plan).toMatchObject({ state: 'ready', error: null });
  return { plan, body: plan.body as RestorePlanBody };
};
/** As the night would, and what the status says of it then. */
const judged = async (name: string) => {
  await stack.post('/v1/relations/judgements', { server: name });
  const { body } = await eventually(
    () => stack.get<{ items: readonly JudgementView[] }>(`/v1/relations/judgements?server=${name}`),
    ({ body: { items } }) => items.every(({ isAsked }) => !isAsked),
    240_000,
  );
  const { servers } = (await stack.get<EstateStatus>('/v1/status')).body;
  const of = servers.find(({ serverName }) => serverName === name);
  return { judgement: body.items[0]?.judged, verdict: of?.comeback?.verdict, breaches: of?.breaches.map(({ code }) => code) ?? [] };
};
const stepOf = ({ steps }: RunView, key: string) => steps.find((step) => step.key === key);

beforeAll(async () => {
  await stack.start();
  server = await stack.addServer({ name: SERVER, guest: 'minimal' });
  peer = await stack.addServer({ name: PEER, guest: 'minimal' });
  const pair = [server, peer];
  await Promise.all(pair.map(({ uuid }) => waitForAgent(uuid, 120_000)));
  for (const one of pair) await inGuest(one, 'mkdir -p /opt/app; echo 1 > /opt/app/epoch; echo false > /opt/app/pinned; sync');
  await inGuest(server, `printf '#!/bin/sh\necho 5 > /opt/app/epoch; sync\n' > /opt/app/catch-up; chmod 755 /opt/app/catch-up; sync`);
  await stack.declareRelations(
    { name: 'epochs', type: 'replicates-with', server: SERVER, peers: [{ server: PEER }], profile: 'epoch' },
    { name: 'needs-server', type: 'depends-on', server: PEER, peers: [{ server: SERVER }] },
  );
});
afterAll(async () => {
  gate.openAll();
  await stack.close();
  gate.close();
  rmSync(profiles, { recursive: true, force: true });
});

it('an image holds what the server and its peer said right before its point in time', async () => {
  baseline = await stack.backup(SERVER, 'baseline', { mode: 'online' });
  const manifest = JSON.parse(await readFile(join(stack.repository, 'servers', baseline.serverId, baseline.id, 'manifest.json'), 'utf8')) as ImageManifest;
  expect(manifest.markers).toMatchObject([
    { relation: 'epochs', peer: PEER, of: 'peer', readings: { epoch: { state: 'read', value: '1', raw: expect.stringMatching(/^1\s*$/) as string } } },
    { relation: 'epochs', peer: PEER, of: 'server', readings: { epoch: { state: 'read', value: '1' } } },
  ]);
  for (const { readings } of manifest.markers ?? []) expect((readings['epoch']?.at ?? '') <= baseline.pointInTime).toBe(true);
  const { body } = await planned();
  expect(codes(body)).toEqual(['RELATION_AGREES', 'PROFILE_EXPERIMENTAL']);
  expect(body.findings).toContainEqual(expect.objectContaining({ code: 'DEPENDANTS_INTERRUPTED', severity: 'warn' }));
  // Known before it is needed, by the same rules.
  const { judgement, verdict, breaches } = await judged(SERVER);
  expect(judgement).toMatchObject({ recoveryPointId: baseline.id, worst: 'warn' });
  expect(judgement?.findings.map(({ code }) => code)).toEqual(['RELATION_AGREES', 'PROFILE_EXPERIMENTAL', 'DEPENDANTS_INTERRUPTED']);
  expect([verdict, breaches.includes('CANNOT_COME_BACK_ALONE')]).toEqual(['warn', false]);
});

it('a peer that nobody can ask is not known, and that has to be acknowledged', async () => {
  await guestExec(peer.uuid, ['sh', '-c', '(sleep 1; killall -STOP qemu-ga; sleep 40; killall -CONT qemu-ga) >/dev/null 2>&1 &']);
  await eventually(
    async () => (await askAgent(peer.uuid, 'guest-ping', 1)).exitCode,
    (exitCode) => exitCode !== 0,
    30_000,
  );
  const { plan, body } = await planned();
  expect(body.findings).toContainEqual(
    expect.objectContaining({ code: 'PEER_UNKNOWN', severity: 'unknown', relation: { name: 'epochs', peer: PEER, profile: 'epoch' } }),
  );
  await expect(stack.startRestore(plan)).rejects.toThrow('PLAN_NOT_ACKNOWLEDGED');
  await waitForAgent(peer.uuid, 120_000);
});

it('what has become worse since the plan stops the run before anything is replaced', async () => {
  const { plan } = await planned();
  await inGuest(peer, 'echo 5 > /opt/app/epoch; sync');
  const run = await stack.finished((await stack.startRestore(plan)).id);
  expect(run).toMatchObject({ state: 'failed', wayBack: null, error: { code: 'PLAN_STALE', message: expect.stringContaining('PEER_AHEAD') as string } });
  expect(await domainState(server.uuid)).toBe('running');
  expect(await inGuest(server, 'cat /opt/app/epoch')).toBe('1\n');
  await stack.expectOrder(run);
});

it('a restored server whose rules say that it would not work with its peer is put back', async () => {
  const { plan, body } = await planned();
  expect(codes(body)).toEqual(['PEER_AHEAD', 'PEER_TO_BE_TOLD', 'PROFILE_EXPERIMENTAL']);
  expect(body.relationSteps).toMatchObject([
    { key: `rule:PEER_AHEAD:${PEER}`, title: `Bring "${SERVER}" to epoch 5.`, argv: ['/opt/app/catch-up'] },
    { key: `rule:PEER_TO_BE_TOLD:${PEER}`, argv: null, when: 'live' },
  ]);
  gate.hold('swapVolumes.before');
  const { id } = await stack.startRestore(plan);
  await gate.reached('swapVolumes.before', 240_000);
  // It goes on while the server is being replaced.
  await inGuest(peer, 'echo 7 > /opt/app/epoch; sync');
  gate.open('swapVolumes.before');
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('STILL_BEHIND') as string } });
  expect(stepOf(run, 'go-live')?.state).toBe('skipped');
  await waitForAgent(server.uuid, 120_000);
  expect(await inGuest(server, 'cat /opt/app/epoch')).toBe('1\n');
  await stack.expectOrder(run);
  await inGuest(peer, 'echo 5 > /opt/app/epoch; sync');
});

it('what blocks is overridden with a reason; rules have their steps done, by a program and by people; and the two are proven to work', async () => {
  await inGuest(peer, 'echo true > /opt/app/pinned; sync');
  const night = await judged(SERVER);
  expect([night.verdict, night.breaches]).toEqual(['block', expect.arrayContaining(['CANNOT_COME_BACK_ALONE']) as string[]]);
  expect(night.judgement).toMatchObject({
    recoveryPointId: baseline.id,
    findings: expect.arrayContaining([expect.objectContaining({ code: 'PEER_AHEAD' })]) as object[],
  });
  const { plan, body } = await planned();
  expect(body.findings.filter(({ severity }) => severity === 'block').map(({ code }) => code)).toEqual(['PEER_PINNED']);
  await expect(stack.startRestore(plan)).rejects.toThrow('PLAN_BLOCKED');
  const { id } = await stack.startRestore(plan, { override: { codes: ['PEER_PINNED'], reason: 'the pin is from last year' } });
  const waiting = await eventually(
    () => stack.run(id),
    ({ waitingFor, state }) => waitingFor === 'sign-off-live' || isFinal(state),
    240_000,
  );
  expect(waiting).toMatchObject({ state: 'running', waitingFor: 'sign-off-live', allowedActions: ['sign-off'] });
  expect(stepOf(waiting, `rule:PEER_AHEAD:${PEER}`)).toMatchObject({ state: 'succeeded', detail: { applied: true, evidence: 'exit code 0' } });
  expect(stepOf(waiting, 'peers-before')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
  expect(stepOf(waiting, 'go-live')?.state).toBe('succeeded');
  await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'told' });
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded' });
  expect(stepOf(run, `rule:PEER_TO_BE_TOLD:${PEER}`)).toMatchObject({ state: 'succeeded', detail: { reason: 'told' } });
  expect(stepOf(run, 'peers')?.state).toBe('succeeded');
  expect(await inGuest(server, 'cat /opt/app/epoch')).toBe('5\n');
  const { body: audit } = await stack.get<{ items: { action: string; details: Record<string, unknown> }[] }>(`/v1/audit?run=${id}`);
  expect(audit.items.find(({ action }) => action === 'run.requested')?.details).toMatchObject({
    accepted: { overridden: [{ code: 'PEER_PINNED', relation: 'epochs', peer: PEER }], why: 'the pin is from last year' },
  });
  await stack.expectOrder(run);

  // The peer has followed: going back to what was before is judged, too.
  const { body: accepted } = await stack.post<{ id: string }>(`/v1/runs/${id}/undo-plans`, {});
  const undo = await stack.planned(accepted.id);
  expect(codes(undo.body as UndoPlanBody)).toEqual(expect.arrayContaining(['PEER_PINNED', 'PEER_AHEAD']));
});

// Three minutes are over before it gives up: the runbook's own test has that, too, with a clock that is not this one.
inFull('a restore whose peers do not accept it has not succeeded, although the server is live', async () => {
  await stack.finished(
    (
      await stack.confirm(
        (await stack.get<{ items: RunView[] }>(`/v1/runs?server=${SERVER}`)).body.items.find(
          ({ state, kind }) => kind === 'restore-server' && state === 'succeeded',
        )?.id ?? '',
      )
    ).id,
  );
  await inGuest(peer, 'echo false > /opt/app/pinned; sync');
  const { plan } = await planned();
  const { id } = await stack.startRestore(plan);
  await eventually(
    () => stack.run(id),
    ({ waitingFor, state }) => waitingFor === 'sign-off-live' || isFinal(state),
    240_000,
  );
  await inGuest(peer, 'echo 6 > /opt/app/epoch; sync');
  await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'told' });
  const run = await stack.finished(id);
  expect(run).toMatchObject({
    state: 'failed',
    error: { code: 'PEERS_REJECT', message: expect.stringContaining('EPOCHS_DIFFER') as string },
    wayBack: { state: 'open' },
  });
  expect(await inGuest(server, 'cat /opt/app/epoch')).toBe('5\n');
});

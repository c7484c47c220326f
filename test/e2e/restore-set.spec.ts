import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupSetView } from '../../src/contracts/backup-set';
import type { RestorePlanBody } from '../../src/contracts/plan';
import type { RestoreSetView } from '../../src/contracts/restore-set';
import type { AuditEntryView } from '../../src/contracts/run';
import { guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { Gate } from '../support/activity-gate';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/** A server that counts and one that follows it, taken as backup sets and restored together. */
jest.setTimeout(1_800_000);
const [LEADER, FOLLOWER] = ['e2e-rset-leader', 'e2e-rset-follower'] as const;

const PROFILE = `format: modosu-profile
version: 1
name: counting
title: A count that another server follows
status: experimental
description: Both have a file with the count.
parameters:
  - { name: leader, description: The one that counts., default: null }
markers:
  - name: count
    type: counter
    of: each
    isCaptured: true
    probe: { kind: command, argv: [cat, /opt/app/count] }
rules:
  - code: FOLLOWER_AHEAD
    phases: [plan]
    when:
      - { text: '\${leader}', equals: '\${server}' }
      - compare: { marker: count, of: peer, at: now }
        with: { marker: count, of: server, at: recovery-point }
        is: [ahead]
    severity: block
    message: '"\${peer}" has counted to \${peer.count.now}, and "\${server}" goes back to \${server.count.recovery-point}.'
  - code: COUNTS_DIFFER
    phases: [live]
    when:
      - { text: '\${leader}', equals: '\${server}' }
      - compare: { marker: count, of: server, at: now }
        with: { marker: count, of: peer, at: now }
        is: [ahead, behind]
    severity: block
    message: '"\${server}" is at \${server.count.now}, and "\${peer}" at \${peer.count.now}.'
`;

describe('a restore set', () => {
  const profiles = mkdtempSync(join(tmpdir(), 'modosu-profiles-'));
  writeFileSync(join(profiles, 'counting.yaml'), PROFILE);
  const gate = new Gate();
  const stack = new E2eStack({ ...gate.env, MODOSU_PROFILES_DIR: profiles });
  let leader: GuestServer;
  let follower: GuestServer;
  let agreeing: BackupSetView;

  const inGuest = ({ uuid }: GuestServer, script: string): Promise<string> => guestOutput(uuid, ['sh', '-c', script]);
  const count = async (ofLeader: number, ofFollower: number): Promise<void> => {
    await inGuest(leader, `echo ${ofLeader} > /opt/app/count; sync`);
    await inGuest(follower, `echo ${ofFollower} > /opt/app/count; sync`);
  };
  const counts = async (): Promise<readonly string[]> => [await inGuest(leader, 'cat /opt/app/count'), await inGuest(follower, 'cat /opt/app/count')];
  const backUp = async (): Promise<BackupSetView> => {
    const { body } = await stack.post<BackupSetView>('/v1/groups/pair/backups', { reason: 'together' });
    return eventually(
      async () => (await stack.get<BackupSetView>(`/v1/backup-sets/${body.id}`)).body,
      ({ state }) => state !== 'running',
      240_000,
    );
  };
  const set = async (id: string): Promise<RestoreSetView> => (await stack.get<RestoreSetView>(`/v1/restore-sets/${id}`)).body;
  const until = (id: string, isThere: (now: RestoreSetView) => boolean): Promise<RestoreSetView> => eventually(() => set(id), isThere, 600_000);
  const plan = async (): Promise<RestoreSetView> => {
    const answer = await stack.post<RestoreSetView>('/v1/restore-sets', { group: 'pair' });
    expect(answer.status).toBe(202);
    return until(answer.body.id, ({ state }) => state !== 'planning');
  };
  const carryOut = async ({ id }: RestoreSetView): Promise<readonly [string, string]> => {
    const request = { reason: 'both are wrong', confirm: [LEADER, FOLLOWER], acknowledgeUnknown: true };
    const { status, body } = await stack.post<RestoreSetView>(`/v1/restore-sets/${id}/run`, request);
    expect(status).toBe(202);
    return body.members.map(({ runId }) => runId ?? '') as [string, string];
  };
  /** What the audit says of these runs, in its order. */
  const history = async (runIds: readonly string[], wanted: readonly string[]): Promise<readonly string[]> => {
    const entries: AuditEntryView[] = [];
    for (const runId of runIds) entries.push(...(await stack.get<{ items: AuditEntryView[] }>(`/v1/audit?run=${runId}`)).body.items);
    return entries
      .sort((a, b) => a.seq - b.seq)
      .filter(({ action }) => wanted.includes(action))
      .map(({ action, runId }) => `${action} ${runId === runIds[0] ? 'leader' : 'follower'}`);
  };

  beforeAll(async () => {
    await stack.start();
    leader = await stack.addServer({ name: LEADER, guest: 'minimal' });
    follower = await stack.addServer({ name: FOLLOWER, guest: 'minimal' });
    await stack.declareGroup('pair', [LEADER, FOLLOWER]);
    await stack.declareRelations(
      { name: 'followed', type: 'replicates-with', server: LEADER, peers: [{ server: FOLLOWER }], profile: 'counting', parameters: { leader: LEADER } },
      { name: 'follows', type: 'replicates-with', server: FOLLOWER, peers: [{ server: LEADER }], profile: 'counting', parameters: { leader: LEADER } },
    );
    await Promise.all([leader, follower].map(({ uuid }) => waitForAgent(uuid, 120_000)));
    for (const one of [leader, follower]) await inGuest(one, 'mkdir -p /opt/app');
    await count(5, 5);
    agreeing = await backUp();
    // The newest set holds what must never be restored together.
    await count(7, 8);
    expect((await backUp()).state).toBe('complete');
    await count(9, 9);
  });
  afterAll(async () => {
    gate.openAll();
    await stack.close();
    gate.close();
    rmSync(profiles, { recursive: true, force: true });
  });

  it('is planned to the newest backup set of which the markers agree, and says what that rests on', async () => {
    const planned = await plan();
    expect(planned).toMatchObject({ state: 'planned', basis: 'freeze', members: [{ serverName: LEADER }, { serverName: FOLLOWER }] });
    expect(new Set(planned.members.map(({ recoveryPointId }) => recoveryPointId))).toEqual(
      new Set(agreeing.members.map(({ recoveryPointId }) => recoveryPointId)),
    );
    expect(planned.choice[0]).toContain('FOLLOWER_AHEAD');
    for (const { planId } of planned.members) {
      const { findings, restoreSet } = (await stack.planned(planId ?? '')).body as RestorePlanBody;
      expect(restoreSet?.id).toBe(planned.id);
      const related = findings.filter(({ relation }) => relation !== undefined).map(({ code }) => code);
      expect(new Set(related)).toEqual(new Set(['SET_RESTS_ON_FREEZE', 'PROFILE_EXPERIMENTAL']));
    }
    const refused = await stack.post(`/v1/restore-sets/${planned.id}/run`, { reason: 'x', confirm: [LEADER, FOLLOWER] });
    expect(refused).toMatchObject({ status: 409, body: { code: 'PLAN_NOT_ACKNOWLEDGED' } });
  });

  it('puts both back when one is cancelled before anything is live', async () => {
    const planned = await plan();
    gate.hold('swapVolumes.before');
    const [first, second] = await carryOut(planned);
    for (const runId of [first, second]) await gate.reached('swapVolumes.before', 300_000, runId);
    await stack.post(`/v1/runs/${second}/cancel`, { reason: 'not now' });
    gate.openAll();
    const ended = await until(planned.id, ({ state }) => state !== 'running');
    expect(ended).toMatchObject({
      state: 'failed',
      members: [
        { runState: 'cancelled', isLive: false },
        { runState: 'cancelled', isLive: false },
      ],
    });
    expect(await history([first, second], ['run.went-live', 'run.decided'])).toEqual([]);
    await Promise.all([leader, follower].map(({ uuid }) => waitForAgent(uuid, 120_000)));
    expect(await counts()).toEqual(['9\n', '9\n']);
  });

  it('replaces both before the first goes live, then lets one after the other go, and proves that they work together', async () => {
    const planned = await plan();
    const runIds = await carryOut(planned);
    const ended = await until(planned.id, ({ state }) => state !== 'running');
    expect(ended).toMatchObject({ state: 'succeeded', problem: null, members: [{ isLive: true }, { isLive: true }] });
    const order = await history(runIds, ['lineage.started', 'run.decided', 'run.went-live', 'run.succeeded']);
    expect(new Set(order.slice(0, 2))).toEqual(new Set(['lineage.started leader', 'lineage.started follower']));
    expect(order.slice(2)).toEqual([
      'run.decided leader',
      'run.went-live leader',
      'run.succeeded leader',
      'run.decided follower',
      'run.went-live follower',
      'run.succeeded follower',
    ]);
    expect((await stack.run(runIds[1])).steps.find(({ key }) => key === 'peers')).toMatchObject({ state: 'succeeded', detail: { judged: 2 } });
    expect(await counts()).toEqual(['5\n', '5\n']);
  });
});

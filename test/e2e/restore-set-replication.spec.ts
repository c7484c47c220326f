import type { BackupSetView } from '../../src/contracts/backup-set';
import type { RestorePlanBody } from '../../src/contracts/plan';
import type { RestoreSetView } from '../../src/contracts/restore-set';
import { isFinal } from '../../src/contracts/run';
import { waitForPostgresql } from '../guests/guest-server';
import { addReplicatingPair, type ReplicatingPair } from '../support/e2e-replication';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/**
 * A primary of PostgreSQL and its standby go back in time together, to a backup set that was taken while the primary was being written to. What no marker proves, that
 * nothing passed from one to the other between the two freezes, is shown here of the real software: the standby streams on, and no row differs.
 */
jest.setTimeout(1_800_000);
const [PRIMARY, STANDBY] = ['e2e-set-primary', 'e2e-set-standby'] as const;
/** Writes go on while this file is there. */
const WRITING = '/var/lib/postgresql/writing';

describe('a primary and its standby, restored together', () => {
  const stack = new E2eStack();
  let pair: ReplicatingPair;
  let { guests, primary, standby, agree } = {} as ReplicatingPair;

  beforeAll(async () => {
    await stack.start();
    pair = await addReplicatingPair(stack, [PRIMARY, STANDBY], ['192.168.78.31/24', '192.168.78.32/24']);
    ({ guests, primary, standby, agree } = pair);
    await stack.declareGroup('pair', [PRIMARY, STANDBY]);
    await pair.relate({});
  });
  afterAll(() => stack.close());

  const countOf = async (by: string): Promise<number> => Number(await primary.sql(`SELECT count(*) FROM written WHERE by = '${by}'`));
  const set = async (id: string): Promise<RestoreSetView> => (await stack.get<RestoreSetView>(`/v1/restore-sets/${id}`)).body;
  const until = (id: string, isThere: (now: RestoreSetView) => boolean): Promise<RestoreSetView> => eventually(() => set(id), isThere, 900_000, 1000);

  it('stream on from a backup set that was taken amid writes, and every row is on both', async () => {
    await primary.write('before');
    await agree();
    await primary.run(
      `touch ${WRITING}; nohup sh -c 'while [ -e ${WRITING} ]; do psql -X -q -d postgres -c "INSERT INTO written (by, note) VALUES (\\$\\$meanwhile\\$\\$, now()::text)"; done' >/dev/null 2>&1 &`,
    );
    await eventually(
      () => countOf('meanwhile'),
      (count) => count > 0,
      60_000,
      1000,
    );
    const { body: begun } = await stack.post<BackupSetView>('/v1/groups/pair/backups', { reason: 'together' });
    const taken = await eventually(
      async () => (await stack.get<BackupSetView>(`/v1/backup-sets/${begun.id}`)).body,
      ({ state }) => state !== 'running',
      600_000,
      1000,
    );
    expect(taken).toMatchObject({ state: 'complete', members: [{ runState: 'succeeded' }, { runState: 'succeeded' }] });
    await primary.run(`rm ${WRITING}`);
    const written = await countOf('meanwhile');
    await primary.write('lost', 3000);
    await agree();

    const { status, body } = await stack.post<RestoreSetView>('/v1/restore-sets', { group: 'pair' });
    expect(status).toBe(202);
    const planned = await until(body.id, ({ state }) => state !== 'planning');
    expect(planned).toMatchObject({ state: 'planned', basis: 'freeze', members: [{ serverName: PRIMARY }, { serverName: STANDBY }] });
    for (const { planId } of planned.members) {
      const { findings } = (await stack.planned(planId ?? '')).body as RestorePlanBody;
      const said = findings.flatMap(({ severity, code, relation }) => (relation === undefined ? [] : [`${severity} ${code}`]));
      expect(said).toContain('unknown SET_RESTS_ON_FREEZE');
      expect(said.filter((one) => one.startsWith('block'))).toEqual([]);
    }
    const carried = await stack.post<RestoreSetView>(`/v1/restore-sets/${planned.id}/run`, {
      reason: 'the last rows are wrong, on both',
      confirm: [PRIMARY, STANDBY],
      acknowledgeUnknown: true,
    });
    expect(carried.status).toBe(202);
    // Whether the standby follows is for people to look at, once both are live, and for the rules after them.
    const runIds = carried.body.members.map(({ runId }) => runId ?? '');
    const waiting = await eventually(
      () => Promise.all(runIds.map((id) => stack.run(id))),
      (runs) => runs.some(({ waitingFor, state }) => waitingFor === 'sign-off-live' || (isFinal(state) && state !== 'succeeded')),
      900_000,
      1000,
    );
    expect(waiting).toMatchObject([
      { serverName: PRIMARY, state: 'succeeded' },
      { serverName: STANDBY, waitingFor: 'sign-off-live' },
    ]);
    await eventually(
      () => primary.sql('SELECT state FROM pg_stat_replication'),
      (state) => state === 'streaming',
      90_000,
      1000,
    );
    await stack.post(`/v1/runs/${runIds[1]}/sign-off`, { reason: 'it streams' });
    const ended = await until(planned.id, ({ state }) => state !== 'running');
    const last = await stack.run(runIds[1] ?? '');
    expect(last.error).toBeNull();
    expect(ended).toMatchObject({ state: 'succeeded', problem: null, members: [{ isLive: true }, { isLive: true }] });
    expect(last.steps.find(({ key }) => key === 'peers')).toMatchObject({ state: 'succeeded', detail: { judged: 2 } });

    await Promise.all(guests.map(({ uuid }) => waitForPostgresql(uuid, 120_000)));
    // The image of the guest has the loop's file, if not the loop.
    await primary.run(`rm -f ${WRITING}`);
    await primary.write('after');
    const rows = await agree();
    expect(rows).toMatch(/ before.* meanwhile.* after/);
    expect(rows).not.toContain(' lost');
    const kept = await countOf('meanwhile');
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(written);
    expect(await standby.sql('SELECT pg_is_in_recovery()')).toBe('t');
  });
});

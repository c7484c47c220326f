import type { MarkerReading, PlannedRuleStep, RulePhase } from '../../src/contracts/profile';
import { standingAgainst } from '../../src/domain/relations/judge-relations';
import { fillIn } from '../../src/probes/fill-in';
import { readMarkers } from '../../src/probes/read-markers';
import { follows, installPrograms, rebuildByBasebackup, rebuildByRewind, replicate, rewind, type ReplicaServer } from '../guests/replication';
import { judged, shippedProfile, type Judgement } from '../support/judged-profile';
import { eventually } from '../support/processes';
import { openReplicationLab, type LabReplica, type ReplicationLab } from '../support/replication-lab';
import { inFull } from '../support/thorough';

jest.setTimeout(300_000);

const PROFILE = shippedProfile('postgresql-replication');
/** A role for this alone, with no more rights than the profile asks for; Debian lets its namesake in, and nobody else (`peer`). */
const WATCHER = 'watcher';
const WATCHER_SQL = `CREATE ROLE ${WATCHER} LOGIN; GRANT pg_monitor TO ${WATCHER};
GRANT EXECUTE ON FUNCTION pg_read_file(text, bigint, bigint, boolean) TO ${WATCHER}`;
const PARAMETERS = {
  database: 'postgres',
  user: WATCHER,
  port: '5432',
  'new-timeline-program': '/usr/local/sbin/new-timeline',
  'rebuild-program': '/usr/local/sbin/rebuild',
};
const AGREES = ['ok RELATION_AGREES'];
const AHEAD = ['block STANDBY_AHEAD', 'step NEW_TIMELINE_BY_PROGRAM', 'step STANDBY_REBUILT_BY_PROGRAM'];

/** What all markers of one server said. */
type Side = Readonly<Record<string, MarkerReading>>;

/**
 * The real servers: each test takes the pair as the one before has left it, a primary and a standby that streams from it, and leaves it so. A primary that goes back in time
 * is put back as it was in mid-sentence, as an image that was taken online has it.
 */
describe('the profile postgresql-replication, of a real primary and its standby', () => {
  let lab: ReplicationLab;
  let primary: ReplicaServer;
  let standby: ReplicaServer;

  beforeAll(async () => {
    lab = await openReplicationLab('repl');
    [primary, standby] = [lab.primary.server, lab.standby.server];
    const account = `echo ${WATCHER}:x:120:120::/:/bin/sh >>/etc/passwd; echo ${WATCHER}:x:120: >>/etc/group`;
    await Promise.all([primary, standby].map((server) => server.runAsRoot(account)));
    await replicate(primary, standby);
    await primary.sql(WATCHER_SQL);
    const names = { srv01: primary.machine.address, srv02: standby.machine.address };
    await Promise.all([primary, standby].map((server) => installPrograms(server, names)));
  });
  afterAll(() => lab?.close());

  /** As a worker reads them. */
  async function read({ agent }: LabReplica): Promise<Side> {
    const specs = PROFILE.markers.map((spec) => fillIn({ ...spec, timeoutSeconds: 30 }, PARAMETERS));
    const target = { agent, address: null, facts: {}, now: () => new Date() };
    const readings = await readMarkers(specs, target, { concurrency: 4, deadlineMs: 60_000 });
    return Object.fromEntries(specs.map((spec, index) => [spec.name, readings[index] as MarkerReading]));
  }

  const valueOf = (side: Side, marker: string): string => {
    const reading = side[marker];
    return reading?.state === 'read' ? reading.value : JSON.stringify(reading);
  };

  const named = (of: string, at: string, side: Side) => Object.fromEntries(Object.entries(side).map(([marker, reading]) => [`${of}.${marker}.${at}`, reading]));

  /** `srv01` goes back to what `captured` says. */
  const judgedBy = (phase: RulePhase, captured: Side, peer: Side, server: Side = {}): Judgement =>
    judged(
      PROFILE,
      phase,
      { ...named('server', 'recovery-point', captured), ...named('server', 'now', server), ...named('peer', 'now', peer) },
      { parameters: PARAMETERS, now: new Date(), pointInTime: new Date(Date.now() - 1000).toISOString() },
    );

  const plan = async (captured: Side): Promise<readonly string[]> => judgedBy('plan', captured, await read(lab.standby)).verdicts;

  /** Of what is restored, beside its peer, as both are now. */
  async function present(phase: 'quarantine' | 'live', captured: Side): Promise<readonly string[]> {
    const [server, peer] = await Promise.all([read(lab.primary), read(lab.standby)]);
    return judgedBy(phase, captured, peer, server).verdicts;
  }

  const becomes = (phase: 'quarantine' | 'live', captured: Side, verdicts: readonly string[]): Promise<true> => {
    let last: readonly string[] = [];
    return eventually(
      `${phase}: ${verdicts.join()}`,
      async () => {
        last = await present(phase, captured);
        return JSON.stringify(last) === JSON.stringify(verdicts) || null;
      },
      30_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${last.join()}`);
    }) as Promise<true>;
  };

  const rowsAgree = async (): Promise<void> => {
    await follows(standby, primary);
    expect(await standby.rows()).toBe(await primary.rows());
  };

  /** A step of the plan for which the relation names a program. */
  async function carryOut({ argv, on }: PlannedRuleStep): Promise<void> {
    const { agent } = on === 'server' ? lab.primary : lab.standby;
    if (argv === null) throw new Error('the step has no program');
    expect(await agent.exec(argv, { timeoutMs: 90_000 })).toMatchObject({ exitCode: 0 });
  }

  /** What is captured now is kept, and then the primary goes on and the standby with it: a long way further than a server writes by itself while it starts. */
  async function moveOn(): Promise<Side> {
    const captured = await read(lab.primary);
    await primary.keepCopy();
    await follows(standby, primary);
    await primary.write('lost', 3000);
    await follows(standby, primary);
    return captured;
  }

  it('lets the primary go back as long as the standby has nothing that it loses, and says to look', async () => {
    await primary.write('first');
    await follows(standby, primary);
    // What housekeeping writes counts as well: a moment later the standby is ahead.
    let captured = await read(lab.primary);
    await eventually(
      'nothing written since',
      async () => {
        const verdicts = await plan(captured);
        if (verdicts.join() === 'step STANDBY_TO_REATTACH') return true;
        captured = await read(lab.primary);
        return null;
      },
      60_000,
    );
    expect(await present('live', captured)).toEqual(AGREES);
    expect([valueOf(captured, 'timelines'), valueOf(captured, 'in-recovery'), valueOf(captured, 'is-streaming')]).toEqual(['1', 'false', 'false']);

    // Behind: cut off, it does not get what the primary has when the recovery point is taken.
    await lab.standby.setLink('down');
    await primary.write('not sent');
    const [later, peer] = [await read(lab.primary), await read(lab.standby)];
    await lab.standby.setLink('up');
    expect(judgedBy('plan', later, peer).verdicts).toEqual(['step STANDBY_TO_REATTACH']);
    expect(BigInt(`0x${valueOf(peer, 'wal-position').split('/')[1]}`)).toBeLessThan(BigInt(`0x${valueOf(later, 'wal-position').split('/')[1]}`));
    // The other way round: the standby goes back, and catches up.
    expect(judgedBy('plan', peer, later).verdicts).toEqual(['step RESTORED_STANDBY_TO_CATCH_UP']);
    await rowsAgree();
  });

  it('blocks a primary whose standby is ahead, sees it lead the standby astray, and agrees after a new timeline and pg_basebackup', async () => {
    const captured = await moveOn();
    const planned = judgedBy('plan', captured, await read(lab.standby));
    expect(planned.verdicts).toEqual(AHEAD);
    const [newTimeline, rebuild] = planned.steps as [PlannedRuleStep, PlannedRuleStep];

    await primary.goBack();
    await primary.start();
    // It streams, and stays where it is: what it has is of a time that its primary has left.
    await becomes('live', captured, ['block SERVER_OVERTAKEN']);
    expect(await standby.rows()).toContain(' lost');
    expect(await primary.rows()).not.toContain(' lost');
    // As far as the standby is, and past it: now their logs contradict each other. (Rows of the same length would not even do that.)
    await primary.write('written by the one that has gone back in time', 6000);
    await becomes('live', captured, ['block PEER_NOT_STREAMING']);
    expect(await standby.rows()).toContain(' lost');

    // The same once more, and as it should be: in quarantine first.
    await lab.primary.setLink('down');
    await primary.goBack();
    await primary.start();
    expect(await present('quarantine', captured)).toEqual(['block NEW_TIMELINE_MISSING']);
    await carryOut(newTimeline);
    expect(await present('quarantine', captured)).toEqual(AGREES);

    await lab.primary.setLink('up');
    await primary.write('after');
    await becomes('live', captured, ['block PEER_STILL_PAST_FORK', 'block PEER_NOT_STREAMING']);
    await carryOut(rebuild);
    await becomes('live', captured, AGREES);
    await rowsAgree();
    expect(await standby.rows()).not.toContain(' lost');
  });

  it('lets pg_rewind do it where the primary was a standby from its first start on', async () => {
    const captured = await moveOn();
    await lab.primary.setLink('down');
    await primary.goBack();
    await primary.newTimeline();
    await lab.primary.setLink('up');
    await primary.write('after');
    await primary.sql('CHECKPOINT');
    expect(await rebuildByRewind(standby, primary)).toContain('rewinding from last common checkpoint');
    await becomes('live', captured, AGREES);
    await rowsAgree();
    expect(await standby.rows()).not.toContain(' lost');
  });

  inFull('warns where the restored primary has written as far as the standby before it left the timeline: pg_rewind would find nothing to do', async () => {
    const captured = await moveOn();
    await lab.primary.setLink('down');
    await primary.goBack();
    await primary.start();
    await primary.write('other', 6000);
    await primary.newTimeline();
    expect(await present('quarantine', captured)).toEqual(['warn NEW_TIMELINE_LATE']);

    await standby.stop();
    await lab.primary.setLink('up');
    await primary.sql('CHECKPOINT');
    expect(await rewind(standby, primary)).toContain('no rewind required');
    await rebuildByBasebackup(standby, primary);
    await becomes('live', captured, AGREES);
    await rowsAgree();
  });

  inFull('a guest that loses its power comes back to its place on the LAN, and streams again', async () => {
    const captured = await read(lab.standby);
    await lab.standby.losePower();
    await primary.write('while it was away');
    await lab.standby.comeBack();
    await rowsAgree();
    expect(judgedBy('live', captured, await read(lab.primary), await read(lab.standby)).verdicts).toEqual(AGREES);
  });

  it('lets no second primary go live when the standby is promoted while the first one waits in quarantine', async () => {
    const captured = await moveOn();
    const planned = judgedBy('plan', captured, await read(lab.standby));
    expect(planned.verdicts).toEqual(AHEAD);
    const [newTimeline, rebuild] = planned.steps as [PlannedRuleStep, PlannedRuleStep];
    await lab.primary.setLink('down');
    await primary.goBack();
    await primary.start();
    await carryOut(newTimeline);
    expect(await present('quarantine', captured)).toEqual(AGREES);

    await standby.promote();
    const refused = judgedBy('quarantine', captured, await read(lab.standby), await read(lab.primary));
    expect(refused.verdicts).toEqual(['block STANDBY_PROMOTED']);
    expect(standingAgainst(refused.findings, planned.findings)).toMatchObject([{ code: 'STANDBY_PROMOTED' }]);

    // What go-live would have made of it, and how it is put right.
    await lab.primary.setLink('up');
    expect(await present('live', captured)).toEqual(['block BOTH_TAKE_WRITES', 'block STILL_DIVERGED']);
    await carryOut(rebuild);
    await becomes('live', captured, AGREES);
    await rowsAgree();
  });

  it('blocks when the standby was promoted meanwhile, and tells two timelines of one number apart', async () => {
    const captured = await read(lab.primary);
    const timeline = Number(valueOf(captured, 'timelines').split(',').at(-1));
    await standby.promote();
    expect(await plan(captured)).toEqual(['block STANDBY_PROMOTED']);
    expect(await present('live', captured)).toEqual(['block BOTH_TAKE_WRITES']);

    // The other one comes to a timeline of the same number, from the same past, by a promotion of its own.
    await primary.write('on its own');
    await primary.newTimeline();
    const [server, peer] = [await read(lab.primary), await read(lab.standby)];
    for (const side of [server, peer]) expect(valueOf(side, 'timelines')).toMatch(new RegExp(`,${timeline + 1}$`));
    expect(judgedBy('plan', server, peer).verdicts).toEqual(['block TIMELINES_DIVERGED']);
    expect(judgedBy('live', captured, peer, server).verdicts).toEqual(['block BOTH_TAKE_WRITES', 'block STILL_DIVERGED']);

    await primary.sql('CHECKPOINT');
    await standby.stop();
    expect(await rewind(standby, primary)).toContain('no rewind required');
    await rebuildByBasebackup(standby, primary);
    await becomes('live', server, AGREES);
    await rowsAgree();
  });
});

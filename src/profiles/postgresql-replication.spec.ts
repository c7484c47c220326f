import { standingAgainst } from '../domain/relations/judge-relations';
import { failed, judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('postgresql-replication');
const SYSTEM = '7301234567890123456';
const HISTORY_2 = '1\t0/5000000\tno recovery target specified\n\n2';
const OTHER_HISTORY_2 = '1\t0/4000000\tno recovery target specified\n\n2';

interface Side {
  readonly system?: string;
  readonly standby: boolean;
  readonly lsn: string;
  readonly timelines: string;
  readonly isStreaming?: boolean;
  readonly isOvertaken?: boolean;
}

const side = (of: 'server' | 'peer', at: 'recovery-point' | 'now', { system = SYSTEM, standby, lsn, timelines, isStreaming, isOvertaken }: Side) => ({
  [`${of}.system-identifier.${at}`]: system,
  [`${of}.in-recovery.${at}`]: standby ? 't' : 'f',
  [`${of}.wal-position.${at}`]: lsn,
  [`${of}.timelines.${at}`]: timelines,
  [`${of}.is-streaming.${at}`]: isStreaming === true ? 't' : 'f',
  [`${of}.is-overtaken.${at}`]: isOvertaken === true ? 't' : 'f',
});

const planned = (server: Side, peer: Side) => judged(PROFILE, 'plan', { ...side('server', 'recovery-point', server), ...side('peer', 'now', peer) });

it('blocks when the standby is past what the primary goes back to, and knows what would have to be done', () => {
  const { verdicts, findings, steps } = planned({ standby: false, lsn: '0/3000060', timelines: '1' }, { standby: true, lsn: '0/9A0000D8', timelines: '1' });
  expect(verdicts).toEqual(['block STANDBY_AHEAD', 'step NEW_TIMELINE_NEEDED', 'step STANDBY_TO_REBUILD']);
  expect(findings[0]?.message).toMatch(/^"srv02" has received the log up to 0\/9A0000D8, and "srv01" goes back to 0\/3000060:/);
  expect(findings[0]?.remedy).toMatch(/^Promote "srv02" instead of restoring/);
  expect(findings[0]?.evidence).toContain('wal-position of "srv02", now: 0/9A0000D8 (read at 2026-03-10T12:00:00.000Z)');
  expect(steps.map(({ code, on, when }) => `${code} ${on} ${when}`)).toEqual(['NEW_TIMELINE_NEEDED server quarantine', 'STANDBY_TO_REBUILD peer live']);
  expect(steps[1]?.title).toMatch(/^Rebuild the standby "srv02" from "srv01"/);
});

it('does not take two timelines of one number for one', () => {
  const { verdicts } = planned({ standby: false, lsn: '0/6000000', timelines: HISTORY_2 }, { standby: true, lsn: '0/5500000', timelines: OTHER_HISTORY_2 });
  expect(verdicts).toEqual(['block TIMELINES_DIVERGED']);
});

it('blocks when the standby was promoted since', () => {
  expect(planned({ standby: false, lsn: '0/3000000', timelines: '1' }, { standby: false, lsn: '0/7000000', timelines: HISTORY_2 }).verdicts).toEqual([
    'block STANDBY_PROMOTED',
  ]);
});

it('blocks when the standby has followed another one that was promoted', () => {
  expect(planned({ standby: false, lsn: '0/3000000', timelines: '1' }, { standby: true, lsn: '0/7000000', timelines: HISTORY_2 }).verdicts).toEqual([
    'block STANDBY_FOLLOWS_ANOTHER',
  ]);
});

it('blocks when the standby went on where the primary had left the timeline, though its position is lower', () => {
  const primary = { standby: false, lsn: '0/8000000', timelines: HISTORY_2 };
  expect(planned(primary, { standby: true, lsn: '0/6000000', timelines: '1' }).verdicts).toEqual(['block STANDBY_PAST_FORK']);
  expect(planned(primary, { standby: true, lsn: '0/5000000', timelines: '1' }).verdicts).toEqual(['step STANDBY_TO_REATTACH']);
});

it('blocks two primaries on one timeline, and another cluster', () => {
  const primary = { standby: false, lsn: '0/3000000', timelines: '1' };
  expect(planned(primary, { standby: false, lsn: '0/3000000', timelines: '1' }).verdicts).toEqual(['block TWO_PRIMARIES']);
  expect(planned(primary, { system: '7309999999999999999', standby: true, lsn: '0/2000000', timelines: '1' }).verdicts).toEqual(['block OTHER_CLUSTER']);
});

it('lets a standby go back that its primary can still lead, and says to look whether it does', () => {
  expect(planned({ standby: true, lsn: '0/3000000', timelines: '1' }, { standby: false, lsn: '0/9000000', timelines: '1' }).verdicts).toEqual([
    'step RESTORED_STANDBY_TO_CATCH_UP',
  ]);
  expect(planned({ standby: true, lsn: '0/3000000', timelines: '1' }, { standby: false, lsn: '0/9000000', timelines: HISTORY_2 }).verdicts).toEqual([
    'step RESTORED_STANDBY_TO_CATCH_UP',
  ]);
});

it('has a standby rebuilt that is past the promotion, or further than its primary', () => {
  expect(planned({ standby: true, lsn: '0/5000100', timelines: '1' }, { standby: false, lsn: '0/9000000', timelines: HISTORY_2 }).verdicts).toEqual([
    'step RESTORED_STANDBY_PAST_FORK',
  ]);
  expect(planned({ standby: true, lsn: '0/7000000', timelines: HISTORY_2 }, { standby: false, lsn: '0/4000000', timelines: '1' }).verdicts).toEqual([
    'step RESTORED_STANDBY_PAST_FORK',
    'step RESTORED_STANDBY_AHEAD',
  ]);
  expect(planned({ standby: true, lsn: '0/7000000', timelines: '1' }, { standby: false, lsn: '0/4000000', timelines: '1' }).verdicts).toEqual([
    'step RESTORED_STANDBY_AHEAD',
  ]);
});

it('does not call a standby well that does not answer', () => {
  const down = failed('GUEST_AGENT_UNAVAILABLE', 'The guest agent of srv02 does not answer.');
  const markers = ['system-identifier', 'in-recovery', 'wal-position', 'timelines'];
  const { verdicts, findings } = judged(PROFILE, 'plan', {
    ...side('server', 'recovery-point', { standby: false, lsn: '0/3000000', timelines: '1' }),
    ...Object.fromEntries(markers.map((marker) => [`peer.${marker}.now`, down])),
  });
  expect(verdicts).toEqual(['unknown PEER_UNKNOWN']);
  expect(findings[0]?.message).toBe(
    'What "srv02" says now of in-recovery, system-identifier, timelines, wal-position is not known (postgresql-replication): GUEST_AGENT_UNAVAILABLE: The guest agent of srv02 does not answer.',
  );
});

it('has programs do the steps where the relation names them, with no more than names', () => {
  const values = {
    ...side('server', 'recovery-point', { standby: false, lsn: '0/3000060', timelines: '1' }),
    ...side('peer', 'now', { standby: true, lsn: '0/9A0000D8', timelines: '1' }),
  };
  const by = (parameters: Readonly<Record<string, string>>) =>
    judged(PROFILE, 'plan', values, { parameters }).steps.map(({ code, argv }) => [code, argv?.join(' ') ?? null]);
  expect(by({ 'new-timeline-program': '/usr/local/sbin/new-timeline', 'rebuild-program': '/usr/local/sbin/rebuild' })).toEqual([
    ['NEW_TIMELINE_BY_PROGRAM', '/usr/local/sbin/new-timeline srv01 srv02'],
    ['STANDBY_REBUILT_BY_PROGRAM', '/usr/local/sbin/rebuild srv02 srv01'],
  ]);
  expect(by({})).toEqual([
    ['NEW_TIMELINE_NEEDED', null],
    ['STANDBY_TO_REBUILD', null],
  ]);
});

const restored = { standby: false, lsn: '0/3000060', timelines: '1' };
const after = (phase: 'quarantine' | 'live', server: Side, peer: Side) =>
  judged(PROFILE, phase, { ...side('server', 'recovery-point', restored), ...side('server', 'now', server), ...side('peer', 'now', peer) }).verdicts;

it('lets nobody go live on the timeline on which the peer is further', () => {
  const ahead = { standby: true, lsn: '0/9A0000D8', timelines: '1' };
  expect(after('quarantine', { ...restored, lsn: '0/3008000' }, ahead)).toEqual(['block NEW_TIMELINE_MISSING']);
  expect(after('quarantine', { ...restored, lsn: '0/5000100', timelines: HISTORY_2 }, ahead)).toEqual(['ok RELATION_AGREES']);
  expect(after('quarantine', { ...restored, lsn: '0/3008000' }, { ...ahead, lsn: restored.lsn })).toEqual(['ok RELATION_AGREES']);
  // It has left the timeline further on than the peer is: what it has written until then is beside what the peer has.
  const passed = { ...ahead, lsn: '0/4000000' };
  expect(after('quarantine', { ...restored, lsn: '0/5000100', timelines: HISTORY_2 }, passed)).toEqual(['warn NEW_TIMELINE_LATE']);
  expect(after('live', { ...restored, lsn: '0/5000100', timelines: HISTORY_2 }, { ...passed, isStreaming: true })).toEqual(['block PEER_NOT_REBUILT']);
});

describe('a peer that is not any more, before go-live, what it was in the plan', () => {
  const [FOLLOWING, SECOND] = [
    { standby: true, lsn: '0/9A0000D8', timelines: '1' },
    { standby: false, lsn: '0/6000000', timelines: HISTORY_2 },
  ] as const;
  /** The restored server has the timeline that it was given in quarantine, whatever became of the peer: what was captured is compared. */
  const quarantine = (peer: Side, captured: Side = restored, now: Side = { ...restored, lsn: '0/5000100', timelines: OTHER_HISTORY_2 }) =>
    judged(PROFILE, 'quarantine', { ...side('server', 'recovery-point', captured), ...side('server', 'now', now), ...side('peer', 'now', peer) });

  it.each([
    ['STANDBY_PROMOTED', 'was promoted', { standby: false, lsn: '0/9A000200', timelines: HISTORY_2 }, restored],
    ['STANDBY_FOLLOWS_ANOTHER', 'follows another one', { standby: true, lsn: '0/9A000200', timelines: HISTORY_2 }, restored],
    ['TWO_PRIMARIES', 'takes writes without a promotion', { ...FOLLOWING, standby: false, lsn: restored.lsn }, restored],
    ['TIMELINES_DIVERGED', 'was promoted before it had come to the timeline', { standby: false, lsn: '0/9A000200', timelines: OTHER_HISTORY_2 }, SECOND],
  ])('blocks as %s when it %s', (code, _how, peer, captured) => {
    expect(quarantine(peer, captured).verdicts).toEqual([`block ${code}`]);
    // Whoever has accepted just that with the plan is not stopped a second time; nobody else has accepted it.
    const overridden = planned(captured, peer).findings;
    expect(standingAgainst(quarantine(peer, captured).findings, overridden)).toEqual([]);
    expect(standingAgainst(quarantine(peer, captured).findings, planned(captured, FOLLOWING).findings)).toMatchObject([{ code }]);
  });

  it('does not take the timeline that the restored server was given for one of the peer', () => {
    expect(quarantine(FOLLOWING).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('has nothing against a restored standby, whatever its primary has become, and does not wait for it', () => {
    const standby = { ...restored, standby: true };
    const down = failed('GUEST_AGENT_UNAVAILABLE', 'The guest agent of srv02 does not answer.');
    const values = side('peer', 'now', SECOND);
    for (const peer of [values, Object.fromEntries(Object.keys(values).map((marker) => [marker, down]))]) {
      const { verdicts } = judged(PROFILE, 'quarantine', { ...side('server', 'recovery-point', standby), ...side('server', 'now', standby), ...peer });
      expect(verdicts).toEqual(['ok RELATION_AGREES']);
    }
    const diverged = { ...SECOND, timelines: OTHER_HISTORY_2 };
    expect(planned({ ...SECOND, standby: true }, diverged).verdicts).toEqual(['block RESTORED_STANDBY_DIVERGED']);
    expect(quarantine(diverged, { ...SECOND, standby: true }, { ...SECOND, standby: true }).verdicts).toEqual(['ok RELATION_AGREES']);
  });
});

it('knows when the two work together again, and when not', () => {
  const primary = { standby: false, lsn: '0/9000000', timelines: HISTORY_2 };
  const standby = { standby: true, lsn: '0/9000000', timelines: HISTORY_2, isStreaming: true };
  const live = (peer: Side, server: Side = primary) => after('live', server, peer);
  expect(live(standby)).toEqual(['ok RELATION_AGREES']);
  expect(live(primary, standby)).toEqual(['ok RELATION_AGREES']);
  expect(live(primary)).toEqual(['block BOTH_TAKE_WRITES']);
  expect(live({ ...standby, timelines: OTHER_HISTORY_2 })).toEqual(['block STILL_DIVERGED']);
  expect(live({ ...standby, timelines: '1' })).toEqual(['block PEER_STILL_PAST_FORK']);
  expect(live(primary, { ...standby, timelines: '1' })).toEqual(['block SERVER_STILL_PAST_FORK']);
  expect(live(standby, { ...primary, isOvertaken: true })).toEqual(['block SERVER_OVERTAKEN']);
  expect(live({ ...primary, isOvertaken: true }, standby)).toEqual(['block PEER_OVERTAKEN']);
  expect(live({ ...standby, isStreaming: false })).toEqual(['block PEER_NOT_STREAMING']);
  expect(live(primary, { ...standby, isStreaming: false })).toEqual(['block SERVER_NOT_STREAMING']);
});

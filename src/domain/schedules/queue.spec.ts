import type { Policy } from '../../contracts/policy';
import { inTurn, judgeQueue, unwantedBecause, type AskedBackup, type Limits, type OpenRun, type WaitingBackup } from './queue';

const NOW = new Date('2026-11-27T03:00:00Z');
const waiting = (id: string, changes: Partial<WaitingBackup> = {}): WaitingBackup => ({
  id,
  serverId: `srv_${id}`,
  kind: 'image',
  hypervisor: 'hv1',
  repository: 'main',
  notBefore: new Date('2026-11-27T02:00:00Z'),
  isWanted: true,
  ...changes,
});
const open = (runId: string, changes: Partial<OpenRun> = {}): OpenRun => ({
  runId,
  serverId: `srv_of_${runId}`,
  backup: 'image',
  hypervisor: 'hv1',
  repository: 'main',
  ...changes,
});
const limits = (hypervisors: Readonly<Record<string, number>> = {}, repositories: Readonly<Record<string, number>> = {}, data = 100): Limits => ({
  hypervisors: new Map(Object.entries(hypervisors)),
  repositories: new Map(Object.entries(repositories)),
  data,
});
const judge = (backups: readonly WaitingBackup[], runs: readonly OpenRun[] = [], given = limits()) => judgeQueue(backups, runs, given, NOW);

describe('judgeQueue', () => {
  it('begins the oldest whose time has come, one at a time', () => {
    const judged = judge([waiting('b', { notBefore: new Date('2026-11-27T02:30:00Z') }), waiting('a'), waiting('c')]);
    expect(judged.begin).toBe('a');
    expect([...judged.waitsFor]).toEqual([]);
  });

  it('lets alone what has its time still before it', () => {
    const judged = judge([waiting('a', { notBefore: new Date('2026-11-27T03:00:00.001Z') })]);
    expect(judged.begin).toBeNull();
    expect([...judged.waitsFor]).toEqual([['a', null]]);
    expect(judge([waiting('a', { notBefore: NOW })]).begin).toBe('a');
  });

  it('waits for the run that holds the server, of whatever kind', () => {
    const judged = judge([waiting('a'), waiting('b')], [open('run_1', { serverId: 'srv_a', backup: null })]);
    expect(judged.waitsFor.get('a')).toBe('the server is held by run run_1');
    expect(judged.begin).toBe('b');
  });

  it('waits for a place on the hypervisor; what is no backup takes none', () => {
    const runs = [open('r1'), open('r2', { backup: 'data' }), open('r3', { backup: null }), open('r4', { hypervisor: 'hv2' })];
    expect(judge([waiting('a')], runs, limits({ hv1: 2 }, { main: 9 })).waitsFor.get('a')).toBe('hypervisor "hv1" has 2 of 2 backups at the same time');
    expect(judge([waiting('a')], runs, limits({ hv1: 3 }, { main: 9 })).begin).toBe('a');
    expect(judge([waiting('a', { kind: 'data' })], runs, limits({ hv1: 2 })).begin).toBeNull();
  });

  it('waits for a place in the data repository, whatever the hypervisor, data only', () => {
    const runs = [open('r1', { hypervisor: 'hv2', backup: 'data' }), open('r2', { hypervisor: 'hv3', backup: 'data' }), open('r3', { hypervisor: 'hv4' })];
    expect(judge([waiting('a', { kind: 'data' })], runs, limits({}, {}, 2)).waitsFor.get('a')).toBe(
      'the data repository takes 2 of 2 backups at the same time',
    );
    expect(judge([waiting('a', { kind: 'data' }), waiting('b')], runs, limits({}, {}, 2)).begin).toBe('b');
    expect(judge([waiting('a', { kind: 'data' })], runs, limits({}, {}, 3)).begin).toBe('a');
  });

  it('waits for a place in the repository, images only', () => {
    const runs = [
      open('r1', { hypervisor: 'hv2' }),
      open('r2', { hypervisor: 'hv2', backup: 'data' }),
      open('r3', { hypervisor: 'hv2', repository: 'second' }),
    ];
    expect(judge([waiting('a')], runs, limits({}, { main: 1 })).waitsFor.get('a')).toBe('repository "main" takes 1 of 1 images at the same time');
    expect(judge([waiting('a')], runs, limits({}, { main: 2 })).begin).toBe('a');
    expect(judge([waiting('a', { kind: 'data' })], runs, limits({}, { main: 1 })).begin).toBe('a');
  });

  it('takes two where nothing is declared', () => {
    expect(judge([waiting('a')], [open('r1')]).begin).toBe('a');
    expect(judge([waiting('a')], [open('r1'), open('r2')]).begin).toBeNull();
    expect(judge([waiting('a')], [open('r1', { hypervisor: 'hv2' }), open('r2', { hypervisor: 'hv2' })]).waitsFor.get('a')).toMatch(
      /^repository "main" takes 2 of 2/,
    );
  });

  it('withdraws what nobody wants any more, also before its time', () => {
    const judged = judge([waiting('a', { isWanted: false }), waiting('b', { isWanted: false, notBefore: new Date('2027-01-01T00:00:00Z') }), waiting('c')]);
    expect(judged.withdraw).toEqual(['a', 'b']);
    expect(judged.begin).toBe('c');
  });

  it('begins the one with the smaller id of two that are due at the same time', () => {
    expect(judge([waiting('b'), waiting('a')]).begin).toBe('a');
  });
});

describe('unwantedBecause', () => {
  const retention = { last: 3, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
  const night = { schedule: { every: 'day', at: '02:00' }, jitterMinutes: 0, rpoHours: null, retention } as const;
  const policy = (mode: 'online' | 'offline'): Policy => ({
    name: 'p',
    timeZone: 'UTC',
    image: { ...night, mode, allowCrashConsistent: false, maxIncrements: 13 },
    data: night,
    verification: null,
    offsite: null,
    rtoMinutes: null,
  });
  const hoursAgo = (hours: number): Date => new Date(NOW.getTime() - hours * 3_600_000);
  const asked = (changes: Partial<AskedBackup> = {}): AskedBackup => ({
    kind: 'image',
    cause: 'schedule',
    policy: 'p',
    dueAt: hoursAgo(1),
    notBefore: hoursAgo(1),
    ...changes,
  });
  const why = (what: Partial<AskedBackup>, policies: readonly Policy[] = [policy('offline')], server: Partial<Parameters<typeof unwantedBecause>[1]> = {}) =>
    unwantedBecause(asked(what), { policy: 'p', hasDataSets: true, isDecommissioned: false, hasChangesToImage: false, ...server }, policies, NOW);

  it('is nothing while server and policy are as they were', () => {
    expect(why({})).toBeNull();
    expect(why({ kind: 'data', dueAt: hoursAgo(99), notBefore: hoursAgo(99) })).toBeNull();
    expect(why({ dueAt: hoursAgo(99), notBefore: hoursAgo(99) }, [policy('online')])).toBeNull();
    expect(why({}, undefined, { hasDataSets: false })).toBeNull();
  });

  it('is nothing because of what another policy says', () => {
    const another = { ...policy('offline'), name: 'another' };
    expect(why({}, [{ ...another, image: null }, policy('online')])).toBeNull();
    expect(why({ cause: 'change' }, [another, policy('online')], { hasChangesToImage: true })).toBeNull();
  });

  it('of an image because of changes does not look at the policy that asks for others', () => {
    const change = { cause: 'change', policy: null } as const;
    const hasChangesToImage = true;
    expect(why(change, [], { policy: null, hasChangesToImage })).toBeNull();
    expect(why(change, [policy('online')], { hasChangesToImage })).toBeNull();
    expect(why(change, [policy('offline')], { hasChangesToImage })).toBe('it would stop the server');
    expect(why(change, [{ ...policy('offline'), image: null }], { hasChangesToImage })).toBeNull();
    expect(why(change, [], { policy: null })).toContain('contains the changes already');
    expect(why(change, [], { policy: null, hasChangesToImage, isDecommissioned: true })).toBe('the server is decommissioned');
  });

  it('says what has changed', () => {
    expect(why({}, [])).toBe('the server has another policy');
    expect(why({}, undefined, { isDecommissioned: true })).toBe('the server is decommissioned');
    expect(why({}, undefined, { policy: null })).toBe('the server has another policy');
    expect(why({}, [{ ...policy('online'), image: null }])).toBe('the policy does not ask for it any more');
    expect(why({ kind: 'data' }, undefined, { hasDataSets: false })).toBe('the server declares no data sets');
  });

  it('is the hour of the day for an image that stops its server; its own jitter makes it late for nobody', () => {
    expect(why({ dueAt: hoursAgo(4), notBefore: hoursAgo(4) })).toBeNull();
    expect(why({ dueAt: hoursAgo(4.1), notBefore: hoursAgo(4.1) })).toBe('it would stop the server, and is more than 4 h late');
    expect(why({ dueAt: hoursAgo(9), notBefore: hoursAgo(0) })).toBeNull();
  });

  it('one that has the turn of an older one is not as late as that', () => {
    const next = inTurn(asked(), asked({ notBefore: hoursAgo(25) }));
    expect(next.notBefore).toEqual(hoursAgo(25));
    expect(why(next)).toBeNull();
    expect(inTurn(asked(), undefined)).toEqual(asked());
    expect(inTurn(asked(), asked({ notBefore: NOW }))).toEqual(asked());
  });
});

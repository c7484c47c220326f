import type { Policy } from '../../contracts/policy';
import { dueBackups, jitterMs, type ScheduledServer } from './due';

const RETENTION = { last: 3, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
const POLICY: Policy = {
  name: 'daily',
  timeZone: 'UTC',
  image: {
    schedule: { every: 'week', on: ['sunday'], at: '01:00' },
    jitterMinutes: 0,
    rpoHours: null,
    retention: RETENTION,
    mode: 'online',
    allowCrashConsistent: false,
    maxIncrements: 13,
  },
  data: { schedule: { every: 'day', at: '02:30' }, jitterMinutes: 0, rpoHours: null, retention: RETENTION },
  verification: null,
  offsite: null,
  rtoMinutes: null,
};
const at = (text: string): Date => new Date(text);
const server = (changes: Partial<ScheduledServer> = {}): ScheduledServer => ({
  serverId: 'srv_1',
  policy: POLICY,
  hasDataSets: true,
  since: { image: at('2026-11-27T00:00:00Z'), data: at('2026-11-27T00:00:00Z') },
  restored: null,
  changed: null,
  unimaged: null,
  ...changes,
});

describe('dueBackups', () => {
  it('asks for nothing before the first time has come', () => {
    expect(dueBackups([server()], at('2026-11-27T02:29:59Z'))).toEqual([]);
  });

  it('asks for each kind when its time has come', () => {
    expect(dueBackups([server()], at('2026-11-27T02:30:00Z'))).toEqual([
      {
        serverId: 'srv_1',
        kind: 'data',
        policy: 'daily',
        cause: 'schedule',
        dueAt: at('2026-11-27T02:30:00Z'),
        notBefore: at('2026-11-27T02:30:00Z'),
        missedBefore: 0,
      },
    ]);
    expect(dueBackups([server()], at('2026-11-29T01:00:00Z')).map(({ kind }) => kind)).toEqual(['image', 'data']);
  });

  it('asks once for all times that have passed, and says how many', () => {
    const [due, ...rest] = dueBackups([server({ since: { image: null, data: at('2026-11-22T03:00:00Z') } })], at('2026-11-27T12:00:00Z'));
    expect(rest).toEqual([]);
    expect(due).toMatchObject({ dueAt: at('2026-11-27T02:30:00Z'), missedBefore: 4 });
  });

  it('does not ask for data of a server that declares none, nor for a kind that the policy does not have', () => {
    const now = at('2026-12-24T12:00:00Z');
    expect(dueBackups([server({ hasDataSets: false })], now).map(({ kind }) => kind)).toEqual(['image']);
    expect(dueBackups([server({ policy: { ...POLICY, image: null } })], now).map(({ kind }) => kind)).toEqual(['data']);
    expect(dueBackups([server({ since: { image: null, data: null } })], now)).toEqual([]);
  });

  it('asks for nothing while the clock is behind what was asked for', () => {
    expect(dueBackups([server({ since: { image: at('2027-11-27T00:00:00Z'), data: at('2027-11-27T00:00:00Z') } })], at('2026-11-27T12:00:00Z'))).toEqual([]);
  });

  it('asks for nothing at the very moment from which on the schedule holds', () => {
    expect(dueBackups([server({ since: { image: null, data: at('2026-11-27T02:30:00Z') } })], at('2026-11-27T02:30:00Z'))).toEqual([]);
  });

  it('counts what each server has missed of each kind, from its own time on', () => {
    const missed = (image: string, data: string) =>
      dueBackups([server(), server({ since: { image: at(image), data: at(data) } })], at('2026-11-29T12:00:00Z')).map(({ missedBefore }) => missedBefore);
    expect(missed('2026-11-14T00:00:00Z', '2026-11-25T00:00:00Z')).toEqual([0, 2, 2, 4]);
    expect(missed('2026-11-27T00:00:00Z', '2026-11-28T00:00:00Z')).toEqual([0, 2, 0, 1]);
  });

  it('counts each time once for all servers of a policy', () => {
    const servers = Array.from({ length: 20_000 }, (_, index) =>
      server({ serverId: `srv_${index}`, since: { image: null, data: at('2026-11-01T00:00:00Z') } }),
    );
    const due = dueBackups(servers, at('2026-11-27T12:00:00Z'));
    expect(due).toHaveLength(20_000);
    expect(new Set(due.map(({ missedBefore }) => missedBefore))).toEqual(new Set([26]));
  });

  it('of a policy that cannot be read here keeps the others from nothing', () => {
    const broken: Policy = { ...POLICY, name: 'broken', timeZone: 'Mars/Phobos' };
    expect(dueBackups([server({ serverId: 'srv_0', policy: broken }), server()], at('2026-11-27T02:30:00Z')).map(({ serverId }) => serverId)).toEqual([
      'srv_1',
    ]);
  });

  describe('of a server that a restore has brought back', () => {
    const restoredAt = at('2026-11-28T10:00:00Z');
    const images = (now: string, changes: Partial<ScheduledServer> = {}, imageAskedAt: Date | null = at('2026-11-22T01:00:00Z')) =>
      dueBackups([server({ restored: { at: restoredAt, imageAskedAt }, hasDataSets: false, ...changes })], at(now));

    it('is an image as soon as it is live, once', () => {
      expect(images('2026-11-28T10:00:01Z')).toEqual([
        { serverId: 'srv_1', kind: 'image', policy: 'daily', cause: 'restore', dueAt: restoredAt, notBefore: restoredAt, missedBefore: 0 },
      ]);
      expect(images('2026-11-28T09:59:59Z')).toEqual([]);
      expect(images('2026-11-28T10:00:01Z', {}, restoredAt)).toEqual([]);
      expect(images('2026-11-28T10:00:01Z', {}, null)).toHaveLength(1);
    });

    it('is asked for also when it got its policy only afterwards', () => {
      expect(images('2026-11-28T12:00:01Z', { since: { image: at('2026-11-28T12:00:00Z'), data: null } })).toMatchObject([{ cause: 'restore' }]);
    });

    it('is the one of the schedule where that was due later', () => {
      expect(images('2026-11-29T01:00:00Z')).toMatchObject([{ cause: 'schedule', dueAt: at('2026-11-29T01:00:00Z') }]);
    });

    it('stands for those of the schedule that were missed before', () => {
      expect(images('2026-11-28T10:00:01Z', { since: { image: at('2026-11-14T00:00:00Z'), data: null } }, at('2026-11-08T01:00:00Z'))).toMatchObject([
        { cause: 'restore', missedBefore: 2 },
      ]);
    });

    it('is none where the policy takes no images, or stops the server for them', () => {
      expect(images('2026-11-28T10:00:01Z', { policy: { ...POLICY, image: null } })).toEqual([]);
      const { image } = POLICY;
      const offline: Policy = { ...POLICY, image: image === null ? null : { ...image, mode: 'offline' } };
      expect(images('2026-11-28T10:00:01Z', { policy: offline })).toEqual([]);
    });

    it('does not wait for the jitter', () => {
      const { image } = POLICY;
      const policy: Policy = { ...POLICY, image: image === null ? null : { ...image, jitterMinutes: 600 } };
      expect(images('2026-11-28T10:00:01Z', { policy })[0]?.notBefore).toEqual(restoredAt);
    });
  });

  describe('of a server with configuration changes that no image contains', () => {
    const now = at('2026-11-27T12:00:00Z');
    const changed = { at: at('2026-11-27T11:00:00Z'), notBefore: at('2026-11-27T11:20:00Z'), imageAskedAt: null };
    const images = (changes: Partial<ScheduledServer>) => dueBackups([server({ changed, ...changes })], now).filter(({ kind }) => kind === 'image');

    it('is an image once the time has come in which others may join', () => {
      expect(images({})).toMatchObject([{ cause: 'change', policy: POLICY.name, dueAt: changed.at, notBefore: changed.notBefore, missedBefore: 0 }]);
      expect(images({ changed: { ...changed, imageAskedAt: changed.at }, since: { image: now, data: now } })).toEqual([]);
    });

    it('is an image alone: its data are saved when their schedule asks for them', () => {
      expect(dueBackups([server({ changed, since: { image: now, data: now } })], now).map(({ kind }) => kind)).toEqual(['image']);
    });

    it('is asked for also without a policy, and where it takes no images', () => {
      const without = { since: { image: null, data: null } };
      expect(images({ ...without, policy: null })).toMatchObject([{ cause: 'change', policy: null, missedBefore: 0 }]);
      expect(images({ ...without, policy: { ...POLICY, image: null } })).toMatchObject([{ cause: 'change', policy: POLICY.name }]);
      expect(dueBackups([server({ ...without, policy: null })], now)).toEqual([]);
    });

    it('stops no server', () => {
      const offline = { ...POLICY, image: POLICY.image === null ? null : { ...POLICY.image, mode: 'offline' as const } };
      expect(images({ policy: offline, since: { image: now, data: now } })).toEqual([]);
    });

    it('is the one of the schedule where that was due later, and the one of a restore before either', () => {
      const daily = { ...POLICY, image: POLICY.image === null ? null : { ...POLICY.image, schedule: { every: 'day', at: '11:30' } as const } };
      expect(images({ policy: daily })).toMatchObject([{ cause: 'schedule' }]);
      expect(images({ restored: { at: at('2026-11-27T10:30:00Z'), imageAskedAt: null } })).toMatchObject([{ cause: 'restore' }]);
    });
  });

  describe('of a server of which there was never an image', () => {
    const since = at('2026-11-27T10:00:00Z');
    const images = (now: string, changes: Partial<ScheduledServer> = {}, imageAskedAt: Date | null = null) =>
      dueBackups([server({ unimaged: { since, imageAskedAt }, hasDataSets: false, ...changes })], at(now));

    it('is its baseline, some minutes after it was registered, once', () => {
      expect(images('2026-11-27T10:14:59Z')).toEqual([]);
      expect(images('2026-11-27T10:15:00Z')).toMatchObject([{ kind: 'image', cause: 'baseline', dueAt: at('2026-11-27T10:15:00Z'), policy: 'daily' }]);
      expect(images('2026-11-27T11:00:00Z', {}, at('2026-11-27T10:15:00Z'))).toEqual([]);
    });

    it('is none where the policy takes no images, or stops the server for them', () => {
      expect(images('2026-11-27T11:00:00Z', { policy: { ...POLICY, image: null } })).toEqual([]);
      const offline = { ...POLICY, image: POLICY.image === null ? null : { ...POLICY.image, mode: 'offline' as const } };
      expect(images('2026-11-27T11:00:00Z', { policy: offline })).toEqual([]);
      expect(images('2026-11-27T11:00:00Z', { policy: null })).toEqual([]);
    });
  });

  it('spreads servers over the jitter, each always alike', () => {
    const { data } = POLICY;
    const policy: Policy = { ...POLICY, image: null, data: data === null ? null : { ...data, jitterMinutes: 60 } };
    const servers = Array.from({ length: 200 }, (_, index) => server({ serverId: `srv_${index}`, policy }));
    const now = at('2026-11-27T02:30:00Z');
    const delays = dueBackups(servers, now).map(({ notBefore }) => (notBefore.getTime() - now.getTime()) / 60_000);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(60);
    for (const quarter of [0, 15, 30, 45]) expect(delays.filter((delay) => delay >= quarter && delay < quarter + 15).length).toBeGreaterThan(25);
    expect(dueBackups(servers, now)).toEqual(dueBackups(servers, now));
  });
});

describe('jitterMs', () => {
  it('is none where none is declared', () => expect(jitterMs('srv_1 image', 0)).toBe(0));

  // Test vectors of FNV-1a: by another hash all servers would have another turn.
  it.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('of %j is the same in every version', (key, hash) => expect(jitterMs(key, 60)).toBe(Math.floor((hash / 2 ** 32) * 3_600_000)));
});

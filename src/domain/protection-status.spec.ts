import type { Policy } from '../contracts/policy';
import type { ProtectionFacts } from '../contracts/protection-status';
import { judgeProtection, protectedServer, type ProtectedServer } from './protection-status';

const NOW = new Date('2026-11-27T12:00:00Z');
const hoursAgo = (hours: number): string => new Date(NOW.getTime() - hours * 3_600_000).toISOString();
const RETENTION = { last: 3, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
const POLICY: Policy = {
  name: 'daily',
  timeZone: 'UTC',
  image: {
    schedule: { every: 'week', on: ['sunday'], at: '01:00' },
    jitterMinutes: 0,
    rpoHours: 192,
    retention: RETENTION,
    mode: 'online',
    allowCrashConsistent: false,
    maxIncrements: 13,
  },
  data: { schedule: { every: 'day', at: '02:30' }, jitterMinutes: 0, rpoHours: 26, retention: RETENTION },
  verification: null,
  offsite: null,
  rtoMinutes: 60,
};
const DB01: ProtectedServer = { id: 'srv_1', name: 'db01', policy: 'daily', dataSets: ['shop'], isDecommissioned: false };
const image = (hours: number | null, onLine: number | null = hours) => ({
  serverId: 'srv_1',
  kind: 'image' as const,
  dataSet: null,
  newestAt: hours === null ? null : hoursAgo(hours),
  newestOnLineAt: onLine === null ? null : hoursAgo(onLine),
  unverifiedSince: null as string | null,
});
const shop = (hours: number | null) => ({ ...image(hours), kind: 'data' as const, dataSet: 'shop' });
const facts = (changes: Partial<ProtectionFacts> = {}): ProtectionFacts => ({
  boots: [],
  copies: [],
  offsite: [],
  newest: [image(10), shop(5)],
  lastRuns: [],
  waiting: [],
  changes: [],
  judgements: [],
  recoverySeconds: [],
  ...changes,
});

const due = (kind: 'image' | 'data') => ({
  id: 'due_1',
  serverId: 'srv_1',
  serverName: 'db01',
  kind,
  policy: 'daily',
  cause: 'schedule' as const,
  dueAt: hoursAgo(9),
  notBefore: hoursAgo(9),
  state: 'waiting' as const,
  waitsFor: 'the server is held by run run_7',
  missedBefore: 0,
  runId: null,
});

const judge = (changes: Partial<ProtectionFacts> = {}, server: ProtectedServer = DB01, policies: readonly Policy[] = [POLICY]) =>
  judgeProtection([server], policies, facts(changes), NOW);
const breachesOf = (...args: Parameters<typeof judge>) => judge(...args).servers.flatMap(({ breaches }) => breaches);
const codes = (...args: Parameters<typeof judge>): readonly string[] =>
  judge(...args).servers.flatMap(({ breaches }) => breaches.map(({ code, kind, dataSet }) => [code, kind, dataSet].filter((part) => part !== null).join(' ')));

describe('protectedServer', () => {
  const protection = { dataSets: [{ name: 'shop' }, { name: 'uploads' }] };

  it.each([
    ['in service', null, false],
    ['out of service', { at: hoursAgo(1) }, true],
  ])('is a server %s with the names of its data sets', (_, decommissioned, isDecommissioned) => {
    const declared = { id: 'srv_1', name: 'db01', policy: 'daily', protection, decommissioned };
    expect(protectedServer(declared)).toEqual({ id: 'srv_1', name: 'db01', policy: 'daily', dataSets: ['shop', 'uploads'], isDecommissioned });
  });
});

describe('judgeProtection', () => {
  it('promises nothing of a server that is out of service, and counts it', () => {
    const gone = { ...DB01, isDecommissioned: true };
    expect(judge({ newest: [] }, gone)).toMatchObject({ isProtected: true, breaches: 0, decommissioned: 1, servers: [] });
    expect(codes({ newest: [] }, { ...gone, policy: null })).toEqual([]);
    const other = { ...DB01, id: 'srv_2', name: 'db02' };
    const both = judgeProtection([gone, other], [POLICY], facts({ newest: [] }), NOW);
    expect(both).toMatchObject({ isProtected: false, breaches: 2, decommissioned: 1, servers: [{ serverName: 'db02' }] });
    expect(judge()).toMatchObject({ decommissioned: 0 });
  });

  it('is content where everything is young enough', () => {
    const status = judge();
    expect(status).toMatchObject({ at: NOW.toISOString(), isProtected: true, breaches: 0 });
    expect(status.servers).toEqual([
      {
        serverId: 'srv_1',
        serverName: 'db01',
        policy: 'daily',
        booted: null,
        comeback: null,
        things: [
          {
            kind: 'image',
            dataSet: null,
            newestAt: hoursAgo(10),
            unverifiedSince: null,
            offsiteAt: null,
            uncopiedSince: null,
            ageSeconds: 36_000,
            rpoSeconds: 691_200,
            nextDueAt: '2026-11-29T01:00:00.000Z',
            waitsFor: null,
            lastRun: null,
          },
          {
            kind: 'data',
            dataSet: 'shop',
            newestAt: hoursAgo(5),
            unverifiedSince: null,
            offsiteAt: null,
            uncopiedSince: null,
            ageSeconds: 18_000,
            rpoSeconds: 93_600,
            nextDueAt: '2026-11-28T02:30:00.000Z',
            waitsFor: null,
            lastRun: null,
          },
        ],
        offsite: null,
        isOnSiteOnly: true,
        breaches: [],
      },
    ]);
  });

  describe('of copies off-site', () => {
    const OFFSITE = { repository: 'vault', withinHours: 26, image: true, data: false, retention: POLICY.image!.retention };
    const promised: readonly Policy[] = [{ ...POLICY, offsite: OFFSITE }];
    const copies = (hours: number | null, problem: { code: string; message: string } | null = null): ProtectionFacts['copies'] => [
      { serverId: 'srv_1', kind: 'image', dataSet: null, newestAt: hoursAgo(40), uncopiedSince: hours === null ? null : hoursAgo(hours), problem },
    ];
    const vault = { name: 'vault', media: 'fixed', state: 'here', seenAt: hoursAgo(1), askedForSince: null, problem: null } as const;

    it('says what lies elsewhere, and where nothing does', () => {
      const [server] = judge({ copies: copies(10) }, DB01, promised).servers;
      expect(server).toMatchObject({ offsite: 'vault', isOnSiteOnly: false, breaches: [] });
      expect(server?.things.map(({ offsiteAt }) => offsiteAt)).toEqual([hoursAgo(40), null]);
      expect(judge({}, DB01, promised).servers[0]).toMatchObject({ offsite: 'vault', isOnSiteOnly: true, breaches: [] });
    });

    it('misses one that is not made within the promised time, and not before', () => {
      expect(codes({ copies: copies(26) }, DB01, promised)).toEqual([]);
      expect(codes({ copies: copies(27) }, DB01, promised)).toEqual(['NOT_COPIED_OFFSITE image']);
      expect(codes({ copies: copies(27) })).toEqual([]);
      const [breach] = judge({ copies: copies(27, { code: 'OFFSITE_CREDENTIALS_WRONG', message: 'no' }), offsite: [vault] }, DB01, promised).servers[0]!
        .breaches;
      expect(breach).toMatchObject({
        since: hoursAgo(1),
        message:
          'The newest images of server "db01" have not been copied to vault for 1 d 3 h; promised is to copy new ones within 26 h. The last attempt failed (OFFSITE_CREDENTIALS_WRONG): no',
        hint: 'See `modosu offsite list` and `modosu offsite transfers --server db01`.',
      });
    });

    const LATE = 'The newest images of server "db01" have not been copied to vault for 1 d 3 h; promised is to copy new ones within 26 h.';
    const LOOK = 'See `modosu offsite list` and `modosu offsite transfers --server db01`.';
    const BRING = 'Bring the medium of vault, and connect and mount it: copying goes on by itself.';
    const away = { ...vault, media: 'removable', state: 'offline', problem: { code: 'OFFSITE_OFFLINE', message: 'no' } } as const;
    const silent = { ...vault, state: 'unreachable', problem: { code: 'OFFSITE_UNREACHABLE', message: 'no' } } as const;

    it.each([
      ['a medium that is away', away, ` It was last seen at ${hoursAgo(1)}.`, BRING],
      [
        'a medium that is away and asked for',
        { ...away, askedForSince: hoursAgo(20) },
        ` It was last seen at ${hoursAgo(1)}, and is asked for since ${hoursAgo(20)}.`,
        BRING,
      ],
      ['a medium that was never there', { ...away, seenAt: null }, ' It was never seen.', BRING],
      ['a place that does not answer', silent, ` vault does not answer (OFFSITE_UNREACHABLE). It was last seen at ${hoursAgo(1)}.`, LOOK],
      [
        'a place that never answered and is asked for',
        { ...silent, seenAt: null, askedForSince: hoursAgo(20) },
        ` vault does not answer (OFFSITE_UNREACHABLE). It was never seen, and is asked for since ${hoursAgo(20)}.`,
        LOOK,
      ],
      ['a place that does not answer, nobody knows why', { ...silent, problem: null }, ` vault does not answer. It was last seen at ${hoursAgo(1)}.`, LOOK],
      ['a place that is there, and no attempt has failed', vault, '', LOOK],
      ['a place at which nobody has looked', undefined, '', LOOK],
    ])('says what is known of %s, and what to do', (_, place, why, hint) => {
      const given = { copies: copies(27), offsite: place === undefined ? [] : [place] };
      expect(breachesOf(given, DB01, promised)).toMatchObject([{ message: `${LATE}${why}`, hint }]);
    });

    it('names the data set that is not copied', () => {
      const uncopied = copies(27).map((copy) => ({ ...copy, kind: 'data' as const, dataSet: 'shop' }));
      expect(breachesOf({ copies: uncopied }, DB01, [{ ...POLICY, offsite: { ...OFFSITE, data: true } }])).toMatchObject([
        {
          kind: 'data',
          dataSet: 'shop',
          message: LATE.replace('images', 'recovery points of data set "shop"'),
        },
      ]);
    });
  });

  it('misses the absence of any recovery point, whoever should have made it', () => {
    expect(codes({ newest: [] })).toEqual(['NO_RECOVERY_POINT image', 'NO_RECOVERY_POINT data shop']);
    expect(codes({ newest: [image(null), shop(3)] })).toEqual(['NO_RECOVERY_POINT image']);
    expect(judge({ newest: [] }).isProtected).toBe(false);
    expect(judge({ newest: [] }).servers[0]?.things.map(({ newestAt, ageSeconds }) => [newestAt, ageSeconds])).toEqual([
      [null, null],
      [null, null],
    ]);
    expect(breachesOf({ newest: [] }).map(({ message }) => message)).toEqual([
      'Server "db01" has no usable image.',
      'Server "db01" has no usable recovery point of data set "shop".',
    ]);
  });

  it('tells when the newest is older than promised, and since when', () => {
    expect(codes({ newest: [image(10), shop(26)] })).toEqual([]);
    const [breach] = judge({ newest: [image(10), shop(30)] }).servers[0]?.breaches ?? [];
    expect(breach).toEqual({
      code: 'RPO_EXCEEDED',
      serverId: 'srv_1',
      serverName: 'db01',
      kind: 'data',
      dataSet: 'shop',
      since: hoursAgo(4),
      message: 'The newest usable recovery point of data set "shop" of server "db01" is 1 d 6 h old; promised are 1 d 2 h.',
      hint: 'Take one now: `modosu backup data db01 --reason TEXT`.',
    });
  });

  describe('of what is older than promised', () => {
    const IMAGE = POLICY.image!;
    const ended = (kind: 'image' | 'data', state: 'failed' | 'cancelled', errorCode: string | null = null) => [
      { serverId: 'srv_1', kind, runId: 'run_9', state, finishedAt: hoursAgo(1), errorCode },
    ];
    const OLD_IMAGE = 'The newest usable image of server "db01" is 8 d 8 h old; promised are 8 d.';
    const OLD_DATA = 'The newest usable recovery point of data set "shop" of server "db01" is 1 d 6 h old; promised are 1 d 2 h.';
    const take = (mode: string) => `\`modosu backup image db01 --mode ${mode} --reason TEXT\``;
    const TAKE_DATA = '`modosu backup data db01 --reason TEXT`';

    it.each([
      ['an image', 200, 5, {}, [], OLD_IMAGE, `Take one now: ${take('online')}.`],
      [
        'an image of a server that is stopped for it',
        200,
        5,
        { image: { ...IMAGE, mode: 'offline' as const } },
        [],
        OLD_IMAGE,
        `Take one now: ${take('offline')}.`,
      ],
      [
        'an image whose backup failed without a code',
        200,
        5,
        {},
        ended('image', 'failed'),
        `${OLD_IMAGE} The last backup failed: run run_9.`,
        `See \`modosu run show run_9\`, then ${take('online')}.`,
      ],
      [
        'data whose backup was cancelled',
        10,
        30,
        {},
        ended('data', 'cancelled'),
        `${OLD_DATA} The last backup was cancelled: run run_9.`,
        `Take one now: ${TAKE_DATA}.`,
      ],
      ['data where no images are promised', 10, 30, { image: null }, [], OLD_DATA, `Take one now: ${TAKE_DATA}.`],
    ])('says of %s what is promised, why nothing newer is there, and what to do', (_, imageHours, dataHours, changes, lastRuns, message, hint) => {
      const newest = [image(imageHours), shop(dataHours)];
      expect(breachesOf({ newest, lastRuns }, DB01, [{ ...POLICY, ...changes }])).toMatchObject([{ code: 'RPO_EXCEEDED', message, hint }]);
    });
  });

  it('counts each data set by itself', () => {
    const two = { ...DB01, dataSets: ['shop', 'uploads'] };
    expect(codes({}, two)).toEqual(['NO_RECOVERY_POINT data uploads']);
  });

  it('says why nothing newer is there, where that is known', () => {
    const lastRuns = [
      { serverId: 'srv_1', kind: 'data' as const, runId: 'run_9', state: 'failed' as const, finishedAt: hoursAgo(1), errorCode: 'GUEST_AGENT_SILENT' },
    ];
    const failed = judge({ newest: [image(10), shop(30)], lastRuns }).servers[0];
    expect(failed?.breaches[0]?.message).toMatch(/ The last backup failed \(GUEST_AGENT_SILENT\): run run_9\.$/);
    expect(failed?.breaches[0]?.hint).toBe('See `modosu run show run_9`, then `modosu backup data db01 --reason TEXT`.');
    expect(failed?.things[1]?.lastRun).toEqual({ runId: 'run_9', state: 'failed', finishedAt: hoursAgo(1), errorCode: 'GUEST_AGENT_SILENT' });
    expect(failed?.things[0]?.lastRun).toBeNull();
    const waiting = [due('data')];
    expect(judge({ newest: [image(10), shop(30)], lastRuns, waiting }).servers[0]?.breaches[0]?.message).toMatch(
      / A backup is due and waits: the server is held by run run_7\.$/,
    );
    const cancelled = [{ ...lastRuns[0]!, state: 'cancelled' as const, errorCode: null }];
    expect(judge({ newest: [image(10), shop(30)], lastRuns: cancelled }).servers[0]?.breaches[0]?.message).toMatch(
      / The last backup was cancelled: run run_9\.$/,
    );
    const fine = [{ ...lastRuns[0]!, state: 'succeeded' as const, errorCode: null }];
    expect(judge({ newest: [image(10), shop(30)], lastRuns: fine }).servers[0]?.breaches[0]?.message).toMatch(/promised are 1 d 2 h\.$/);
  });

  it('misses an image of the disks that a restore has put in place, however young the one of those before is', () => {
    expect(codes({ newest: [image(1, null), shop(5)] })).toEqual(['NOT_BACKED_UP_SINCE_RESTORE image']);
  });

  it('tells of what nobody has verified in time, whatever the reason, and of nothing that has some time left', () => {
    const promised = [{ ...POLICY, verification: { withinHours: 24, everyDays: 30, boot: null } }];
    const unverified = (hours: number) => [{ ...image(10), unverifiedSince: hoursAgo(hours) }, shop(5)];
    expect(codes({ newest: unverified(24) }, DB01, promised)).toEqual([]);
    expect(codes({ newest: unverified(24.1) }, DB01, promised)).toEqual(['NOT_VERIFIED image']);
    expect(codes({ newest: unverified(9000) })).toEqual([]);
    expect(codes({ newest: [image(10), { ...shop(30), unverifiedSince: hoursAgo(48) }] }, DB01, promised)).toEqual([
      'RPO_EXCEEDED data shop',
      'NOT_VERIFIED data shop',
    ]);
    expect(breachesOf({ newest: [image(10), { ...shop(5), unverifiedSince: hoursAgo(48) }] }, DB01, promised)).toMatchObject([
      { message: 'The newest recovery points of data set "shop" of server "db01" have not been verified for 2 d; promised is to verify new ones within 24 h.' },
    ]);
    const [server] = judge({ newest: unverified(48) }, DB01, promised).servers;
    expect(server?.breaches).toMatchObject([
      {
        since: hoursAgo(24),
        message: 'The newest images of server "db01" have not been verified for 2 d; promised is to verify new ones within 24 h.',
      },
    ]);
  });

  it('tells of an image that did not come up at once, and of one that nobody has booted when its time is long over', () => {
    const nightly: Policy = { ...POLICY, verification: { withinHours: 24, everyDays: 30, boot: { every: 'day', at: '03:00' } } };
    const boots = (changes: Partial<ProtectionFacts['boots'][number]>) => [
      { serverId: 'srv_1', passed: null, failed: null, promisedSince: hoursAgo(100), ...changes },
    ];
    const passed = (hours: number) => ({ at: hoursAgo(hours), recoveryPointId: 'rp_1', seconds: 41 });
    const of = (changes: Parameters<typeof boots>[0]) => judge({ boots: boots(changes) }, DB01, [nightly]).servers[0];
    expect(codes({}, DB01, [nightly])).toEqual([]);
    expect(of({ passed: passed(20) })).toMatchObject({ booted: passed(20), breaches: [] });
    expect(of({ promisedSince: hoursAgo(20) })).toMatchObject({ booted: null, breaches: [] });
    expect(of({ passed: passed(70) })?.breaches).toMatchObject([
      {
        code: 'BOOT_PROOF_OVERDUE',
        kind: 'image',
        message: 'The last image of server "db01" that was booted for a proof was so 2 d 22 h ago; promised is every day at 03:00.',
        hint: expect.stringContaining('modosu verification list --server db01'),
      },
    ]);
    expect(of({})?.breaches).toMatchObject([{ message: 'No image of server "db01" was ever booted for a proof; promised is every day at 03:00.' }]);
    const failed = { at: hoursAgo(1), verificationId: 'vrf_1', recoveryPointId: 'rp_2', code: 'AGENT_SILENT', message: 'no answer in 300 s.' };
    expect(of({ passed: passed(20), failed })?.breaches).toMatchObject([
      {
        code: 'BOOT_PROOF_FAILED',
        since: hoursAgo(1),
        message: 'Image rp_2 of server "db01" did not come up when it was booted for a proof (AGENT_SILENT): no answer in 300 s.',
        hint: expect.stringContaining('modosu verification show vrf_1'),
      },
    ]);
    // Nobody asks any more.
    expect(codes({ boots: boots({ failed }) })).toEqual([]);
    expect(codes({ boots: boots({ failed }) }, DB01, [{ ...POLICY, verification: { withinHours: 24, everyDays: 30, boot: null } }])).toEqual([]);
  });

  it('promises nothing that the policy does not', () => {
    expect(codes({ newest: [image(1)] }, DB01, [{ ...POLICY, data: null }])).toEqual([]);
    expect(codes({ newest: [shop(1)] }, DB01, [{ ...POLICY, image: null }])).toEqual([]);
    const noTargets: Policy = {
      ...POLICY,
      image: POLICY.image === null ? null : { ...POLICY.image, rpoHours: null },
      data: POLICY.data === null ? null : { ...POLICY.data, rpoHours: null },
    };
    expect(codes({ newest: [image(9000), shop(9000)] }, DB01, [noTargets])).toEqual([]);
    expect(codes({ newest: [] }, DB01, [noTargets])).toEqual(['NO_RECOVERY_POINT image', 'NO_RECOVERY_POINT data shop']);
  });

  it('tells of a server that nobody has given a policy', () => {
    expect(codes({}, { ...DB01, policy: null })).toEqual(['NO_POLICY']);
    expect(codes({}, { ...DB01, dataSets: [] }, [{ ...POLICY, image: null }])).toEqual(['NO_POLICY']);
    expect(codes({}, DB01, [{ ...POLICY, image: null, data: null }])).toEqual(['NO_POLICY']);
    expect(breachesOf({}, { ...DB01, policy: null })).toMatchObject([{ message: 'Server "db01" has no policy: nothing is backed up by itself.' }]);
    expect(breachesOf({}, { ...DB01, dataSets: [] }, [{ ...POLICY, image: null }])).toMatchObject([
      { message: 'Policy "daily" asks for nothing that server "db01" has: nothing is backed up by itself.' },
    ]);
    const [server] = judge({}, { ...DB01, policy: null }).servers;
    expect(server?.things.map(({ nextDueAt, rpoSeconds }) => [nextDueAt, rpoSeconds])).toEqual([
      [null, null],
      [null, null],
    ]);
  });

  it('tells of changes that no image contains an hour after one should, whatever the policy', () => {
    const unimaged = (minutes: number) => ({
      changes: [{ serverId: 'srv_1', since: new Date(NOW.getTime() - minutes * 60_000).toISOString(), titles: ['new kernel'] }],
    });
    expect(codes(unimaged(60))).toEqual([]);
    expect(codes(unimaged(61))).toEqual(['CHANGE_NOT_IMAGED image']);
    expect(codes(unimaged(61), { ...DB01, policy: null })).toEqual(['CHANGE_NOT_IMAGED image', 'NO_POLICY']);
    // Nobody stops it for that: the next one of the schedule contains them.
    expect(codes(unimaged(61), DB01, [{ ...POLICY, image: POLICY.image === null ? null : { ...POLICY.image, mode: 'offline' } }])).toEqual([]);
    expect(codes(unimaged(61), DB01, [{ ...POLICY, image: null }])).toEqual(['CHANGE_NOT_IMAGED image']);
    const [server] = judge(unimaged(90)).servers;
    const message = 'No image of server "db01" contains what was changed 1 h 30 min ago and more: "new kernel".';
    expect(server?.breaches[0]?.message).toBe(message);
    // Data that waits keeps no image from being taken.
    expect(breachesOf({ ...unimaged(90), waiting: [due('data')] })).toMatchObject([{ message }]);
    expect(breachesOf({ ...unimaged(90), waiting: [due('image')] })).toMatchObject([
      { message: `${message} An image is due and waits: the server is held by run run_7.` },
    ]);
    expect(server?.breaches[0]?.hint).toContain('`modosu backup image db01 --mode online --reason TEXT`');
  });

  it('tells of a server that could not come back alone, whatever its policy, and what is known of it', () => {
    const findings = [
      { code: 'STANDBY_AHEAD', severity: 'block' as const, message: 'It is ahead.', relation: { name: 'standby', peer: 'db02', profile: 'p' } },
    ];
    const judged = { recoveryPointId: 'rp_1', worst: 'block' as const, judgedAt: hoursAgo(8), since: hoursAgo(32), findings };
    const given = { judgements: [{ serverId: 'srv_1', askedAt: null, judged }] };
    expect(codes(given)).toEqual(['CANNOT_COME_BACK_ALONE image']);
    expect(codes(given, { ...DB01, policy: null })).toEqual(['CANNOT_COME_BACK_ALONE image', 'NO_POLICY']);
    expect(codes(given, { ...DB01, isDecommissioned: true })).toEqual([]);
    expect(judge(given)).toMatchObject({
      isProtected: false,
      servers: [{ comeback: { verdict: 'block', judgedAt: hoursAgo(8), isOutdated: false, findings } }],
    });
    expect(codes({ judgements: [{ serverId: 'srv_1', askedAt: null, judged: { ...judged, worst: 'step' } }] })).toEqual([]);
  });

  it('tells when the last restore took longer than promised', () => {
    expect(codes({ recoverySeconds: [{ serverId: 'srv_1', seconds: 3600 }] })).toEqual([]);
    expect(codes({ recoverySeconds: [{ serverId: 'srv_1', seconds: 3601 }] })).toEqual(['RTO_EXCEEDED']);
    expect(breachesOf({ recoverySeconds: [{ serverId: 'srv_1', seconds: 5400 }] })).toMatchObject([
      { message: 'The last measured restore of server "db01" took 1 h 30 min; promised are 1 h.' },
    ]);
    expect(codes({ recoverySeconds: [{ serverId: 'srv_1', seconds: 90_000 }] }, DB01, [{ ...POLICY, rtoMinutes: null }])).toEqual([]);
  });

  it('judges ten thousand servers', () => {
    const servers = Array.from({ length: 10_000 }, (_, index) => ({ ...DB01, id: `srv_${index}`, name: `db${index}` }));
    const newest = servers.flatMap(({ id }) => [
      { ...image(1), serverId: id },
      { ...shop(1), serverId: id },
    ]);
    expect(judgeProtection(servers, [POLICY], facts({ newest }), NOW)).toMatchObject({ isProtected: true });
  });
});

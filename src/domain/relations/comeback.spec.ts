import type { Comeback, JudgementFacts } from '../../contracts/judgement';
import { comebackBreaches, comebackOf, isInTheWay, lastNight } from './comeback';

const NOW = new Date('2026-12-01T12:00:00Z');
const hoursAgo = (hours: number): string => new Date(NOW.getTime() - hours * 3_600_000).toISOString();
const DB01 = { id: 'srv_1', name: 'db01' };
const finding = (code: string, severity: 'block' | 'unknown' | 'step', remedy?: string) => ({
  code,
  severity,
  message: `${code}.`,
  ...(remedy === undefined ? {} : { remedy }),
  relation: { name: 'standby', peer: 'db02', profile: 'postgresql-replication' },
});
const facts = (judged: Partial<NonNullable<JudgementFacts['judged']>> | null, askedAt: string | null = null): JudgementFacts => ({
  serverId: 'srv_1',
  askedAt,
  judged: judged === null ? null : { recoveryPointId: 'rp_1', worst: 'ok', judgedAt: hoursAgo(8), since: hoursAgo(32), findings: [], ...judged },
});
const told = (...given: Parameters<typeof facts>) => comebackBreaches(DB01, comebackOf(facts(...given), NOW), NOW);

describe('the night', () => {
  it.each([
    ['2026-12-01T12:00:00Z', 4, '2026-12-01T04:00:00.000Z'],
    ['2026-12-01T04:00:00Z', 4, '2026-12-01T04:00:00.000Z'],
    ['2026-12-01T03:59:59.999Z', 4, '2026-11-30T04:00:00.000Z'],
    ['2026-12-01T00:00:00Z', 0, '2026-12-01T00:00:00.000Z'],
    ['2027-01-01T00:30:00Z', 23, '2026-12-31T23:00:00.000Z'],
  ])('before %s, at hour %d, was %s', (now, hour, night) => {
    expect(lastNight(new Date(now), hour).toISOString()).toBe(night);
  });
});

describe('what is known of a comeback', () => {
  it('is the last judgement', () => {
    const findings = [finding('STANDBY_AHEAD', 'block')];
    expect(comebackOf(facts({ worst: 'block', findings }), NOW)).toEqual<Comeback>({
      verdict: 'block',
      since: hoursAgo(32),
      judgedAt: hoursAgo(8),
      isOutdated: false,
      recoveryPointId: 'rp_1',
      findings,
    });
  });

  it('is outdated after a day and a half, also where it was asked for and never came', () => {
    expect(comebackOf(facts({ judgedAt: hoursAgo(36) }), NOW)).toMatchObject({ verdict: 'ok', isOutdated: false });
    expect(comebackOf(facts({ judgedAt: hoursAgo(36.001) }), NOW)).toMatchObject({ verdict: 'ok', isOutdated: true });
    expect(comebackOf(facts(null), NOW)).toMatchObject({ verdict: null, judgedAt: null, isOutdated: false });
    expect(comebackOf(facts(null, hoursAgo(1)), NOW)).toMatchObject({ verdict: null, isOutdated: false });
    expect(comebackOf(facts(null, hoursAgo(37)), NOW)).toMatchObject({ verdict: null, isOutdated: true });
    expect(comebackOf(facts({}, hoursAgo(37)), NOW)).toMatchObject({ isOutdated: false });
  });
});

it('is kept from that by what blocks, what is not known and what asks for steps, and by nothing else', () => {
  const severities = ['ok', 'warn', 'step', 'unknown', 'block'] as const;
  expect(severities.filter((severity) => isInTheWay({ severity }))).toEqual(['step', 'unknown', 'block']);
});

it('nothing is found, and nothing is outdated, where nobody has judged or asked', () => {
  expect(comebackOf(facts(null), new Date(8.64e15))).toEqual({
    verdict: null,
    since: null,
    judgedAt: null,
    isOutdated: false,
    recoveryPointId: null,
    findings: [],
  });
});

describe('people are told', () => {
  it('nothing of a server that would be accepted, with steps or without, and nothing of one that no rules judge', () => {
    for (const worst of ['ok', 'warn', 'step'] as const) expect(told({ worst })).toEqual([]);
    expect(comebackBreaches(DB01, null, NOW)).toEqual([]);
  });

  it('at once that its peers would not accept it, what stands against it, and what would make it good', () => {
    const findings = [finding('STANDBY_PROMOTED', 'block', 'Promote db02 instead.'), finding('STANDBY_AHEAD', 'block'), finding('PEER_UNKNOWN', 'unknown')];
    expect(told({ worst: 'block', since: hoursAgo(8), findings })).toEqual([
      {
        code: 'CANNOT_COME_BACK_ALONE',
        serverId: 'srv_1',
        serverName: 'db01',
        kind: 'image',
        dataSet: null,
        since: hoursAgo(8),
        message: 'If server "db01" were restored to its newest image now, its peers would not accept it: STANDBY_AHEAD, STANDBY_PROMOTED (judged 8 h ago).',
        hint: 'Promote db02 instead. When that is done: `modosu relation judge db01`.',
      },
    ]);
    // Nobody has looked since: it is what is known.
    expect(told({ worst: 'block', judgedAt: hoursAgo(100), findings })).toMatchObject([{ code: 'CANNOT_COME_BACK_ALONE' }]);
    expect(told({ worst: 'block', findings: [finding('STANDBY_AHEAD', 'block')] })[0]?.hint).toContain('modosu relation judgement db01');
    const together = (peer: string) =>
      ({ ...finding('CONSUMER_AHEAD', 'block'), together: true, relation: { name: 'ldap', peer, profile: 'ldap-contextcsn' } }) as const;
    expect(told({ worst: 'block', findings: [together('db03'), together('db02'), together('db02')] })[0]?.hint).toContain(
      'The rules ask for a restore together with "db02", "db03": `modosu restore plan-set db01 db02 db03` says from which images.',
    );
  });

  it('of the remedy of what blocks, not of what else was found, and of no peer where a rule names none', () => {
    const findings = [
      finding('SERIAL_AHEAD', 'step', 'Raise it.'),
      finding('STANDBY_AHEAD', 'block'),
      finding('OTHER', 'block', 'Do that.'),
      finding('PEER_UNKNOWN', 'unknown', 'Ask.'),
    ];
    expect(told({ worst: 'block', findings })[0]?.hint).toBe('Do that. When that is done: `modosu relation judge db01`.');
    const unrelated = { code: 'X', severity: 'block', message: 'x', together: true } as const;
    expect(told({ worst: 'block', findings: [unrelated] })[0]?.hint).toBe(
      'See `modosu relation judgement db01`. When that is done: `modosu relation judge db01`.',
    );
  });

  it('nothing of a verdict without its moment, nor of one that is known for long', () => {
    const known = comebackOf(facts({ worst: 'ok', since: hoursAgo(1000) }), NOW);
    expect(comebackBreaches(DB01, known, NOW)).toEqual([]);
    expect(comebackBreaches(DB01, { ...known, verdict: 'unknown', since: null }, NOW)).toEqual([]);
    expect(comebackBreaches(DB01, { ...known, verdict: 'block', judgedAt: null }, NOW)).toEqual([]);
  });

  it('that nobody knows only when that has been so for longer than a night', () => {
    const findings = [finding('PEER_UNKNOWN', 'unknown')];
    expect(told({ worst: 'unknown', since: hoursAgo(8), findings })).toEqual([]);
    expect(told({ worst: 'unknown', since: hoursAgo(36), findings })).toEqual([]);
    expect(told({ worst: 'unknown', since: hoursAgo(56), findings })).toMatchObject([
      {
        code: 'COMEBACK_UNKNOWN',
        since: hoursAgo(56),
        message: 'Whether server "db01" could come back alone could not be found out for 2 d 8 h: PEER_UNKNOWN.',
      },
    ]);
  });

  it('that nobody has judged for too long, whatever was found then', () => {
    expect(told({ worst: 'ok', judgedAt: hoursAgo(60) })).toMatchObject([
      { code: 'COMEBACK_UNKNOWN', message: 'Whether server "db01" could come back alone was last found out 2 d 12 h ago; it should be every night.' },
    ]);
    expect(told(null, hoursAgo(48))).toMatchObject([{ code: 'COMEBACK_UNKNOWN', message: expect.stringContaining('was never found out') as string }]);
    expect(told(null, hoursAgo(2))).toEqual([]);
    expect(told(null)).toEqual([]);
  });
});

import { failed, judged, NOW, POINT_IN_TIME, readingsOf } from '../../../test/support/judged-profile';
import { nameOfMarker } from '../../contracts/placeholders';
import type { MarkerReading, MarkerReference, MarkerSpec, Profile, Rule, RuleCondition } from '../../contracts/profile';
import { judge, planSteps, type JudgeContext } from './judge';

const marker = (name: string, type: MarkerSpec['type'], of: MarkerSpec['of'] = 'each'): MarkerSpec => ({
  name,
  type,
  of,
  probe: { kind: 'command', argv: ['probe', name] },
  timeoutSeconds: 10,
  isCaptured: true,
});
const now = (name: string, of: 'server' | 'peer' = 'peer') => ({ marker: name, of, at: 'now' }) as const;
const then = (name: string, of: 'server' | 'peer' = 'server') => ({ marker: name, of, at: 'recovery-point' }) as const;
const rule = (when: Rule['when'], more: Partial<Rule> = {}): Rule => ({
  code: 'FOUND',
  phases: ['plan'],
  when,
  severity: 'block',
  message: '${server} beside ${peer}',
  remedy: null,
  step: null,
  ...more,
});
const profile = (...rules: readonly Rule[]): Profile => ({
  format: 'modosu-profile',
  version: 1,
  name: 'made-up',
  title: 'Made up',
  status: 'proven',
  description: 'For tests.',
  parameters: [
    { name: 'limit', description: 'None.', default: null },
    { name: 'constructor', description: 'Named like what every object has.', default: 'ours' },
  ],
  markers: [
    marker('usn', 'counter'),
    marker('serial', 'serial32'),
    marker('name', 'text'),
    marker('flag', 'boolean'),
    marker('moment', 'timestamp'),
    marker('gtids', 'gtid-set'),
    marker('csns', 'csn-set'),
    { ...marker('taken', 'timestamp', 'server'), probe: { kind: 'fact', fact: 'point-in-time' } },
  ],
  rules,
});

const AHEAD: RuleCondition = { compare: now('usn'), with: then('usn'), is: ['ahead'] };
const NAMED: RuleCondition = { value: now('name'), equals: 'a' };
const asked = (condition: RuleCondition, values: Readonly<Record<string, string | MarkerReading>>, more?: Parameters<typeof judged>[3]) =>
  judged(profile(rule([condition])), 'plan', values, more);
const SOURCE = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const DOWN = failed('AGENT_GONE', 'The agent\u001b[31m of srv02\ndoes not answer.');

describe('a rule', () => {
  it('is found when all its conditions hold, with the markers it was asked of and tells of as evidence', () => {
    const told = rule([AHEAD, NAMED], { message: '${peer} has ${peer.usn.now}; flag ${server.flag.now}', remedy: 'Restore ${server}.' });
    const { findings } = judged(profile(told), 'plan', { 'peer.usn.now': '0012', 'server.usn.recovery-point': '7', 'peer.name.now': 'a' });
    expect(findings).toEqual([
      {
        code: 'FOUND',
        severity: 'block',
        message: 'srv02 has 12; flag (not known)',
        remedy: 'Restore srv01.',
        evidence: [
          'name of "srv02", now: a (read at 2026-03-10T12:00:00.000Z)',
          'usn of "srv02", now: 12 (read at 2026-03-10T12:00:00.000Z)',
          'flag of "srv01", now: not known: it was not read',
          'usn of "srv01", recovery point: 7 (read at 2026-03-10T02:00:00Z)',
        ],
      },
    ]);
  });

  it('says where its rule asks for a restore of both', () => {
    const asks = (more: Partial<Rule>) => judged(profile(rule([AHEAD], more)), 'plan', { 'peer.usn.now': '12', 'server.usn.recovery-point': '7' }).findings;
    expect(asks({ together: true })).toMatchObject([{ code: 'FOUND', together: true }]);
    expect(asks({})[0]).not.toHaveProperty('together');
  });

  it('is decided by one condition that does not hold, whatever of the others is not known', () => {
    const both = profile(rule([AHEAD, NAMED]));
    expect(judged(both, 'plan', { 'peer.name.now': 'b' }).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(judged(both, 'plan', { 'peer.name.now': 'a' }).verdicts).toEqual(['unknown MARKER_NOT_CAPTURED', 'unknown PEER_UNKNOWN']);
    expect(judged(both, 'plan', { 'peer.usn.now': '1', 'server.usn.recovery-point': '1', 'peer.name.now': DOWN }).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('counts in its phases alone', () => {
    const ruled = profile(rule([NAMED], { phases: ['live', 'quarantine'] }));
    expect(judged(ruled, 'live', { 'peer.name.now': 'a' }).verdicts).toEqual(['block FOUND']);
    expect(judged(ruled, 'plan', { 'peer.name.now': 'a' }).verdicts).toEqual([]);
  });
});

describe('what is not known', () => {
  it('is one finding for each cause, says what and why, and which rules it leaves open', () => {
    const ruled = profile(rule([AHEAD], { code: 'SECOND' }), rule([NAMED, { value: now('flag'), equals: 'true' }], { code: 'FIRST' }));
    const { findings } = judged(ruled, 'plan', {
      'server.usn.recovery-point': '7',
      'peer.usn.now': DOWN,
      'peer.name.now': DOWN,
      'peer.flag.now': failed('PROBE_TIMEOUT', 'No answer within 10 s.'),
    });
    expect(findings).toEqual([
      {
        code: 'PEER_UNKNOWN',
        severity: 'unknown',
        message: 'What "srv02" says now of name, usn is not known (made-up): AGENT_GONE: The agent [31m of srv02 does not answer.',
        remedy: expect.stringContaining('plan again'),
        evidence: [
          'name of "srv02", now: not known: AGENT_GONE: The agent [31m of srv02 does not answer.',
          'usn of "srv02", now: not known: AGENT_GONE: The agent [31m of srv02 does not answer.',
          'left open: FIRST, SECOND',
        ],
        leavesOpen: ['FIRST', 'SECOND'],
        notKnown: ['peer.name.now', 'peer.usn.now'],
        nothingKnown: true,
      },
      {
        code: 'PEER_UNKNOWN',
        severity: 'unknown',
        message: 'What "srv02" says now of flag is not known (made-up): PROBE_TIMEOUT: No answer within 10 s.',
        remedy: expect.stringContaining('plan again'),
        evidence: ['flag of "srv02", now: not known: PROBE_TIMEOUT: No answer within 10 s.', 'left open: FIRST'],
        leavesOpen: ['FIRST'],
        notKnown: ['peer.flag.now'],
        nothingKnown: true,
      },
    ]);
  });

  it('names its markers, and says whether anything of that side is known: also what is only told, and not what a hypervisor says', () => {
    const told = (text: string) => profile(rule([AHEAD], { message: text }));
    const known = { 'server.usn.recovery-point': '7', 'peer.flag.now': 'true' };
    const said = (of: Profile, values: Readonly<Record<string, string>>) =>
      judged(of, 'plan', values).findings.map(({ code, notKnown, nothingKnown = false }) => ({ code, notKnown, nothingKnown }));
    const unread = { code: 'PEER_UNKNOWN', notKnown: ['peer.usn.now'] };
    expect(said(told('x'), known)).toEqual([{ ...unread, nothingKnown: true }]);
    expect(said(told('${peer.flag.now}'), known)).toEqual([{ ...unread, nothingKnown: false }]);
    const byHypervisor: Profile = {
      ...told('${peer.flag.now}'),
      markers: profile().markers.map((one) => (one.name === 'flag' ? { ...one, probe: { kind: 'fact', fact: 'generation-id' } } : one)),
    };
    expect(said(byHypervisor, known)).toEqual([{ ...unread, nothingKnown: true }]);
  });

  it.each<[string, MarkerReference, string, { readonly of: MarkerReference; readonly isNothing: boolean }[]]>([
    [
      'the server: what it says now counts, not what it or its peer said, or says, elsewhere',
      now('usn', 'server'),
      'SERVER_UNKNOWN',
      [
        { of: now('flag', 'server'), isNothing: false },
        { of: then('flag'), isNothing: true },
        { of: now('flag', 'peer'), isNothing: true },
      ],
    ],
    [
      'the peer: what it says now counts, not what it or the server said, or says, elsewhere',
      now('usn', 'peer'),
      'PEER_UNKNOWN',
      [
        { of: now('flag', 'peer'), isNothing: false },
        { of: then('flag', 'peer'), isNothing: true },
        { of: now('flag', 'server'), isNothing: true },
      ],
    ],
    [
      'the recovery point: what either of the two said then counts, not what they say now',
      then('usn'),
      'MARKER_NOT_CAPTURED',
      [
        { of: then('flag'), isNothing: false },
        { of: then('flag', 'peer'), isNothing: false },
        { of: now('flag', 'server'), isNothing: true },
        { of: now('flag', 'peer'), isNothing: true },
      ],
    ],
  ])('says that nothing at all is known of %s', (_, unread, code, told) => {
    const said = (message: string, values: Readonly<Record<string, string>>) =>
      judged(profile(rule([{ value: unread, equals: '1' }], { message })), 'plan', values).findings.map((one) => [one.code, one.nothingKnown ?? false]);
    expect(said('x', {})).toEqual([[code, true]]);
    for (const { of, isNothing } of told) expect([of, said(`\${${nameOfMarker(of)}}`, { [nameOfMarker(of)]: 'true' })]).toEqual([of, [[code, isNothing]]]);
  });

  it('says that nothing is known of a side by what the rules of this phase ask of it alone', () => {
    const later = rule([{ value: now('flag'), equals: 'false' }], { code: 'LATER', phases: ['live'] });
    const both = profile(rule([NAMED]), later);
    expect(judged(both, 'plan', { 'peer.flag.now': 'true' }).findings).toMatchObject([{ code: 'PEER_UNKNOWN', nothingKnown: true }]);
    // A recovery point of which the plan asks nothing has been asked for nothing.
    const lacking = rule([{ value: then('flag'), equals: 'true' }], { code: 'LATER', phases: ['live'] });
    const [finding] = judged(profile(rule([NAMED]), lacking), 'plan', { 'peer.name.now': 'b' }).findings;
    expect(finding).toMatchObject({ code: 'MARKER_NOT_CAPTURED', notKnown: ['server.flag.recovery-point'] });
    expect(finding).not.toHaveProperty('nothingKnown');
  });

  it('counts a clock among what a server says itself', () => {
    const withClock: Profile = {
      ...profile(rule([NAMED], { message: '${peer.moment.now}' })),
      markers: profile().markers.map((one) => (one.name === 'moment' ? { ...one, probe: { kind: 'fact', fact: 'clock' } } : one)),
    };
    const [finding] = judged(withClock, 'plan', { 'peer.moment.now': NOW.toISOString() }).findings;
    expect(finding).toMatchObject({ code: 'PEER_UNKNOWN', notKnown: ['peer.name.now'] });
    expect(finding).not.toHaveProperty('nothingKnown');
  });

  it.each<[string, RuleCondition, Readonly<Record<string, string>>]>([
    [
      'MARKERS_INCOMPARABLE',
      { compare: now('serial'), with: then('serial'), is: ['ahead'] },
      { 'server.serial.recovery-point': '0', 'peer.serial.now': '2147483648' },
    ],
    ['RULE_UNUSABLE', { value: now('usn'), equals: 'many' }, { 'peer.usn.now': '1' }],
    ['RULE_UNUSABLE', { text: '${limit}', equals: 'a' }, {}],
  ])('lays %s at the door of neither side, whatever is known of them', (code, condition, values) => {
    const [finding] = asked(condition, values).findings;
    expect(finding).toMatchObject({ code, severity: 'unknown' });
    expect(finding).not.toHaveProperty('nothingKnown');
  });

  it('of a recovery point names what it lacks beside what it was asked for, and no other cause names that', () => {
    // The plan has decided this one; before go-live it may be open, for want of the name.
    const decided = rule(
      [
        { value: now('flag'), equals: 'true' },
        { value: then('name'), equals: 'a' },
      ],
      { code: 'DECIDED', phases: ['plan', 'quarantine'] },
    );
    const { findings } = judged(profile(rule([AHEAD, NAMED]), decided), 'plan', { 'peer.usn.now': '1', 'peer.flag.now': 'false' });
    expect(findings).toMatchObject([
      {
        code: 'MARKER_NOT_CAPTURED',
        notKnown: ['server.name.recovery-point', 'server.usn.recovery-point'],
        evidence: [
          'name of "srv01", recovery point: not known: the recovery point has no value of it',
          'usn of "srv01", recovery point: not known: the recovery point has no value of it',
          'left open: FOUND',
        ],
        leavesOpen: ['FOUND'],
      },
      {
        code: 'PEER_UNKNOWN',
        notKnown: ['peer.name.now'],
        evidence: ['name of "srv02", now: not known: it was not read', 'left open: FOUND'],
        leavesOpen: ['FOUND'],
      },
    ]);
  });

  it('of a recovery point names in the plan what later phases lack as well: it stays so', () => {
    const later = rule([{ value: then('name'), equals: 'a' }], { code: 'LATER', phases: ['live'] });
    const by = (...rules: readonly Rule[]) => judged(profile(...rules), 'plan', { 'peer.usn.now': '1' }).findings;
    const [finding] = by(rule([AHEAD]), later);
    expect(finding).toMatchObject({
      code: 'MARKER_NOT_CAPTURED',
      leavesOpen: ['FOUND', 'LATER'],
      notKnown: ['server.name.recovery-point', 'server.usn.recovery-point'],
      evidence: expect.arrayContaining(['name of "srv01", recovery point: not known: the recovery point has no value of it']) as string[],
    });
    const never = rule(
      [
        { text: '${server}', equals: 'another' },
        { value: then('name'), equals: 'a' },
      ],
      { code: 'LATER', phases: ['live'] },
    );
    expect(by(rule([AHEAD]), never)[0]?.notKnown).toEqual(['server.usn.recovery-point']);
    // In a later phase what other phases lack is no matter of this one.
    const inLive = judged(profile(rule([AHEAD], { phases: ['live'] }), rule([{ value: then('name'), equals: 'a' }])), 'live', { 'peer.usn.now': '1' });
    expect(inLive.findings.map(({ notKnown }) => notKnown)).toEqual([['server.usn.recovery-point']]);
  });

  it('of a recovery point that has all the plan asks, and not what later phases need, says so: no later run could be acknowledged otherwise', () => {
    const FINE = { 'peer.usn.now': '1', 'server.usn.recovery-point': '1' };
    const named: RuleCondition = { value: then('name'), equals: 'a' };
    const with_ = (when: Rule['when'], more: Partial<Rule> = {}, values: Readonly<Record<string, string>> = {}) =>
      judged(profile(rule([AHEAD]), rule(when, { code: 'LATER', phases: ['quarantine', 'live'], ...more })), 'plan', { ...FINE, ...values });
    const { verdicts, findings } = with_([named]);
    expect(verdicts).toEqual(['unknown MARKER_NOT_CAPTURED']);
    expect(findings[0]).toMatchObject({ leavesOpen: ['LATER'], notKnown: ['server.name.recovery-point'] });
    expect(findings[0]).not.toHaveProperty('nothingKnown');
    expect(with_([named], {}, { 'server.name.recovery-point': 'b' }).verdicts).toEqual(['ok RELATION_AGREES']);
    // Whatever is read later may make it hold, and what nobody has read yet is not lacking.
    expect(with_([named, NAMED], {}, { 'peer.name.now': 'b' }).verdicts).toEqual(['unknown MARKER_NOT_CAPTURED']);
    expect(with_([NAMED]).verdicts).toEqual(['ok RELATION_AGREES']);
    // The source of a set is needed, too.
    const gtids: RuleCondition = { compare: now('gtids'), with: now('gtids', 'server'), is: ['ahead'], from: '${server.name.recovery-point}' };
    expect(with_([gtids]).verdicts).toEqual(['unknown MARKER_NOT_CAPTURED']);
    // What is only told of decides nothing; nor does the plan speak for what it asks itself, and has decided.
    expect(with_([NAMED], { message: '${server.name.recovery-point}' }).verdicts).toEqual(['ok RELATION_AGREES']);
    const both = rule([{ value: now('usn'), equals: '2' }, named], { code: 'BOTH', phases: ['plan', 'quarantine'] });
    expect(judged(profile(rule([AHEAD]), both), 'plan', FINE).verdicts).toEqual(['ok RELATION_AGREES']);
    // In the later phases it is what it was.
    expect(judged(profile(rule([AHEAD]), rule([named], { code: 'LATER', phases: ['live'] })), 'quarantine', FINE).verdicts).toEqual([]);
  });

  it('says nothing of what later phases lack where the recovery point, or the texts, decide that they will not find anything', () => {
    const FINE = { 'peer.usn.now': '1', 'server.usn.recovery-point': '1', 'server.flag.recovery-point': 'false' };
    const named: RuleCondition = { value: then('name'), equals: 'a' };
    const with_ = (other: RuleCondition, values: Readonly<Record<string, string>> = {}) =>
      judged(profile(rule([AHEAD]), rule([other, named], { code: 'LATER', phases: ['live'] })), 'plan', { ...FINE, ...values }).verdicts;
    expect(with_({ text: '${server}', equals: 'another' })).toEqual(['ok RELATION_AGREES']);
    expect(with_({ value: then('flag'), equals: 'true' })).toEqual(['ok RELATION_AGREES']);
    expect(with_({ value: then('flag'), equals: 'false' })).toEqual(['unknown MARKER_NOT_CAPTURED']);
    expect(with_({ value: now('flag'), equals: 'true' }, { 'peer.flag.now': 'false' })).toEqual(['unknown MARKER_NOT_CAPTURED']);
    expect(with_({ compare: now('usn'), with: then('usn'), is: ['ahead'] })).toEqual(['unknown MARKER_NOT_CAPTURED']);
    // A set beside itself is never ahead: for good, unless it is not known yet of which source.
    const ofSource = (from: string) =>
      judged(
        profile(rule([AHEAD]), rule([{ compare: then('gtids'), with: then('gtids'), is: ['ahead'], from }, named], { code: 'LATER', phases: ['live'] })),
        'plan',
        { ...FINE, 'server.gtids.recovery-point': `${SOURCE}:1-5`, 'peer.name.now': SOURCE },
        { parameters: { limit: SOURCE } },
      ).verdicts;
    expect(ofSource('${limit}')).toEqual(['ok RELATION_AGREES']);
    expect(ofSource('${peer.name.now}')).toEqual(['unknown MARKER_NOT_CAPTURED']);
    // What is too young now may be old enough then.
    expect(with_({ age: then('moment'), atLeast: 1, unit: 'hours' }, { 'server.moment.recovery-point': NOW.toISOString() })).toEqual([
      'unknown MARKER_NOT_CAPTURED',
    ]);
  });

  it('of values that cannot be compared, or of texts, names what is compared, whenever it was read', () => {
    const notKnown = (condition: RuleCondition, values: Readonly<Record<string, string>>) => asked(condition, values).findings.map((one) => one.notKnown);
    const opposite = { 'server.serial.recovery-point': '0', 'peer.serial.now': '2147483648' };
    expect(notKnown({ compare: now('serial'), with: then('serial'), is: ['ahead'] }, opposite)).toEqual([['serial']]);
    expect(notKnown({ value: now('usn'), equals: 'many' }, { 'peer.usn.now': '1' })).toEqual([['usn']]);
    expect(notKnown({ text: '${limit}', equals: 'a' }, {})).toEqual([['${limit}']]);
  });

  it('is also what cannot be read as its type, with what was printed, cut and cleaned', () => {
    const raw = `usn: \u001b[2J\n${'9'.repeat(10_000)}`;
    const { findings, verdicts } = asked(AHEAD, {
      'server.usn.recovery-point': '7',
      'peer.usn.now': { state: 'read', value: raw, raw, at: NOW.toISOString() },
    });
    expect(verdicts).toEqual(['unknown PEER_UNKNOWN']);
    expect(findings[0]?.evidence[0]).toMatch(/^usn of "srv02", now: not known: .* is no marker of type counter: .*; printed: usn: \[2J 9+…$/);
    expect(JSON.stringify(findings).length).toBeLessThan(2_000);
    expect(JSON.stringify(findings)).not.toMatch(/\\u001b|\\n/);
    const blank = asked(AHEAD, { 'server.usn.recovery-point': '7', 'peer.usn.now': { state: 'read', value: ' ', raw: ' \t', at: NOW.toISOString() } });
    expect(blank.findings[0]?.evidence[0]).toMatch(/^usn of "srv02", now: not known: [^;]*$/);
  });

  it('names the side and the time', () => {
    expect(asked({ value: now('name', 'server'), equals: 'a' }, {}).findings).toMatchObject([
      { code: 'SERVER_UNKNOWN', message: 'What "srv01" says now of name is not known (made-up): it was not read' },
    ]);
    expect(asked({ value: then('name'), equals: 'a' }, {}).findings[0]?.message).toBe(
      'What "srv01" and "srv02" said of name at the recovery point is not known (made-up): the recovery point has no value of it',
    );
  });

  it('of an image for which nothing was read says why, as it was written down then', () => {
    const message = 'Its profile "made-up" was not loaded: made-up.yaml:2:10: no';
    const whole = { 'server.*.recovery-point': { state: 'failed', code: 'PROFILE_INVALID', message, at: NOW.toISOString() } as const };
    expect(asked({ value: then('name'), equals: 'a' }, whole).findings[0]).toMatchObject({
      code: 'MARKER_NOT_CAPTURED',
      severity: 'unknown',
      message: expect.stringContaining(`the recovery point has no value of it (PROFILE_INVALID: ${message})`) as string,
    });
  });

  it('is what comes out as incomparable, unless a rule asks for that', () => {
    const opposite = { 'server.serial.recovery-point': '0', 'peer.serial.now': '2147483648' };
    const serials = (is: readonly ('ahead' | 'incomparable')[]): RuleCondition => ({ compare: now('serial'), with: then('serial'), is });
    expect(asked(serials(['ahead', 'incomparable']), opposite).verdicts).toEqual(['block FOUND']);
    expect(asked(serials(['ahead']), opposite).findings[0]).toMatchObject({
      code: 'MARKERS_INCOMPARABLE',
      severity: 'unknown',
      message:
        'Rules of made-up cannot be judged between "srv01" and "srv02", because of serial of the peer (now) beside serial of the server (recovery point): nothing can be said of how the one stands to the other',
      evidence: [
        'serial of "srv02", now: 2147483648 (read at 2026-03-10T12:00:00.000Z)',
        'serial of "srv01", recovery point: 0 (read at 2026-03-10T02:00:00Z)',
        'left open: FOUND',
      ],
    });
  });

  it('is what a parameter or the profile asks for that cannot be asked', () => {
    expect(asked({ text: '${limit}', equals: 'a' }, {}).verdicts).toEqual(['unknown RULE_UNUSABLE']);
    expect(asked({ value: now('usn'), equals: 'many' }, { 'peer.usn.now': '1' }).findings).toMatchObject([
      {
        code: 'RULE_UNUSABLE',
        message: expect.stringMatching(/^Rules of made-up cannot be judged between "srv01" and "srv02": "many" is no marker of type counter: /) as string,
      },
    ]);
    expect(asked({ value: now('nothing'), equals: 'a' }, {}).verdicts).toEqual(['unknown RULE_UNUSABLE']);
  });
});

describe('a value', () => {
  it('equals a text that reads as the same, or differs from it', () => {
    const flag = { 'peer.flag.now': 'True' };
    expect(asked({ value: now('flag'), equals: 'true' }, flag).verdicts).toEqual(['block FOUND']);
    expect(asked({ value: now('flag'), differs: 'on' }, flag).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(asked({ value: now('name'), equals: '${peer}' }, { 'peer.name.now': ' srv02\n' }).verdicts).toEqual(['block FOUND']);
  });

  it('of a parameter is that of the relation, then the default, and never what every object has', () => {
    const condition: RuleCondition = { text: '${constructor}', equals: 'ours' };
    expect(asked(condition, {}).verdicts).toEqual(['block FOUND']);
    expect(asked(condition, {}, { parameters: { constructor: 'theirs' } as unknown as Record<string, string> }).verdicts).toEqual(['ok RELATION_AGREES']);
  });
});

describe('what comes from one source', () => {
  const MINE = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
  const OTHER = '4e11fa47-71ca-11e1-9e33-c80aa9429562';
  const gtids = (is: 'ahead' | 'behind'): RuleCondition => ({ compare: now('gtids'), with: then('gtids'), is: [is], from: '${peer.name.now}' });
  const values = (peer: string, server: string, source = MINE) => ({ 'peer.gtids.now': peer, 'server.gtids.recovery-point': server, 'peer.name.now': source });

  it('is compared alone, and its name may be a marker', () => {
    const [found] = asked(gtids('ahead'), values(`${MINE}:1-9`, `${MINE}:1-5,${OTHER}:1-100`)).findings;
    expect(found).toMatchObject({ code: 'FOUND', evidence: expect.arrayContaining([expect.stringContaining(`name of "srv02", now: ${MINE}`)]) as string[] });
    expect(asked(gtids('ahead'), values(`${MINE}:1-5,${OTHER}:1-100`, `${MINE}:1-5`)).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(asked(gtids('behind'), values('', `${MINE}:1-5`)).verdicts).toEqual(['block FOUND']);
  });

  it('is not known where neither has anything from it, or it is none', () => {
    expect(asked(gtids('ahead'), values(`${OTHER}:1-9`, `${OTHER}:1-5`)).findings).toMatchObject([
      { code: 'MARKERS_INCOMPARABLE', message: expect.stringMatching(new RegExp(`: neither has anything from the source "${MINE}"$`)) as string },
    ]);
    expect(asked(gtids('ahead'), values(`${MINE}:1-9`, `${MINE}:1-5`, 'db01')).verdicts).toEqual(['unknown RULE_UNUSABLE']);
    expect(asked(gtids('ahead'), { 'peer.gtids.now': '', 'server.gtids.recovery-point': '' }).verdicts).toEqual(['unknown PEER_UNKNOWN']);
  });

  it('of a provider that one of the two does not know is ahead in the other', () => {
    const csn = (sid: string) => `20260101120000.000000Z#000000#${sid}#000000`;
    const csns: RuleCondition = { compare: now('csns'), with: then('csns'), is: ['ahead'], from: '0Ab' };
    expect(asked(csns, { 'peer.csns.now': csn('0ab'), 'server.csns.recovery-point': csn('001') }).verdicts).toEqual(['block FOUND']);
    expect(asked(csns, { 'peer.csns.now': csn('001'), 'server.csns.recovery-point': csn('0ab') }).verdicts).toEqual(['ok RELATION_AGREES']);
  });
});

describe('a time', () => {
  const age = (atLeast: Extract<RuleCondition, { readonly age: unknown }>['atLeast']): RuleCondition => ({ age: now('moment'), atLeast, unit: 'hours' });

  it('is so long ago, or longer; what is to come is not', () => {
    expect(asked(age(2), { 'peer.moment.now': '2026-03-10T10:00:00Z' }).verdicts).toEqual(['block FOUND']);
    expect(asked(age(2), { 'peer.moment.now': '2026-03-10T10:00:00.001Z' }).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(asked(age(0), { 'peer.moment.now': '2027-03-10T10:00:00Z' }).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('may be limited by a parameter or a marker, which has to be a number that can be meant', () => {
    const old = { 'peer.moment.now': '2026-03-10T10:00:00Z' };
    expect(asked(age({ parameter: 'limit' }), old, { parameters: { limit: '1.5' } }).verdicts).toEqual(['block FOUND']);
    for (const limit of ['', '-1', '1e3', ' 1', '1000001', '9'.repeat(400), 'Infinity']) {
      expect(asked(age({ parameter: 'limit' }), old, { parameters: { limit } }).verdicts).toEqual(['unknown RULE_UNUSABLE']);
    }
    expect(asked(age({ marker: now('usn') }), { ...old, 'peer.usn.now': '3' }).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(asked(age({ marker: now('usn') }), { ...old, 'peer.usn.now': '9'.repeat(400) }).verdicts).toEqual(['unknown RULE_UNUSABLE']);
    expect(asked(age({ marker: now('usn') }), old).verdicts).toEqual(['unknown PEER_UNKNOWN']);
  });

  it('of a recovery point has to have been', () => {
    const condition: RuleCondition = { age: 'recovery-point', atLeast: 0, unit: 'minutes' };
    expect(asked(condition, {}).verdicts).toEqual(['block FOUND']);
    expect(asked(condition, {}, { pointInTime: '2026-03-10T12:05:00.001Z' }).verdicts).toEqual(['unknown CLOCKS_DISAGREE']);
    expect(asked(condition, {}, { pointInTime: 'yesterday' }).verdicts).toEqual(['unknown RULE_UNUSABLE']);
  });

  it('of a clock is compared with when it was read, not with now', () => {
    const condition: RuleCondition = { skew: now('moment'), atLeast: 2, unit: 'minutes' };
    const read = (value: string, at: string): MarkerReading => ({ state: 'read', value, raw: value, at });
    expect(asked(condition, { 'peer.moment.now': read('2026-03-10T11:00:00Z', '2026-03-10T11:01:00Z') }).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(asked(condition, { 'peer.moment.now': read('2026-03-10T11:03:00Z', '2026-03-10T11:01:00Z') }).verdicts).toEqual(['block FOUND']);
    expect(asked(condition, { 'peer.moment.now': read('2026-03-10T11:03:00Z', 'then') }).verdicts).toEqual(['unknown RULE_UNUSABLE']);
  });

  it('of the recovery point is a marker that nobody has to read', () => {
    expect(asked({ compare: now('moment'), with: then('taken'), is: ['ahead'] }, { 'peer.moment.now': '2026-03-10T02:00:01Z' }).verdicts).toEqual([
      'block FOUND',
    ]);
  });
});

it('says that a profile is experimental, whatever it finds, and of no other one', () => {
  const context: JudgeContext = { phase: 'plan', parameters: {}, server: 'srv01', peer: 'srv02', readings: {}, pointInTime: POINT_IN_TIME, now: NOW };
  const experimental: Profile = { ...profile(rule([NAMED])), status: 'experimental' };
  const codes = (readings: JudgeContext['readings'], by = experimental) =>
    judge(by, { ...context, readings }).map(({ severity, code }) => `${severity} ${code}`);
  expect(codes({})).toEqual(['unknown PEER_UNKNOWN', 'warn PROFILE_EXPERIMENTAL']);
  const fine = readingsOf({ 'peer.name.now': 'b' });
  expect(codes(fine)).toEqual(['ok RELATION_AGREES', 'warn PROFILE_EXPERIMENTAL']);
  expect(codes(fine, { ...experimental, status: 'proven' })).toEqual(['ok RELATION_AGREES']);
  expect(judge(experimental, context)[1]?.evidence).toEqual(['Made up']);
});

it('says what was compared where nothing was found', () => {
  const { findings } = asked(AHEAD, { 'server.usn.recovery-point': '7', 'peer.usn.now': '7' });
  expect(findings).toEqual([
    {
      code: 'RELATION_AGREES',
      severity: 'ok',
      message: 'made-up: nothing speaks against "srv01" beside "srv02".',
      evidence: [
        'asked and not so: FOUND',
        'usn of "srv02", now: 7 (read at 2026-03-10T12:00:00.000Z)',
        'usn of "srv01", recovery point: 7 (read at 2026-03-10T02:00:00Z)',
      ],
    },
  ]);
});

it('names what was asked in one order, whichever the profile has', () => {
  const ruled = profile(rule([NAMED], { code: 'SECOND' }), rule([NAMED], { code: 'FIRST' }));
  expect(judged(ruled, 'plan', { 'peer.name.now': 'b' }).findings[0]?.evidence[0]).toBe('asked and not so: FIRST, SECOND');
});

it('shows where nothing was found all that rules compare, but of a rule that texts decide only what was read: nobody was asked for the rest', () => {
  const evidence = (first: RuleCondition) =>
    judged(profile(rule([first, NAMED, { value: now('usn'), equals: '2' }])), 'plan', { 'peer.name.now': 'b' }).findings[0]?.evidence.slice(1);
  const name = 'name of "srv02", now: b (read at 2026-03-10T12:00:00.000Z)';
  expect(evidence({ text: '${server}', equals: 'another' })).toEqual([name]);
  expect(evidence({ text: '${server}', equals: 'srv01' })).toEqual([name, 'usn of "srv02", now: not known: it was not read']);
});

it('plans the steps of what was found, with their texts filled in', () => {
  const step = { title: 'Copy ${peer.name.now} to ${server}', argv: ['/usr/bin/copy', '${peer}', '--to=${constructor}'], on: 'server', when: 'live' } as const;
  const ruled = profile(rule([NAMED], { severity: 'step', step }), rule([AHEAD], { code: 'OTHER', severity: 'step', step: { ...step, argv: null } }));
  const context: JudgeContext = {
    phase: 'plan',
    parameters: {},
    server: 'srv01',
    peer: 'srv02',
    readings: readingsOf({ 'peer.name.now': 'a' }),
    pointInTime: POINT_IN_TIME,
    now: NOW,
  };
  expect(planSteps(ruled, context, judge(ruled, context))).toEqual([
    { code: 'FOUND', title: 'Copy a to srv01', argv: ['/usr/bin/copy', 'srv02', '--to=ours'], on: 'server', when: 'live' },
  ]);
  expect(planSteps(ruled, context, [])).toEqual([]);
});

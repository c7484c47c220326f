import { failed, judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('dns-zone');
const parameters = { zone: 'example.org', primary: 'srv01' };
const plan = (restored: string, secondary: string, more: Readonly<Record<string, string>> = {}) =>
  judged(PROFILE, 'plan', { 'server.serial.recovery-point': restored, 'peer.serial.now': secondary }, { parameters: { ...parameters, ...more } });

it("has the serial raised where the secondary's is above the restored one", () => {
  const { verdicts, steps } = plan('2026030901', '2026031004');
  expect(verdicts).toEqual(['step SECONDARY_AHEAD']);
  expect(steps).toMatchObject([
    { on: 'server', when: 'quarantine', argv: null, title: expect.stringMatching(/^On "srv01", set the serial of example\.org .* 2026031004/) },
  ]);
});

it('has it raised by a program where one is named, in the place of people', () => {
  const { verdicts, steps } = plan('2026030901', '2026031004', { 'raise-serial': '/usr/local/sbin/raise-serial' });
  expect(verdicts).toEqual(['step SECONDARY_AHEAD_FOR_PROGRAM']);
  expect(steps).toMatchObject([{ on: 'server', when: 'quarantine', argv: ['/usr/local/sbin/raise-serial', 'example.org'] }]);
  expect(plan('2026030901', '2026030901', { 'raise-serial': '/usr/local/sbin/raise-serial' }).verdicts).toEqual(['ok RELATION_AGREES']);
});

it('counts round the end of the serials, and takes what lies opposite for no better', () => {
  expect(plan('4294967290', '3').verdicts).toEqual(['step SECONDARY_AHEAD']);
  expect(plan('3', '4294967290').verdicts).toEqual(['ok RELATION_AGREES']);
  expect(plan('0', '2147483648').verdicts).toEqual(['step SECONDARY_AHEAD']);
});

it('has nothing against a secondary that has the same, or against going back with a secondary', () => {
  expect(plan('2026030901', '2026030901').verdicts).toEqual(['ok RELATION_AGREES']);
  expect(plan('2026030901', '2026030901', { primary: 'srv02' }).verdicts).toEqual(['ok RELATION_AGREES']);
});

describe('a secondary that goes back', () => {
  const OF_PEER = { primary: 'srv02' };
  const live = (server: string | ReturnType<typeof failed>, peer: string | ReturnType<typeof failed>, more: Readonly<Record<string, string>> = {}) =>
    judged(PROFILE, 'live', { 'server.serial.now': server, 'peer.serial.now': peer }, { parameters: { ...parameters, ...OF_PEER, ...more } });

  it('to more than its primary has by now would take nothing from it, and has its copy dropped', () => {
    const { verdicts, findings, steps } = plan('2026031004', '2026030901', OF_PEER);
    expect(verdicts).toEqual(['step RESTORED_SECONDARY_AHEAD']);
    expect(findings[0]?.message).toContain('goes back to example.org with serial 2026031004, and its primary "srv02" has 2026030901');
    expect(findings[0]?.remedy).toContain('publish it on "srv02" with a greater serial than 2026031004');
    expect(steps).toMatchObject([{ on: 'server', when: 'live', argv: null, title: expect.stringMatching(/^On "srv01", drop its copy of example\.org /) }]);
    expect(plan('3', '4294967290', OF_PEER).verdicts).toEqual(['step RESTORED_SECONDARY_AHEAD']);
    expect(plan('4294967290', '3', OF_PEER).verdicts).toEqual(['warn RESTORED_SECONDARY_LACKS_CHANGES']);
    expect(plan('2147483648', '0', OF_PEER).verdicts).toEqual(['step RESTORED_SECONDARY_AHEAD', 'warn RESTORED_SECONDARY_LACKS_CHANGES']);
  });

  const PROGRAM = { 'refresh-zone': '/usr/local/sbin/refresh-zone' };

  it('to less than its primary has is warned of in the plan, which says who has it ask after go-live', () => {
    for (const [more, who] of [
      [{}, 'none'],
      [PROGRAM, '/usr/local/sbin/refresh-zone'],
    ] as const) {
      const { verdicts, findings, steps } = plan('2026030901', '2026031004', { ...OF_PEER, ...more });
      expect([verdicts, steps]).toEqual([['warn RESTORED_SECONDARY_LACKS_CHANGES'], []]);
      expect(findings[0]?.remedy).toContain(`(now: ${who})`);
      expect(plan('2026031004', '2026031004', { ...OF_PEER, ...more }).verdicts).toEqual(['ok RELATION_AGREES']);
    }
  });

  it('is told to ask its primary by a program where one is named, or by people, and only where it lacks something once it is live', () => {
    const { verdicts, steps } = live('2026030901', '2026031004', PROGRAM);
    expect(verdicts).toEqual(['step RESTORED_SECONDARY_TO_REFRESH', 'block RESTORED_SECONDARY_BEHIND']);
    expect(steps).toMatchObject([{ on: 'server', when: 'live', argv: ['/usr/local/sbin/refresh-zone', 'example.org'] }]);
    const byPeople = live('2026030901', '2026031004');
    expect(byPeople.verdicts).toEqual(['step RESTORED_SECONDARY_TO_ASK', 'block RESTORED_SECONDARY_BEHIND']);
    expect(byPeople.steps).toMatchObject([
      { on: 'server', when: 'live', argv: null, title: expect.stringMatching(/^On "srv01", have it ask "srv02" for example\.org /) },
    ]);
    expect(live('2026031004', '2026031004', PROGRAM).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(live('2026031004', '2026030901', PROGRAM).verdicts).toEqual(['block RESTORED_SECONDARY_STILL_AHEAD']);
    const ofPrimary = { 'server.serial.now': '2026030901', 'peer.serial.now': '2026031004' };
    expect(judged(PROFILE, 'live', ofPrimary, { parameters: { ...parameters, ...PROGRAM } }).steps).toEqual([]);
  });

  it('is not called well before it has what its primary has, nor where it would take nothing', () => {
    expect(live('2026031004', '2026031004').verdicts).toEqual(['ok RELATION_AGREES']);
    const behind = live('2026030901', '2026031004');
    expect(behind.verdicts).toContain('block RESTORED_SECONDARY_BEHIND');
    expect(behind.findings.at(-1)?.remedy).toMatch(/^Have "srv01" ask "srv02" now/);
    expect(live('4294967290', '3').verdicts).toContain('block RESTORED_SECONDARY_BEHIND');
    expect(live('2026031004', '2026030901').verdicts).toEqual(['block RESTORED_SECONDARY_STILL_AHEAD']);
    expect(live('0', '2147483648').verdicts).toContain('block RESTORED_SECONDARY_STILL_AHEAD');
  });

  it('is not known where either cannot be read', () => {
    const down = failed('PEER_UNREACHABLE', 'no answer');
    expect(live('2026031004', down).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    expect(live(down, '2026031004').verdicts).toEqual(['unknown SERVER_UNKNOWN']);
    const planned = (values: Parameters<typeof judged>[2]) => judged(PROFILE, 'plan', values, { parameters: { ...parameters, ...OF_PEER } }).verdicts;
    expect(planned({ 'server.serial.recovery-point': '2026031004', 'peer.serial.now': down })).toEqual(['unknown PEER_UNKNOWN']);
    expect(planned({ 'server.serial.recovery-point': down, 'peer.serial.now': '2026031004' })).toEqual(['unknown MARKER_NOT_CAPTURED']);
  });
});

it('does not call a relation well whose primary was mistyped', () => {
  expect(plan('2026030901', '2026031004', { primary: 'srv10' }).verdicts).toEqual(['block PRIMARY_OF_ANOTHER_RELATION']);
});

it('does not call a primary well that goes on with a lower serial, nor a secondary that has not followed yet', () => {
  const live = (server: string) => judged(PROFILE, 'live', { 'server.serial.now': server, 'peer.serial.now': '2026031004' }, { parameters }).verdicts;
  expect(live('2026030901')).toEqual(['block SECONDARY_STILL_AHEAD']);
  expect(live('2026031005')).toEqual(['warn SECONDARY_BEHIND']);
  expect(live('2026031004')).toEqual(['ok RELATION_AGREES']);
});

describe('what the program showed when the image was taken', () => {
  const SHOWN = { 'show-serial': '/usr/local/sbin/show-serial' };
  const ofPoint = (shown: string | ReturnType<typeof failed>, more: Readonly<Record<string, string>> = SHOWN, secondary = '2026031004') =>
    judged(
      PROFILE,
      'plan',
      { 'server.serial.recovery-point': '2026030901', 'server.shown-serial.recovery-point': shown, 'peer.serial.now': secondary },
      { parameters: { ...parameters, ...more } },
    );
  const missing = failed('PROBE_FAILED', 'no such program');

  it('is captured', () => {
    expect(PROFILE.markers.find(({ name }) => name === 'shown-serial')).toMatchObject({ of: 'server', isCaptured: true });
  });

  it('is told of in the plan where it was nothing, with the way out, because nothing would prove the serial before go-live', () => {
    const { verdicts, findings } = ofPoint(missing);
    expect(verdicts).toEqual(['step SECONDARY_AHEAD', 'unknown MARKER_NOT_CAPTURED']);
    expect(findings[0]?.remedy).toMatch(/"show-serial" names a program \(now: \/usr\/local\/sbin\/show-serial\).*"show-serial: none"/);
    expect(findings[1]).toMatchObject({ message: expect.stringContaining('no such program') as string, leavesOpen: ['SERIAL_NOT_SHOWN'] });
    const { findings: byProgram } = ofPoint(missing, { ...SHOWN, 'raise-serial': '/usr/local/sbin/raise-serial' });
    expect(byProgram[0]?.remedy).toContain('"show-serial: none"');
  });

  it('is told of where it was another serial than was served', () => {
    const { verdicts, findings } = ofPoint('2026030900');
    expect(verdicts).toEqual(['step SECONDARY_AHEAD', 'warn SERIAL_NOT_SHOWN']);
    expect(findings[1]?.message).toContain('/usr/local/sbin/show-serial showed 2026030900');
    expect(ofPoint('2026031004').verdicts).toContain('warn SERIAL_NOT_SHOWN');
    expect(ofPoint('2026030901').verdicts).toEqual(['step SECONDARY_AHEAD']);
  });

  it('is asked only of a primary that names a program and loses what its secondary has', () => {
    expect(ofPoint(missing, SHOWN, '2026030901').verdicts).toEqual(['ok RELATION_AGREES']);
    expect(ofPoint(missing, { 'show-serial': 'none' }).verdicts).toEqual(['step SECONDARY_AHEAD']);
    expect(ofPoint(missing, { ...SHOWN, primary: 'srv02' }).verdicts).toEqual(['warn RESTORED_SECONDARY_LACKS_CHANGES']);
  });
});

describe('before go-live', () => {
  const SHOWN = { 'show-serial': '/usr/local/sbin/show-serial' };
  const quarantine = (shown: string | ReturnType<typeof failed>, secondary: string, more: Readonly<Record<string, string>> = SHOWN, restored = '2026030901') =>
    judged(
      PROFILE,
      'quarantine',
      { 'server.serial.recovery-point': restored, 'server.shown-serial.now': shown, 'peer.serial.now': secondary },
      { parameters: { ...parameters, ...more } },
    );

  it('does not let a primary go live whose serial is not above that of its secondary', () => {
    const { verdicts, findings } = quarantine('2026030901', '2026031004');
    expect(verdicts).toEqual(['block SERIAL_NOT_RAISED']);
    expect(findings[0]?.message).toBe('"srv02" has example.org with serial 2026031004, and "srv01" would serve 2026030901, which "srv02" does not take.');
    expect(quarantine('2026031005', '2026031004').verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine('0', '2147483648').verdicts).toContain('block SERIAL_NOT_RAISED');
    expect(quarantine('3', '4294967290', SHOWN, '4294967280').verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('nor one that was raised to just the same, where the two had different ones', () => {
    expect(quarantine('2026031004', '2026031004').verdicts).toEqual(['block SERIAL_RAISED_TO_SAME']);
    expect(quarantine('2026031004', '2026031004', SHOWN, '2026031004').verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('takes a program that says nothing for no answer', () => {
    expect(quarantine(failed('PROBE_FAILED', 'no such zone'), '2026031004').verdicts).toEqual(['unknown SERVER_UNKNOWN']);
  });

  it('refuses nothing for a program that says nothing where nothing is lost', () => {
    const missing = failed('GUEST_PROGRAM_MISSING', 'the image is older than it');
    expect(quarantine(missing, '2026031004', SHOWN, '2026031004').verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine(missing, '2026030901', SHOWN, '2026031004').verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine(missing, '2147483648', SHOWN, '0').verdicts).toEqual(['unknown SERVER_UNKNOWN']);
  });

  it('is asked nothing where no program is named, or the server is the secondary', () => {
    const missing = failed('GUEST_PROGRAM_MISSING', 'none');
    for (const more of [{}, { ...SHOWN, primary: 'srv02' }]) {
      const { verdicts, findings } = quarantine(missing, '2026031004', more);
      expect(verdicts).toEqual(['ok RELATION_AGREES']);
      expect(findings[0]?.message).toContain('nothing speaks against');
    }
  });
});

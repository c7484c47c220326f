import { capturedMarkers, markersFor } from '../domain/relations/pairs';
import { failed, judged, NOW, POINT_IN_TIME, shippedProfile } from '../../test/support/judged-profile';
import type { MarkerReading, MarkerReadings } from '../contracts/profile';
import type { Relation } from '../contracts/relation';
import { linesAfter } from '../domain/consistency/lines-after';
import { chooseAgreeingPoints, setServer } from '../domain/relations/agreeing-points';
import { standingAgainst } from '../domain/relations/judge-relations';
import type { CandidatePoint } from '../domain/relations/restored-together';

const PROFILE = shippedProfile('ldap-contextcsn');
const csn = (hour: string, sid: string) => `202603${hour}0000.000000Z#000000#${sid}#000000`;
const parameters = { suffix: 'dc=example,dc=org', provider: 'srv01', sid: '001' };
type Readings = Parameters<typeof judged>[2];
const plan = (provider: readonly string[], consumer: readonly string[], more: Readonly<Record<string, string>> = {}, readings: Readings = {}) =>
  judged(
    PROFILE,
    'plan',
    {
      'server.context-csn.recovery-point': provider.join('\n'),
      'server.has-database.recovery-point': 'true',
      'server.slapd-runs.recovery-point': 'true',
      'peer.context-csn.now': consumer.join('\n'),
      'peer.entries.now': csn('0902', '001'),
      ...readings,
    },
    { parameters: { ...parameters, ...more } },
  );

it('blocks when a consumer has changes that the provider loses', () => {
  const { verdicts, findings, steps } = plan([csn('0902', '001')], [csn('1011', '001')]);
  expect(verdicts).toEqual(['block CONSUMER_AHEAD', 'step CONSUMER_TO_RELOAD']);
  expect(findings[0]?.message).toContain(csn('1011', '001'));
  expect(steps).toMatchObject([{ on: 'peer', when: 'live' }]);
});

it('has the server loaded from the other one where both are providers, and only where that was declared', () => {
  const both = { 'multi-provider': 'yes' };
  const { verdicts, steps } = plan([csn('0902', '001')], [csn('1011', '001')], both);
  expect(verdicts).toEqual(['step PROVIDER_TO_EMPTY', 'step PROVIDER_TO_LOAD']);
  expect(steps).toMatchObject([
    { on: 'server', when: 'quarantine' },
    { on: 'server', when: 'live' },
  ]);
  expect(plan([csn('0902', '001')], [csn('0902', '001')], both).verdicts).toEqual(['ok RELATION_AGREES']);
  for (const word of ['no', 'Yes', 'true']) {
    expect(plan([csn('0902', '001')], [csn('1011', '001')], { 'multi-provider': word }).verdicts[0]).toBe('block CONSUMER_AHEAD');
  }
});

// Health checks are made before the rules of the quarantine are asked: running, slapd fails these, and stopped it fails those.
it('says in the plan that no health check may need slapd, which has to stay stopped', () => {
  const { findings } = plan([csn('0902', '001')], [csn('1011', '001')], { 'multi-provider': 'yes' });
  expect(findings[0]).toMatchObject({ code: 'PROVIDER_TO_EMPTY' });
  expect(findings[0]?.remedy).toMatch(/^A health check that needs slapd cannot pass.* out of the declaration of "srv01" for this restore and plan again/);
});

it('says before whether it will be seen that the step was done, and asks for that only where there is one', () => {
  const both = { 'multi-provider': 'yes' };
  const steps = ['step PROVIDER_TO_EMPTY', 'step PROVIDER_TO_LOAD'];
  const ofPoint = (hasDatabase: Readings[string], slapdRuns: Readings[string], more: Readonly<Record<string, string>> = both, peer = '1011') =>
    plan([csn('0902', '001')], [csn(peer, '001')], more, {
      'server.has-database.recovery-point': hasDatabase,
      'server.slapd-runs.recovery-point': slapdRuns,
    });
  const elsewhere = ofPoint('false', 'true', { ...both, directory: '/srv/ldap' });
  expect(elsewhere.verdicts).toEqual([...steps, 'block DATABASE_NOT_SEEN']);
  expect(elsewhere.findings.at(-1)?.message).toContain('/srv/ldap on "srv01"');
  expect(ofPoint('true', 'false').verdicts).toEqual([...steps, 'block SLAPD_NOT_SEEN']);
  const missing = failed('PROBE_FAILED', 'No such file or directory');
  expect(ofPoint(missing, 'true').verdicts).toEqual([...steps, 'unknown MARKER_NOT_CAPTURED']);
  expect(ofPoint('true', missing).verdicts).toEqual([...steps, 'unknown MARKER_NOT_CAPTURED']);
  expect(ofPoint(missing, missing, both, '0902').verdicts).toEqual(['ok RELATION_AGREES']);
  expect(ofPoint(missing, missing, { 'multi-provider': 'no' }).verdicts).toEqual(['block CONSUMER_AHEAD', 'step CONSUMER_TO_RELOAD']);
});

describe('before go-live', () => {
  const quarantine = (
    hasDatabase: Readings[string],
    slapdRuns: Readings[string],
    more: Readonly<Record<string, string>> = {},
    peer = csn('1011', '001'),
    captured: Readings = {},
  ) =>
    judged(
      PROFILE,
      'quarantine',
      {
        'server.context-csn.recovery-point': csn('0902', '001'),
        'peer.context-csn.now': peer,
        'server.has-database.recovery-point': 'true',
        'server.slapd-runs.recovery-point': 'true',
        'server.has-database.now': hasDatabase,
        'server.slapd-runs.now': slapdRuns,
        ...captured,
      },
      { parameters: { ...parameters, 'multi-provider': 'yes', ...more } },
    );

  it('takes the word of nobody that the server was emptied, and that slapd was stopped', () => {
    expect(quarantine('false', 'false').verdicts).toEqual(['ok RELATION_AGREES']);
    const { verdicts, findings } = quarantine('true', 'false');
    expect(verdicts).toEqual(['block PROVIDER_NOT_EMPTIED']);
    expect(findings[0]?.message).toMatch(/^\/var\/lib\/ldap on "srv01" still holds a database, and "srv02" has changes of provider 001 that it lacks/);
    expect(findings[0]?.remedy).toContain('dc=example,dc=org');
    const running = quarantine('false', 'true');
    expect(running.verdicts).toEqual(['block PROVIDER_NOT_STOPPED']);
    expect(running.findings[0]?.remedy).toMatch(/If a health check needs slapd, take it out of the declaration of "srv01" and plan again/);
    expect(quarantine('true', 'true').verdicts).toEqual(['block PROVIDER_NOT_EMPTIED', 'block PROVIDER_NOT_STOPPED']);
  });

  it('takes what cannot be read for neither', () => {
    const missing = failed('PROBE_FAILED', 'No such file or directory');
    expect(quarantine(missing, 'false').verdicts).toEqual(['unknown SERVER_UNKNOWN']);
    expect(quarantine('false', missing).verdicts).toEqual(['unknown SERVER_UNKNOWN']);
    expect(quarantine('', 'false').verdicts).toEqual(['unknown SERVER_UNKNOWN']);
  });

  it('asks it only of a provider among providers that loses what the other one has', () => {
    const missing = failed('PROBE_FAILED', 'No such file or directory');
    expect(quarantine(missing, missing, { provider: 'srv02' }).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine(missing, missing, { 'multi-provider': 'no' }).verdicts).toEqual(['block CONSUMER_AHEAD']);
    expect(quarantine(missing, missing, { 'multi-provider': 'no' }, csn('0902', '001')).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine('true', 'true', {}, csn('0902', '001')).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine('true', 'true', {}, `${csn('0902', '001')}\n${csn('1011', '002')}`).verdicts).toEqual(['ok RELATION_AGREES']);
  });
});

describe('a consumer that has got ahead since the plan', () => {
  const quarantine = (more: Readings, parametersOf: Readonly<Record<string, string>>) => {
    const values = {
      'server.context-csn.recovery-point': csn('0902', '001'),
      'peer.context-csn.now': csn('1011', '001'),
      'server.has-database.recovery-point': 'true',
      'server.slapd-runs.recovery-point': 'true',
      'server.has-database.now': 'false',
      'server.slapd-runs.now': 'false',
      ...more,
    };
    return judged(PROFILE, 'quarantine', values, { parameters: { ...parameters, ...parametersOf } });
  };

  it('is not let have the provider that has lost its changes, unless that was accepted with the plan', () => {
    const ahead = quarantine({}, {});
    expect(ahead.verdicts).toEqual(['block CONSUMER_AHEAD']);
    expect(standingAgainst(ahead.findings, plan([csn('0902', '001')], [csn('0902', '001')]).findings)).toHaveLength(1);
    expect(standingAgainst(ahead.findings, plan([csn('0902', '001')], [csn('1011', '001')]).findings)).toEqual([]);
    const down = failed('GUEST_AGENT_UNAVAILABLE', 'no answer');
    expect(quarantine({ 'peer.context-csn.now': down }, {}).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    expect(quarantine({ 'peer.context-csn.now': down }, { provider: 'srv02' }).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('does not take a database that was never seen for one that was emptied', () => {
    const both = { 'multi-provider': 'yes' };
    expect(quarantine({}, both).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(quarantine({ 'server.has-database.recovery-point': 'false' }, both).verdicts).toEqual(['block DATABASE_NOT_SEEN']);
    expect(quarantine({ 'server.slapd-runs.recovery-point': 'false' }, both).verdicts).toEqual(['block SLAPD_NOT_SEEN']);
    expect(quarantine({ 'server.has-database.recovery-point': failed('PROBE_FAILED', 'none') }, both).verdicts).toEqual(['unknown MARKER_NOT_CAPTURED']);
  });
});

describe('afterwards', () => {
  const [OLD, NEW] = [csn('0902', '001'), csn('1011', '001')];
  const live = (
    server: readonly [string, string],
    peer: readonly [string, string | ReturnType<typeof failed>],
    provider = 'srv01',
    more = {},
  ): readonly string[] =>
    judged(
      PROFILE,
      'live',
      {
        'server.context-csn.now': server[0],
        'server.entries.now': server[1],
        'peer.context-csn.now': peer[0],
        'peer.entries.now': peer[1],
      },
      { parameters: { ...parameters, provider, ...more } },
    ).verdicts;

  it('does not take the same contextCSN for the same entries', () => {
    expect(live([NEW, `${OLD}\n${NEW}`], [NEW, `${NEW}\n${OLD}`])).toEqual(['ok RELATION_AGREES']);
    expect(live([NEW, `${OLD}\n${NEW}`], [NEW, NEW])).toEqual(['block CONTENTS_DIFFER']);
    expect(live([NEW, NEW], [NEW, OLD])).toEqual(['block CONTENTS_DIFFER']);
    expect(live([NEW, NEW], [NEW, failed('PROBE_FAILED', 'Size limit exceeded')])).toEqual(['unknown PEER_UNKNOWN']);
  });

  it('compares no entries where that was declared, and says so before', () => {
    const none = { filter: 'none' };
    expect(plan([OLD], [OLD], none).verdicts).toEqual(['warn CONTENTS_NOT_COMPARED']);
    expect(live([NEW, NEW], [NEW, OLD], 'srv01', none)).toEqual(['ok RELATION_AGREES']);
  });

  it('is looked at before: a peer that cannot show its entries then is not known', () => {
    const values = { 'server.context-csn.recovery-point': OLD, 'peer.context-csn.now': OLD, 'peer.entries.now': failed('PROBE_FAILED', 'Size limit exceeded') };
    expect(judged(PROFILE, 'plan', values, { parameters }).verdicts).toEqual(['unknown PEER_UNKNOWN']);
  });

  it('says that one has not followed yet, and blocks where it never will', () => {
    expect(live([NEW, NEW], [OLD, OLD])).toEqual(['block NOT_CAUGHT_UP']);
    expect(live([OLD, OLD], [NEW, NEW], 'srv02')).toEqual(['block NOT_CAUGHT_UP']);
    expect(live([OLD, OLD], [NEW, NEW])).toEqual(['block CONSUMER_STILL_AHEAD', 'block NOT_CAUGHT_UP']);
  });
});

it('looks at the changes of this provider alone', () => {
  expect(plan([csn('0902', '001'), csn('0902', '002')], [csn('0902', '001'), csn('1011', '002')]).verdicts).toEqual(['ok RELATION_AGREES']);
  expect(plan([csn('0902', '001'), csn('1011', '002')], [csn('1011', '001'), csn('0902', '002')]).verdicts[0]).toBe('block CONSUMER_AHEAD');
});

it('does not call servers well because their provider was mistyped', () => {
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { sid: '010' }).verdicts).toEqual(['unknown MARKERS_INCOMPARABLE']);
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { sid: '1' }).verdicts).toEqual(['unknown RULE_UNUSABLE']);
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { provider: 'srv10' }).verdicts).toEqual(['block PROVIDER_OF_ANOTHER_RELATION']);
});

it('has nothing against a consumer that goes back', () => {
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { provider: 'srv02' }).verdicts).toEqual(['ok RELATION_AGREES']);
});

describe('restored together', () => {
  const relations = ['srv01', 'srv02'].map((name): Relation => {
    const peer = name === 'srv01' ? 'srv02' : 'srv01';
    return {
      name: `${name}-goes-back`,
      server: name,
      type: 'replicates-with',
      address: null,
      peers: [{ server: peer, address: null }],
      strength: 'hard',
      profile: PROFILE.name,
      parameters: { suffix: 'dc=example,dc=org', provider: name, sid: name === 'srv01' ? '001' : '002', 'multi-provider': 'yes' },
    };
  });
  const numbers = [csn('0902', '001'), csn('0902', '002')].join('\n');
  const read = (value: string): MarkerReading => ({ state: 'read', value, raw: value, at: '2026-03-10T01:59:00Z' });
  /** What is captured by the profile as it is shipped, and nothing else. */
  const point = (server: string, peer: string, entries: MarkerReading): CandidatePoint => {
    const said: MarkerReadings = { 'context-csn': read(numbers), entries, 'has-database': read('true'), 'slapd-runs': read('true') };
    const captured = PROFILE.markers.filter(({ isCaptured }) => isCaptured);
    const side = (of: 'server' | 'peer') => ({
      relation: `${server}-goes-back`,
      peer,
      of,
      readings: Object.fromEntries(
        captured.filter((marker) => marker.of === 'each' || marker.of === of).flatMap(({ name }) => (said[name] === undefined ? [] : [[name, said[name]]])),
      ),
    });
    return {
      id: `rp_${server}`,
      server,
      pointInTime: POINT_IN_TIME,
      lineageId: 'line-1',
      setId: 'set_1',
      consistency: 'filesystem',
      markers: [side('server'), side('peer')],
    };
  };
  const choose = (entries: MarkerReading) => {
    const server = (name: string, peer: string) => setServer(name, [point(name, peer, entries)], null);
    return chooseAgreeingPoints({
      servers: [server('srv01', 'srv02'), server('srv02', 'srv01')],
      relations,
      profiles: new Map([[PROFILE.name, PROFILE]]),
      now: NOW,
    });
  };

  it('agree by what was captured, the entries that they compare afterwards included', () => {
    expect(choose(read(csn('0902', '001')))).toMatchObject({ basis: 'freeze', setId: 'set_1', steps: [] });
  });

  it('are not known to agree where the one could not show its entries', () => {
    const choice = choose(failed('PROBE_FAILED', 'Size limit exceeded (4)'));
    expect(choice).toMatchObject({ basis: 'reseed' });
    expect(choice.choice.join(' ')).toContain('entries');
  });
});

it('reads what ldapsearch prints', () => {
  const [marker] = PROFILE.markers;
  const prefix = marker?.probe.kind === 'command' ? (marker.probe.prefix ?? '') : '';
  const printed = `dn: dc=example,dc=org\ncontextCSN: ${csn('0902', '001')}\ncontextCSN: ${csn('0903', '002')}\n\n`;
  expect(linesAfter(prefix, printed)).toBe(`${csn('0902', '001')}\n${csn('0903', '002')}`);
});

it('does not read entries that are not compared, neither for an image nor later', () => {
  const relation = (filter: string) =>
    ({
      name: 'ldap',
      type: 'replicates-with',
      server: 'srv01',
      address: null,
      peers: [],
      strength: 'hard',
      profile: PROFILE.name,
      parameters: { suffix: 'dc=example,dc=org', provider: 'srv01', filter },
    }) as const;
  const reads = (filter: string): readonly boolean[] => {
    const pair = { relation: relation(filter), peer: { server: 'srv02', address: null }, profile: PROFILE };
    return [capturedMarkers(pair), markersFor(pair, 'plan'), markersFor(pair, 'live')].map(({ server, peer }) => server.has('entries') || peer.has('entries'));
  };
  expect(reads('none')).toEqual([false, false, false]);
  expect(reads('(objectClass=*)')).toEqual([true, true, true]);
});

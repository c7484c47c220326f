import type { Rule } from '../../contracts/profile';
import { madeUpMarker, madeUpProfile, madeUpRelation, madeUpRule, REBUILD } from '../../../test/support/made-up-relations';
import { asksForSteps, capturedMarkers, hasRules, hasUndecidedRules, judgedPairs, markersFor, markersTogether, undecidedMarkers, wantedMarkers } from './pairs';

const profile = madeUpProfile();
const known = new Map([[profile.name, profile]]);
const OF_DB02 = { peer: { server: 'db02', address: null } };

describe('the pairs that are judged', () => {
  it('are those in which the server is the one that goes back, one for each peer', () => {
    const own = madeUpRelation({
      peers: [
        { server: 'db02', address: '192.0.2.2' },
        { server: 'db03', address: null },
      ],
    });
    const back = madeUpRelation({ name: 'back', server: 'db02', peers: [{ server: 'db01', address: null }] });
    const pairs = judgedPairs([back, own], 'db01', known);
    expect(pairs.map(({ relation, peer }) => [relation.name, peer.server, peer.address])).toEqual([
      ['standby', 'db02', '192.0.2.2'],
      ['standby', 'db03', null],
    ]);
    expect(pairs.every((pair) => pair.profile === profile)).toBe(true);
  });

  it('leave out what names no profile, or one that is not there', () => {
    const relations = [madeUpRelation({ profile: null }), madeUpRelation({ name: 'other', profile: 'gone' }), madeUpRelation({ name: 'third' })];
    expect(judgedPairs(relations, 'db01', known).map(({ relation }) => relation.name)).toEqual(['third']);
    expect(judgedPairs(relations, 'db01', new Map())).toEqual([]);
  });

  it('are also those of dependencies that name a profile', () => {
    expect(judgedPairs([madeUpRelation({ type: 'depends-on', strength: 'soft' })], 'db01', known)).toHaveLength(1);
  });
});

const names = ({ server, peer }: ReturnType<typeof wantedMarkers>) => ({ server: [...server].sort(), peer: [...peer].sort() });

describe('the markers that are read', () => {
  it('for a recovery point are those that are captured, of whom they are; its point in time is known without reading', () => {
    expect(names(capturedMarkers({ ...OF_DB02, relation: madeUpRelation(), profile }))).toEqual({ server: ['identity', 'position'], peer: ['position'] });
    const ofPeer = madeUpProfile([], { markers: [madeUpMarker('serial', { of: 'peer', isCaptured: true }), madeUpMarker('other', { isCaptured: false })] });
    expect(names(capturedMarkers({ ...OF_DB02, relation: madeUpRelation(), profile: ofPeer }))).toEqual({ server: [], peer: ['serial'] });
  });

  it('for a recovery point are none of a program that the relation, or the default of its profile, says is not there', () => {
    const markers = [madeUpMarker('shown', { of: 'server', isCaptured: true, probe: { kind: 'command', argv: ['${program}', 'none'] } })];
    const declared = madeUpProfile([], { markers, parameters: [{ name: 'program', description: 'Or none.', default: 'none' }] });
    const captured = (parameters: Readonly<Record<string, string>>) =>
      names(capturedMarkers({ ...OF_DB02, relation: madeUpRelation({ parameters }), profile: declared })).server;
    expect([captured({}), captured({ program: 'none' }), captured({ program: '/usr/bin/show' })]).toEqual([[], [], ['shown']]);
  });

  it('for a recovery point are none that only rules ask that its texts decide, whichever of the two goes back', () => {
    const asks = (code: string, marker: string, text: string, differs: string) =>
      madeUpRule(code, {
        when: [
          { text, differs },
          { value: { marker, of: 'peer', at: 'now' }, equals: '1' },
        ] as unknown as Rule['when'],
      });
    const markers = ['entries', 'serial', 'told'].map((name) => madeUpMarker(name, { isCaptured: true }));
    const rules = [asks('DIFFER', 'entries', '${database}', 'none'), asks('AHEAD', 'serial', '${zone}', '${server}')];
    const captured = (parameters: Readonly<Record<string, string>>, ...more: readonly Rule[]) =>
      names(capturedMarkers({ ...OF_DB02, relation: madeUpRelation({ parameters }), profile: madeUpProfile([...rules, ...more], { markers }) })).server;
    expect(captured({ database: 'all', zone: 'db02' })).toEqual(['entries', 'serial', 'told']);
    // What is asked where the other one goes back is read for both; what no rule asks for is captured because the profile says so.
    expect(captured({ database: 'none', zone: 'db01' })).toEqual(['serial', 'told']);
    expect(captured({ database: 'none', zone: 'db01' }, madeUpRule('TELLS', { message: '${peer.entries.recovery-point}' }))).toEqual([
      'entries',
      'serial',
      'told',
    ]);
  });

  it('for a phase are those that its rules ask of now, and those their texts tell of', () => {
    expect(names(wantedMarkers(profile, 'plan'))).toEqual({ server: [], peer: ['position', 'words'] });
    expect(names(wantedMarkers(profile, 'live'))).toEqual({ server: ['position'], peer: ['position'] });
    expect(names(wantedMarkers(madeUpProfile([]), 'plan'))).toEqual({ server: [], peer: [] });
  });

  it('are found in remedies, titles of steps, sources of sets and limits of ages', () => {
    const told = madeUpProfile([
      madeUpRule('TOLD', { when: [{ text: 'a', equals: 'a' }], remedy: 'See ${server.identity.now}.' }),
      {
        ...REBUILD,
        when: [{ text: 'a', equals: 'a' }],
        step: { title: 'Set it above ${peer.words.now}', argv: null, on: 'server', when: 'quarantine' },
      },
      madeUpRule('FROM', {
        when: [
          {
            compare: { marker: 'a', of: 'server', at: 'recovery-point' },
            with: { marker: 'a', of: 'server', at: 'recovery-point' },
            is: ['ahead'],
            from: '${peer.source.now}',
          },
        ],
      }),
      madeUpRule('AGE', { when: [{ age: 'recovery-point', atLeast: { marker: { marker: 'lifetime', of: 'peer', at: 'now' } }, unit: 'days' }] }),
    ]);
    expect(names(wantedMarkers(told, 'plan'))).toEqual({ server: ['identity'], peer: ['lifetime', 'source', 'words'] });
  });

  it('never are those of the recovery point, and parameters are no markers', () => {
    const rules = [madeUpRule('OLD', { when: [{ text: '${database}', equals: '${peer}' }], message: '${server.position.recovery-point} of ${database}' })];
    expect(names(wantedMarkers(madeUpProfile(rules), 'plan'))).toEqual({ server: [], peer: [] });
  });
});

describe('the markers that are left where texts decide rules', () => {
  const compared = madeUpRule('x').when[0];
  const asks = (code: string, marker: string, ...texts: readonly { readonly text: string; readonly equals?: string; readonly differs?: string }[]) =>
    madeUpRule(code, { when: [...texts, { value: { marker, of: 'server', at: 'now' }, equals: '1' }] as unknown as Rule['when'] });
  const pairOf = (rules: readonly Rule[], parameters: Readonly<Record<string, string>> = {}) => {
    const declared = madeUpProfile(rules, { parameters: [{ name: 'program', description: 'Or none.', default: 'none' }] });
    const [pair] = judgedPairs([madeUpRelation({ parameters })], 'db01', new Map([[declared.name, declared]]));
    if (pair === undefined) throw new Error('no pair');
    return pair;
  };
  const left = (...given: Parameters<typeof pairOf>) => names(undecidedMarkers(pairOf(...given), 'plan')).server;

  it('are not those that only such rules ask', () => {
    const rules = [asks('SHOWN', 'position', { text: '${program}', differs: 'none' }), asks('OTHER', 'identity', { text: '${server}', equals: '${peer}' })];
    expect(left(rules)).toEqual([]);
    expect(left(rules, { program: '/usr/bin/show' })).toEqual(['position']);
    expect(left([...rules, asks('TOO', 'position')])).toEqual(['position']);
    expect([hasUndecidedRules(pairOf(rules), 'plan'), hasUndecidedRules(pairOf(rules, { program: '/usr/bin/show' }), 'plan')]).toEqual([false, true]);
    expect(hasUndecidedRules(pairOf([...rules, asks('TOO', 'position')]), 'live')).toBe(false);
  });

  it('of a phase are all that one of the two directions asks; in quarantine only those of this one, where a program would be run in a restored server', () => {
    const ofNow = (code: string, marker: string, of: 'server' | 'peer', text: string, differs: string) =>
      madeUpRule(code, {
        phases: ['plan', 'quarantine'],
        when: [
          { text, differs },
          { value: { marker, of, at: 'now' }, equals: '1' },
        ] as unknown as Rule['when'],
      });
    const rules = [
      ofNow('NEVER', 'entries', 'server', '${program}', 'none'),
      ofNow('BACK', 'serial', 'server', '${server}', 'db01'),
      ofNow('FORTH', 'position', 'server', '${server}', 'db02'),
      ofNow('PEER', 'words', 'peer', '${server}', 'db02'),
    ];
    expect(names(markersFor(pairOf(rules), 'plan'))).toEqual({ server: ['position', 'serial'], peer: ['words'] });
    expect(names(markersFor(pairOf(rules), 'quarantine'))).toEqual({ server: ['position'], peer: ['words'] });
    expect(names(markersFor(pairOf(rules), 'live'))).toEqual({ server: [], peer: [] });
  });

  it('of two that go back together are those of the server as it was captured, and of the peer now, in the plan', () => {
    const captured = (code: string, marker: string, text: string) =>
      madeUpRule(code, {
        when: [
          { text, equals: 'yes' },
          { value: { marker, of: 'server', at: 'recovery-point' }, equals: '1' },
        ] as unknown as Rule['when'],
      });
    const rules = [madeUpRule('COMPARED', { message: '${peer.words.now}' }), captured('ASKED', 'identity', 'yes'), captured('DECIDED', 'other', 'no')];
    const inQuarantine = madeUpRule('LATER', { phases: ['quarantine'], when: captured('x', 'later', 'yes').when });
    expect(names(markersTogether(pairOf([...rules, inQuarantine, asks('NOW', 'now')])))).toEqual({
      server: ['identity', 'position'],
      peer: ['position', 'words'],
    });
  });

  it('are those of all rules of which texts hold, or are not known', () => {
    expect(left([asks('SAME', 'position', { text: '${server}', equals: 'db01' })])).toEqual(['position']);
    expect(left([asks('MISSING', 'position', { text: '${nothing}', equals: 'db01' })])).toEqual(['position']);
    expect(left([madeUpRule('COMPARED', { when: [compared] })])).toEqual([]);
  });
});

it('a profile has rules for a phase, or none', () => {
  expect([hasRules(profile, 'plan'), hasRules(profile, 'quarantine'), hasRules(profile, 'live')]).toEqual([true, true, true]);
  expect(hasRules(madeUpProfile([REBUILD]), 'live')).toBe(false);
});

it('a run has to ask what is to be done in a phase for which a rule has a step, beside others that have none', () => {
  const both = madeUpProfile([madeUpRule('PLAIN'), REBUILD]);
  const [phase = 'plan'] = REBUILD.phases;
  const others = (['plan', 'quarantine', 'live'] as const).filter((one) => !REBUILD.phases.includes(one));
  expect(asksForSteps(both, phase)).toBe(true);
  expect(others.map((one) => asksForSteps(both, one))).toEqual(others.map(() => false));
  expect(asksForSteps(madeUpProfile([madeUpRule('PLAIN')]), phase)).toBe(false);
});

describe('a program that is declared not to be there', () => {
  const shown = (probe: object) => madeUpMarker('shown', { of: 'server', isCaptured: true, probe: probe as never });
  const captured = (probe: object, parameters: readonly { readonly name: string; readonly default: string | null }[]) =>
    names(
      capturedMarkers({
        ...OF_DB02,
        relation: madeUpRelation({ parameters: {} }),
        profile: madeUpProfile([], { markers: [shown(probe)], parameters: parameters.map((one) => ({ ...one, description: 'x' })) }),
      }),
    ).server;
  it('is so by the default of its own parameter alone, and one without a value is asked for', () => {
    const probe = { kind: 'command', argv: ['${program}'] };
    expect(
      captured(probe, [
        { name: 'other', default: 'none' },
        { name: 'program', default: '/usr/bin/show' },
      ]),
    ).toEqual(['shown']);
    expect(
      captured(probe, [
        { name: 'other', default: '/usr/bin/show' },
        { name: 'program', default: 'none' },
      ]),
    ).toEqual([]);
    expect(captured(probe, [{ name: 'program', default: null }])).toEqual(['shown']);
    expect(captured(probe, [])).toEqual(['shown']);
  });

  it('what only has the same word is no such program', () => {
    expect(captured({ kind: 'fact', fact: 'clock' }, [])).toEqual(['shown']);
    expect(captured({ kind: 'fact', fact: 'point-in-time' }, [])).toEqual([]);
  });
});

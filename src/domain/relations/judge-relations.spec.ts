import {
  findingAbout,
  madeUpProfile,
  madeUpRelation,
  madeUpRule,
  notReadValue,
  PLANNED_RELATION,
  READ_AT,
  readValue,
  REBUILD,
  sideOf,
} from '../../../test/support/made-up-relations';
import type { Finding } from '../../contracts/plan';
import type { Profile, Rule } from '../../contracts/profile';
import type { PlannedRelation } from '../../contracts/reading';
import type { Relation } from '../../contracts/relation';
import {
  findingsOfUndo,
  judgeRelations,
  notProven,
  standingAgainst,
  unjudgedFindings,
  warningsOf,
  worseThan,
  worseThanUndoPlan,
  type JudgedState,
} from './judge-relations';
import { hasRules, judgedPairs } from './pairs';

const pairsOf = (relations: readonly Relation[], ...profiles: readonly Profile[]) =>
  judgedPairs(relations, 'db01', new Map(profiles.map((profile) => [profile.name, profile])));
const state = (more: Partial<JudgedState> = {}): JudgedState => ({
  phase: 'plan',
  present: [sideOf({ position: readValue('9'), words: readValue('hello') })],
  captured: [sideOf({ position: readValue('7') }, { of: 'server' })],
  pointInTime: '2026-03-10T02:00:00.000Z',
  now: new Date(READ_AT),
  ...more,
});
const judge = (relations: readonly Relation[], profile = madeUpProfile(), more: Partial<JudgedState> = {}) =>
  judgeRelations(pairsOf(relations, profile), state(more));
const peerNamed = (server: string) => ({ server, address: null });
const stepAbout = (code: string, when: 'quarantine' | 'live', peer = 'db02') =>
  ({ key: `rule:${code}:${peer}`, code, title: `Do ${code}`, argv: null, on: 'server', when, relation: 'standby', peer }) as const;
const verdicts = (findings: readonly Finding[]) => findings.map(({ severity, code, relation }) => `${severity} ${code} ${relation?.name} ${relation?.peer}`);

describe('all relations of a server', () => {
  it('are judged each by what was read for it, and every finding says of which relation it is', () => {
    const relations = [madeUpRelation(), madeUpRelation({ name: 'other', peers: [peerNamed('db03')] })];
    const { findings } = judge(relations, madeUpProfile(), {
      present: [sideOf({ position: readValue('9'), words: readValue('hello') }), sideOf({ position: readValue('3') }, { relation: 'other', peer: 'db03' })],
      captured: [
        sideOf({ position: readValue('7') }, { of: 'server' }),
        sideOf({ position: readValue('7') }, { relation: 'other', peer: 'db03', of: 'server' }),
      ],
    });
    expect(findings).toMatchObject([
      {
        severity: 'block',
        code: 'PEER_AHEAD',
        message: '"db02" is past the recovery point of "db01": hello',
        relation: { name: 'standby', peer: 'db02', profile: 'made-up' },
      },
      { severity: 'ok', code: 'RELATION_AGREES', relation: { name: 'other', peer: 'db03', profile: 'made-up' } },
    ]);
  });

  it('are not known where nothing, or not the right side, was read', () => {
    expect(verdicts(judge([madeUpRelation()], madeUpProfile(), { present: [] }).findings)).toEqual(['unknown PEER_UNKNOWN standby db02']);
    const swapped = [sideOf({ position: readValue('1') }, { of: 'server' }), sideOf({ position: readValue('1') }, { relation: 'another' })];
    expect(verdicts(judge([madeUpRelation()], madeUpProfile(), { present: swapped }).findings)).toEqual(['unknown PEER_UNKNOWN standby db02']);
    expect(verdicts(judge([madeUpRelation()], madeUpProfile(), { captured: [] }).findings)).toEqual(['unknown MARKER_NOT_CAPTURED standby db02']);
    const failed = judge([madeUpRelation()], madeUpProfile(), { present: [sideOf({ position: notReadValue() })] }).findings;
    expect(failed).toMatchObject([{ message: expect.stringContaining('AGENT_SILENT: The agent does not answer.'), leavesOpen: ['PEER_AHEAD'] }]);
  });

  it('what was captured is never taken for what is now, nor the other way round', () => {
    const { findings } = judge([madeUpRelation()], madeUpProfile(), { present: state().captured, captured: state().present });
    expect(findings.map(({ code }) => code).sort()).toEqual(['MARKER_NOT_CAPTURED', 'PEER_UNKNOWN']);
  });

  it('give the steps of the rules that hold, filled in, with relation and peer', () => {
    expect(judge([madeUpRelation()], madeUpProfile([REBUILD])).steps).toEqual([
      {
        key: 'rule:REBUILD:db02',
        code: 'REBUILD',
        title: 'Rebuild db02 from db01',
        argv: ['/usr/bin/rebuild', 'db02'],
        on: 'peer',
        when: 'live',
        relation: 'standby',
        peer: 'db02',
      },
    ]);
    expect(judge([madeUpRelation()], madeUpProfile([REBUILD]), { present: [] }).steps).toEqual([]);
  });
});

describe('steps of two relations with one peer', () => {
  const two = [madeUpRelation(), madeUpRelation({ name: 'second' })];
  const both = [sideOf({ position: readValue('9') }), sideOf({ position: readValue('9') }, { relation: 'second' })];
  const captured = [sideOf({ position: readValue('7') }, { of: 'server' }), sideOf({ position: readValue('7') }, { relation: 'second', of: 'server' })];
  const keys = (present: JudgedState['present']) => judge(two, madeUpProfile([REBUILD]), { present, captured }).steps.map(({ key }) => key);

  it('have keys of their own', () => {
    expect(keys(both)).toEqual(['rule:REBUILD:db02', 'rule:REBUILD:db02:second']);
  });

  it('keep them when only one of the two asks for its step: what a plan has shown stays the same step', () => {
    const [, second] = both;
    expect(keys(second === undefined ? [] : [sideOf({ position: readValue('1') }), second])).toEqual(['rule:REBUILD:db02:second']);
    expect(keys([...both].slice(0, 1))).toEqual(['rule:REBUILD:db02']);
  });

  it.each([
    ['a rule of that name without a step', [madeUpRule('REBUILD')], 'rule:REBUILD:db02'],
    ['a step of another name', [{ ...REBUILD, code: 'FENCE' }, madeUpRule('REBUILD')], 'rule:REBUILD:db02'],
    ['such a step, beside other rules', [madeUpRule('AHEAD'), REBUILD, madeUpRule('WORDS')], 'rule:REBUILD:db02:second'],
  ])('are short unless the other relation may ask for a step of the same name: it has %s', (_what, rules, key) => {
    const relations = [madeUpRelation({ profile: 'first' }), madeUpRelation({ name: 'second' })];
    const pairs = pairsOf(relations, madeUpProfile([REBUILD]), madeUpProfile(rules, { name: 'first' }));
    const { steps } = judgeRelations(pairs, state({ present: both, captured }));
    expect(steps.filter(({ relation }) => relation === 'second').map((step) => step.key)).toEqual([key]);
  });

  it('are short where the other one has another peer, and for each peer of one relation', () => {
    const relations = [madeUpRelation({ peers: ['db02', 'db03'].map(peerNamed) }), madeUpRelation({ name: 'second', peers: [peerNamed('db04')] })];
    const places = relations.flatMap(({ name, peers }) => peers.map(({ server }) => ({ relation: name, peer: server })));
    const { steps } = judge(relations, madeUpProfile([REBUILD]), {
      present: places.map((place) => sideOf({ position: readValue('9') }, place)),
      captured: places.map((place) => sideOf({ position: readValue('7') }, { ...place, of: 'server' })),
    });
    expect(steps.map(({ key }) => key)).toEqual(['rule:REBUILD:db02', 'rule:REBUILD:db03', 'rule:REBUILD:db04']);
  });

  it.each<[string, Rule['phases'], Rule['phases']]>([
    ['both of them', ['plan', 'live'], ['plan', 'live']],
    ['the other one only in the plan', ['plan'], ['plan', 'live']],
    ['the other one only later', ['live'], ['plan', 'live']],
    ['it only later', ['plan', 'live'], ['live']],
    ['each in a phase of its own', ['plan'], ['live']],
  ])('are the same in every phase, whoever is judged in it: the step is asked for by %s', (_what, ofFirst, ofSecond) => {
    const asking = (name: string, phases: Rule['phases']) => madeUpProfile([{ ...REBUILD, phases }], { name });
    const relations = [madeUpRelation({ profile: 'first' }), madeUpRelation({ name: 'second' })];
    const pairs = pairsOf(relations, asking('first', ofFirst), asking('made-up', ofSecond));
    const keysIn = (phase: 'plan' | 'live') => {
      const judged = pairs.filter(({ profile }) => hasRules(profile, phase));
      return judgeRelations(judged, state({ phase, present: both, captured }), pairs).steps.map(({ relation, key }) => `${relation}: ${key}`);
    };
    const expected = (phase: 'plan' | 'live') => [
      ...(ofFirst.includes(phase) ? ['standby: rule:REBUILD:db02'] : []),
      ...(ofSecond.includes(phase) ? ['second: rule:REBUILD:db02:second'] : []),
    ];
    expect([keysIn('plan'), keysIn('live')]).toEqual([expected('plan'), expected('live')]);
  });

  it('are short where the texts of the other relation decide that it never asks', () => {
    const relations = [madeUpRelation({ profile: 'first' }), madeUpRelation({ name: 'second' })];
    const never = { ...REBUILD, when: [{ text: '${server}', equals: '${peer}' }] } as Rule;
    const pairs = pairsOf(relations, madeUpProfile([REBUILD]), madeUpProfile([never], { name: 'first' }));
    expect(judgeRelations(pairs, state({ present: both, captured })).steps.map(({ key }) => key)).toEqual(['rule:REBUILD:db02']);
  });
});

describe('what no rules judge', () => {
  const none = new Set<string>();
  const profiles = { byName: new Set(['made-up']), problems: [] };
  const unjudged = (relations: readonly Relation[], known: Parameters<typeof unjudgedFindings>[2] = profiles, retired: ReadonlySet<string> = none) =>
    unjudgedFindings(relations, 'db01', known, retired);

  it('is nothing where a profile judges', () => {
    expect(unjudged([madeUpRelation()])).toEqual([]);
  });

  it('is not known of servers that hold copies of each other, for each peer; a dependency alone says nothing', () => {
    const peers = ['db02', 'db03'].map(peerNamed);
    expect(verdicts(unjudged([madeUpRelation({ profile: null, peers })]))).toEqual([
      'unknown RELATION_NOT_JUDGED standby db02',
      'unknown RELATION_NOT_JUDGED standby db03',
    ]);
    expect(unjudged([madeUpRelation({ profile: null, peers })])).toMatchObject([
      { message: expect.stringContaining('"db01" replicates with "db02", "db03", and'), evidence: [] },
      { evidence: [] },
    ]);
    expect(unjudged([madeUpRelation({ profile: null, type: 'member-of' })])[0]?.message).toContain('is a member with');
    expect(unjudged([madeUpRelation({ profile: null, type: 'depends-on' })])).toEqual([]);
  });

  it('is not known while its profile is not there, also of a dependency that names one', () => {
    const gone = unjudged([madeUpRelation({ profile: 'gone', type: 'depends-on' })]);
    expect(gone).toMatchObject([{ code: 'PROFILE_NOT_FOUND', severity: 'unknown', relation: { name: 'standby', peer: 'db02', profile: 'gone' } }]);
    expect(gone[0]?.message).toMatch(/"gone".* is not there \(relation "standby"\)/);
  });

  it('is not known while the file of its profile is broken, with the first lines of what is wrong there', () => {
    const errors = Array.from({ length: 9 }, (_, index) => `made-up.yaml:${index + 1}:1: is wrong`);
    const problems = [
      { profile: 'other', errors: ['other.yaml:1:1: is wrong, too'] },
      { profile: 'made-up', errors },
    ];
    expect(unjudged([madeUpRelation()], { byName: new Set(), problems })).toMatchObject([
      { code: 'PROFILE_INVALID', severity: 'unknown', message: expect.stringContaining(' was not loaded '), evidence: errors.slice(0, 5) },
    ]);
    expect(unjudged([madeUpRelation()], { byName: new Set(['made-up']), problems: problems.slice(0, 1) })).toEqual([]);
    expect(unjudged([madeUpRelation()], { byName: new Set(), problems: problems.slice(0, 1) })).toMatchObject([{ code: 'PROFILE_NOT_FOUND', evidence: [] }]);
  });

  it('is not known while the directory of profiles cannot be read: any of them may lie there', () => {
    const problems = [{ profile: null, errors: ['/etc/modosu/profiles: cannot be read: EACCES'] }];
    expect(unjudged([madeUpRelation()], { byName: new Set(), problems })).toMatchObject([{ code: 'PROFILE_INVALID', evidence: problems[0]?.errors }]);
  });

  it('says that a peer out of service was not asked, and of each that could not work meanwhile', () => {
    const retired = unjudged([madeUpRelation()], profiles, new Set(['db02']));
    expect(verdicts(retired)).toEqual(['warn PEER_DECOMMISSIONED standby db02']);
    expect(retired[0]?.evidence).toEqual([]);
    const needs = (server: string, more: Partial<Relation> = {}) =>
      madeUpRelation({ name: `${server}-needs`, type: 'depends-on', server, peers: ['db01', 'db03'].map(peerNamed), profile: null, ...more });
    const other = needs('other01', { peers: [peerNamed('db03')] });
    const [finding, ...rest] = unjudged([needs('web01'), needs('app01'), needs('soft01', { strength: 'soft' }), other]);
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({
      code: 'DEPENDANTS_INTERRUPTED',
      severity: 'warn',
      evidence: [expect.stringContaining('web01'), expect.stringContaining('app01')],
    });
    expect(finding?.message).toMatch(/app01.*web01.*cannot work without "db01"/);
    expect(finding?.message).not.toMatch(/soft01|other01/);
    expect(finding?.relation).toBeUndefined();
  });

  it('is not known where only the other side is declared, and known where both are', () => {
    const back = madeUpRelation({ name: 'back', server: 'db02', peers: [peerNamed('db01')] });
    expect(verdicts(unjudged([back]))).toEqual(['unknown RELATION_ONE_WAY back db02']);
    expect(unjudged([back, madeUpRelation()])).toEqual([]);
    expect(unjudged([{ ...back, type: 'depends-on', strength: 'soft' }])).toEqual([]);
    expect(unjudged([back])[0]?.evidence).toEqual([]);
  });

  it.each<[string, Relation, boolean]>([
    ['a relation of the server with another one', madeUpRelation({ peers: [peerNamed('db03')] }), true],
    ['a relation of another server with that one', madeUpRelation({ server: 'db03' }), true],
    ['a relation of the server with that one and others', madeUpRelation({ peers: ['db03', 'db02', 'db04'].map(peerNamed) }), false],
  ])('is not known where the other side has a relation with several servers, unless this one has one with it: %s', (_what, own, isOneWay) => {
    const back = madeUpRelation({ name: 'back', server: 'db02', peers: ['db01', 'db05'].map(peerNamed) });
    expect(verdicts(unjudged([own, back]))).toEqual(isOneWay ? ['unknown RELATION_ONE_WAY back db02'] : []);
  });

  it.each<[string, Partial<Relation>, string | null, boolean]>([
    ['a need without a profile', { type: 'depends-on', profile: null }, 'made-up', true],
    ['a need without a profile, where the other side names none either', { type: 'depends-on', profile: null }, null, true],
    ['a need by other rules, such as of clocks', { type: 'depends-on', profile: 'clock' }, 'made-up', true],
    ['a need by the same rules', { type: 'depends-on' }, 'made-up', false],
    ['a need by rules, where the other side names none', { type: 'depends-on', profile: 'clock' }, null, false],
    ['copies, by other rules', { profile: 'clock' }, 'made-up', false],
    ['copies without a profile, which is told of by itself', { profile: null }, 'made-up', false],
  ])('is not known where the server has, beside the relation of the other side, no more than %s: %#', (_what, own, profile, isOneWay) => {
    const back = madeUpRelation({ name: 'back', server: 'db02', peers: [peerNamed('db01')], profile });
    const found = unjudged([madeUpRelation(own), back], { ...profiles, byName: new Set(['made-up', 'clock']) });
    expect(verdicts(found).includes('unknown RELATION_ONE_WAY back db02')).toBe(isOneWay);
  });
});

const open = (leavesOpen: readonly string[], more: Partial<Finding> = {}) => findingAbout('PEER_UNKNOWN', 'unknown', { leavesOpen, ...more });
const other = (name: string, peer: string) => ({ relation: { name, peer, profile: 'made-up' } });
/** Such as that nothing makes a peer anew that was to be: it may be in no relation. */
function ofNoRelation(finding: Finding): Finding {
  const { relation: _, ...rest } = finding;
  return rest;
}

describe('what stands against going on', () => {
  it('is what blocks and what is not known, unless the same was accepted about the same peer of the same relation', () => {
    const found = [findingAbout('AHEAD', 'block'), open(['AHEAD']), findingAbout('REBUILD', 'step'), findingAbout('OLD', 'warn'), findingAbout('FINE', 'ok')];
    expect(standingAgainst(found, [])).toEqual(found.slice(0, 2));
    expect(standingAgainst(found, found)).toEqual([]);
    expect(standingAgainst(found, [findingAbout('AHEAD', 'block', other('standby', 'db03')), open(['AHEAD'], other('second', 'db02'))])).toEqual(
      found.slice(0, 2),
    );
  });

  it('is accepted as the same where it is of no relation, and not by one of a relation, nor the other way round', () => {
    const [alone, related] = [ofNoRelation(findingAbout('ALONE', 'block')), findingAbout('ALONE', 'block')];
    expect(standingAgainst([alone, related], [alone])).toEqual([related]);
    expect(standingAgainst([alone, related], [related])).toEqual([alone]);
  });

  it('is not accepted by a finding of the same code that was no more than a warning, a step or fine', () => {
    const found = [findingAbout('AHEAD', 'block'), findingAbout('GONE', 'unknown')];
    for (const severity of ['ok', 'warn', 'step'] as const) {
      const planned = [findingAbout('AHEAD', severity), findingAbout('GONE', severity)];
      expect(standingAgainst(found, planned)).toEqual(found);
      expect(worseThan(found, planned)).toEqual(found);
    }
    expect(standingAgainst([findingAbout('AHEAD', 'block')], [findingAbout('AHEAD', 'unknown')])).toHaveLength(1);
    expect(standingAgainst([findingAbout('GONE', 'unknown')], [findingAbout('GONE', 'block')])).toEqual([]);
  });
});

describe('what a recovery point lacks', () => {
  const lacking = (leavesOpen: readonly string[], more: Partial<Finding> = {}) => open(leavesOpen, { code: 'MARKER_NOT_CAPTURED', ...more });
  const found = lacking(['AHEAD', 'REBUILT'], { notKnown: ['server.position.recovery-point'] });

  it('is no news for a plan of an earlier version, which named only what it asked itself', () => {
    expect(worseThan([found], [lacking(['AHEAD'])])).toEqual([]);
  });

  it('is news for one that names all of it, and for one that has nothing of it, or of another peer', () => {
    expect(worseThan([found], [lacking(['AHEAD'], { notKnown: ['server.position.recovery-point'] })])).toEqual([found]);
    expect(worseThan([found], [])).toEqual([found]);
    expect(worseThan([found], [lacking(['AHEAD'], other('standby', 'db03'))])).toEqual([found]);
    expect(worseThan([{ ...found, code: 'PEER_UNKNOWN' }], [open(['AHEAD'], { code: 'PEER_UNKNOWN' })])).toHaveLength(1);
  });
});

describe('what is not known in a run', () => {
  const unread = (notKnown: readonly string[], more: Partial<Finding> = {}) => open(['X'], { notKnown, ...more });
  const stands = (found: Finding, ...planned: readonly Finding[]): boolean => standingAgainst([found], planned).length > 0;

  it('is accepted as what was not known with the plan, and no other marker of that peer', () => {
    const planned = [unread(['peer.entries.now']), unread(['peer.words.now'], { message: 'for another reason' })];
    expect(stands(unread(['peer.entries.now']), ...planned)).toBe(false);
    expect(stands(unread(['peer.entries.now', 'peer.words.now']), ...planned)).toBe(false);
    expect(stands(unread(['peer.context.now', 'peer.entries.now']), ...planned)).toBe(true);
    expect(stands(unread(['peer.entries.now'], other('second', 'db02')), ...planned)).toBe(true);
    expect(notProven({ findings: [unread(['peer.context.now'])], steps: [] }, 'live', { findings: planned })).toHaveLength(1);
    // Nobody has accepted what names nothing either.
    expect(stands(unread([]))).toBe(true);
    expect(stands(unread([]), ...planned)).toBe(false);
  });

  it('is accepted whatever it is where nothing of that peer was known: a peer that does not answer keeps no server from coming back', () => {
    const silent = unread(['peer.entries.now'], { nothingKnown: true });
    expect(stands(unread(['peer.context.now']), silent)).toBe(false);
    expect(stands(unread(['peer.context.now'], other('standby', 'db03')), silent)).toBe(true);
    expect(stands(unread(['peer.context.now'], { code: 'SERVER_UNKNOWN' }), silent)).toBe(true);
    expect(stands(unread(['peer.context.now']), unread(['peer.words.now'], { message: 'for another reason' }), silent)).toBe(false);
    // That nothing is known now does not matter.
    expect(stands(unread(['peer.context.now'], { nothingKnown: true }), unread(['peer.entries.now']))).toBe(true);
  });

  it('is accepted about its peer where an earlier version has made the plan, which has not said what it was', () => {
    expect(stands(unread(['peer.context.now']), open(['X']))).toBe(false);
    expect(stands(open(['X']), unread(['peer.entries.now']))).toBe(false);
  });
});

describe('what a part of a run has not proven', () => {
  /** A plan whose relations are asked in both parts of its run. */
  const asked = (findings: readonly Finding[] = [], asksIn?: readonly ('quarantine' | 'live')[]) => ({
    findings,
    relations: [
      ['standby', 'db02'],
      ['standby', 'db03'],
      ['second', 'db02'],
    ].map(([name, peer]) => ({ ...PLANNED_RELATION, name, peer, asksIn: asksIn ?? ['quarantine', 'live'] })) as readonly PlannedRelation[],
  });

  it('is what stands against it, and what rules still ask for although it should have been done', () => {
    const findings = [
      findingAbout('AHEAD', 'block'),
      findingAbout('CLOCK_OFF', 'step'),
      findingAbout('LATER', 'step'),
      findingAbout('OLD', 'warn'),
      findingAbout('FINE', 'ok'),
    ];
    const said = { findings, steps: [stepAbout('CLOCK_OFF', 'quarantine'), stepAbout('LATER', 'live')] };
    expect(notProven(said, 'quarantine', asked())).toEqual(findings.slice(0, 2));
    expect(notProven(said, 'live', asked())).toEqual(findings.slice(0, 3));
  });

  it('is not settled by a plan that has promised the step, only by one in which the same was accepted as what it is', () => {
    const findings = [findingAbout('AHEAD', 'block'), findingAbout('CLOCK_OFF', 'step')];
    const said = { findings, steps: [stepAbout('CLOCK_OFF', 'quarantine')] };
    expect(notProven(said, 'quarantine', asked(findings))).toEqual(findings.slice(1));
  });

  it('is told by the step of the same relation and peer', () => {
    const findings = [
      findingAbout('CLOCK_OFF', 'step'),
      findingAbout('CLOCK_OFF', 'step', other('standby', 'db03')),
      findingAbout('CLOCK_OFF', 'step', other('second', 'db02')),
    ];
    const steps = [stepAbout('CLOCK_OFF', 'quarantine'), stepAbout('CLOCK_OFF', 'live', 'db03'), { ...stepAbout('CLOCK_OFF', 'live'), relation: 'second' }];
    expect(notProven({ findings, steps }, 'quarantine', asked())).toEqual(findings.slice(0, 1));
    // Whoever would do it is not known: it is not proven.
    expect(notProven({ findings, steps: [] }, 'quarantine', asked())).toEqual(findings);
  });

  it('asks nothing of relations that the run has not asked, as in plans of earlier versions', () => {
    const said = { findings: [findingAbout('AHEAD', 'block'), findingAbout('CLOCK_OFF', 'step')], steps: [stepAbout('CLOCK_OFF', 'quarantine')] };
    expect(notProven(said, 'quarantine', asked([], ['live']))).toEqual(said.findings.slice(0, 1));
    expect(notProven(said, 'quarantine', { findings: [] })).toEqual(said.findings.slice(0, 1));
    expect(notProven(said, 'quarantine', { findings: [], relations: [PLANNED_RELATION] })).toEqual(said.findings.slice(0, 1));
    expect(notProven({ findings: [ofNoRelation(findingAbout('CLOCK_OFF', 'step'))], steps: [] }, 'quarantine', { findings: [] })).toEqual([]);
  });

  it('asks of a relation with one peer what the run has asked it, and nothing of its other peers, of other relations with that peer, or of no relation', () => {
    const asksOf = (name: string, peer: string): PlannedRelation => ({ ...PLANNED_RELATION, name, peer, asksIn: ['quarantine'] });
    const asked = findingAbout('CLOCK_OFF', 'step');
    const findings = [asked, { ...asked, ...other('standby', 'db03') }, { ...asked, ...other('second', 'db02') }, ofNoRelation(asked)];
    const said = { findings, steps: [] };
    expect(notProven(said, 'quarantine', { findings: [], relations: [asksOf('standby', 'db02')] })).toEqual([asked]);
    expect(notProven(said, 'quarantine', { findings: [], relations: [asksOf('second', 'db03'), asksOf('standby', 'db02')] })).toEqual([asked]);
    expect(notProven(said, 'quarantine', { findings: [], relations: [asksOf('second', 'db03')] })).toEqual([]);
  });

  it('leaves warnings to be seen, but that a profile is experimental', () =>
    expect(warningsOf([findingAbout('OLD', 'warn'), findingAbout('PROFILE_EXPERIMENTAL', 'warn'), findingAbout('AHEAD', 'block')])).toEqual([
      findingAbout('OLD', 'warn'),
    ]));
});

describe('what relations say of an undo', () => {
  const steps = [stepAbout('RAISE', 'quarantine'), stepAbout('REBUILD', 'live')];

  it('has steps that nobody carries out: what has to come before the start is against it, what comes after is left to people', () => {
    const findings = [
      findingAbout('RAISE', 'step', { remedy: 'Or do not.' }),
      findingAbout('REBUILD', 'step'),
      findingAbout('AHEAD', 'block'),
      findingAbout('FINE', 'ok'),
    ];
    const found = findingsOfUndo({ findings, steps });
    expect(found.map(({ code, severity }) => `${code} ${severity}`)).toEqual(['RAISE block', 'REBUILD warn', 'AHEAD block', 'FINE ok']);
    expect(found[0]?.remedy).toMatch(/"Do RAISE" would have to be done before the server starts\..* Or do not\.$/);
    expect(found[1]?.remedy).toMatch(/do it yourself: Do REBUILD$/);
    expect(found.slice(2)).toEqual(findings.slice(2));
  });

  it.each([
    ['what blocks under the name of a step', findingAbout('REBUILD', 'block')],
    ['what is fine under the name of one', findingAbout('RAISE', 'ok')],
    ['a step of another relation', findingAbout('REBUILD', 'step', other('second', 'db02'))],
    ['a step about another peer', findingAbout('REBUILD', 'step', other('standby', 'db03'))],
    ['a step about no relation', ofNoRelation(findingAbout('REBUILD', 'step'))],
  ])('leaves as it is what has no step of its own: %s', (_what, finding) => expect(findingsOfUndo({ findings: [finding], steps })).toEqual([finding]));

  it('is worse right before it than in its plan where that does not name it, also what is only left to people', () => {
    const findings = [findingAbout('RAISE', 'step'), findingAbout('REBUILD', 'step'), findingAbout('OLD', 'warn')];
    const found = findingsOfUndo({ findings, steps });
    expect(worseThanUndoPlan(findings, found, [])).toEqual(found.slice(0, 2));
    const elsewhere = [findingAbout('RAISE', 'block', other('second', 'db02')), findingAbout('REBUILD', 'warn', other('standby', 'db03'))];
    expect(worseThanUndoPlan(findings, found, elsewhere)).toEqual(found.slice(0, 2));
    expect(worseThanUndoPlan(findings, found, found.slice(0, 1))).toEqual(found.slice(1, 2));
    expect(worseThanUndoPlan(findings, found, found.slice(1))).toEqual(found.slice(0, 1));
    // As it is now, and as earlier versions have planned it.
    expect(worseThanUndoPlan(findings, found, found)).toEqual([]);
    expect(worseThanUndoPlan(findings, found, findings)).toEqual([]);
    expect(worseThanUndoPlan([findingAbout('AHEAD', 'block')], [findingAbout('AHEAD', 'block')], [])).toHaveLength(1);
  });

  it('is worse where its plan has left to people afterwards what now has to come before the start, as by another profile', () => {
    const asked = [findingAbout('RAISE', 'step')];
    const found = findingsOfUndo({ findings: asked, steps });
    expect(worseThanUndoPlan(asked, found, findingsOfUndo({ findings: asked, steps: [stepAbout('RAISE', 'live')] }))).toEqual(found);
  });
});

describe('what is worse than a plan says', () => {
  it('is also a step that the plan does not have; what has become good is not', () => {
    const planned = [findingAbout('REBUILD', 'step'), findingAbout('AHEAD', 'block')];
    expect(worseThan([findingAbout('REBUILD', 'step')], planned)).toEqual([]);
    expect(worseThan([findingAbout('REBUILD', 'step', other('standby', 'db03'))], planned)).toHaveLength(1);
    expect(worseThan([findingAbout('FINE', 'ok'), findingAbout('OLD', 'warn')], [])).toEqual([]);
  });

  it('is what leaves a rule open that the plan had decided, although something of that peer was not known before', () => {
    const planned = [open(['AHEAD']), open(['GONE'], { message: 'for another reason' })];
    expect(worseThan([open(['AHEAD', 'GONE'])], planned)).toEqual([]);
    expect(worseThan([open(['AHEAD', 'PROMOTED'])], planned)).toHaveLength(1);
    // Of another relation with the same peer, nothing was acknowledged.
    expect(worseThan([open(['AHEAD'], other('second', 'db02'))], planned)).toHaveLength(1);
  });
});

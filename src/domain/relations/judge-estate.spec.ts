import { parseProfileFile } from '../../contracts/api/profile-file';
import type { StoredState } from '../../contracts/judgement';
import type { MarkerReading, Profile } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { unjudgedFindings } from './judge-relations';
import { isJudged, judgeEstate, worstOf, type JudgedEstate } from './judge-estate';

const NOW = new Date('2026-12-01T04:00:00Z');
const PROFILE: Profile = parseProfileFile(
  'number.yaml',
  Buffer.from(`format: modosu-profile
version: 1
name: number
title: A number that both count
status: experimental
description: For tests.
markers:
  - { name: count, type: counter, of: each, isCaptured: true, probe: { kind: command, argv: [/bin/count] } }
rules:
  - code: PEER_AHEAD
    phases: [plan]
    when: [{ compare: { marker: count, of: peer, at: now }, with: { marker: count, of: server, at: recovery-point }, is: [ahead] }]
    severity: block
    message: '"\${peer}" is ahead.'
  - code: PEER_LIVE
    phases: [live]
    when: [{ compare: { marker: count, of: peer, at: now }, with: { marker: count, of: server, at: now }, is: [ahead] }]
    severity: step
    message: Later.
    step: { title: Later, on: server, when: live }
`),
);

const relation = (name: string, server: string, peers: readonly string[], more: Partial<Relation> = {}): Relation => ({
  name,
  type: 'replicates-with',
  server,
  address: null,
  peers: peers.map((peer) => ({ server: peer, address: null })),
  strength: 'hard',
  profile: 'number',
  parameters: {},
  ...more,
});
const read = (value: string): MarkerReading => ({ state: 'read', value, raw: value, at: NOW.toISOString() });
const side = (of: 'server' | 'peer', name: string, peer: string, value: string) => ({ relation: name, peer, of, readings: { count: read(value) } });
const state = (serverId: string, more: Partial<StoredState>): StoredState => ({
  serverId,
  recoveryPointId: `rp_${serverId}`,
  pointInTime: '2026-11-30T01:00:00.000Z',
  captured: [],
  present: [],
  ...more,
});
const SERVERS = ['a', 'b', 'c', 'd'].map((name) => ({ id: `srv_${name}`, name, isDecommissioned: false }));
const judged = (relations: readonly Relation[], states: readonly StoredState[], more: Partial<JudgedEstate> = {}) =>
  judgeEstate({ servers: SERVERS, relations, profiles: { byName: new Map([['number', PROFILE]]), problems: [] }, ...more }, states, NOW);
const shown = (...given: Parameters<typeof judged>) =>
  judged(...given).map(({ serverId, worst, findings }) => [serverId, worst, findings.map(({ code, relation: of }) => `${code} ${of?.peer ?? ''}`.trim())]);

describe('judging an estate', () => {
  const BOTH_WAYS = [relation('ab', 'a', ['b']), relation('ba', 'b', ['a'])];

  it('judges each server by what was captured with its image and what its peers say now, as if it alone were restored', () => {
    const states = [
      state('srv_a', { captured: [side('server', 'ab', 'b', '10')], present: [side('peer', 'ab', 'b', '12')] }),
      state('srv_b', { captured: [side('server', 'ba', 'a', '12')], present: [side('peer', 'ba', 'a', '12')] }),
    ];
    expect(shown(BOTH_WAYS, states)).toEqual([
      ['srv_a', 'block', ['PEER_AHEAD b', 'PROFILE_EXPERIMENTAL b']],
      ['srv_b', 'warn', ['RELATION_AGREES a', 'PROFILE_EXPERIMENTAL a']],
    ]);
    expect(judged(BOTH_WAYS, states)[0]).toMatchObject({ recoveryPointId: 'rp_srv_a' });
  });

  it('never takes what is not known for good: no reading, no marker, no profile, profiles with errors', () => {
    expect(shown(BOTH_WAYS, [state('srv_a', { captured: [side('server', 'ab', 'b', '10')] })])).toEqual([
      ['srv_a', 'unknown', ['PEER_UNKNOWN b', 'PROFILE_EXPERIMENTAL b']],
    ]);
    expect(shown(BOTH_WAYS, [state('srv_a', { present: [side('peer', 'ab', 'b', '10')] })])).toEqual([
      ['srv_a', 'unknown', ['MARKER_NOT_CAPTURED b', 'PROFILE_EXPERIMENTAL b']],
    ]);
    const without = { profiles: { byName: new Map<string, Profile>(), problems: [] } };
    expect(shown(BOTH_WAYS, [state('srv_a', {})], without)).toEqual([['srv_a', 'unknown', ['PROFILE_NOT_FOUND b']]]);
    const wrong = { profiles: { byName: new Map<string, Profile>(), problems: [{ profile: 'number', errors: ['number.yaml:1:1: no'] }] } };
    expect(shown(BOTH_WAYS, [state('srv_a', {})], wrong)).toEqual([['srv_a', 'unknown', ['PROFILE_INVALID b']]]);
  });

  it('keeps what was read for one relation, or one peer, apart from the others', () => {
    const relations = [relation('one', 'a', ['b', 'c']), relation('two', 'a', ['b'])];
    const given = state('srv_a', {
      captured: [side('server', 'one', 'b', '10'), side('server', 'one', 'c', '10'), side('server', 'two', 'b', '10')],
      present: [side('peer', 'one', 'b', '9'), side('peer', 'one', 'c', '11'), side('peer', 'two', 'b', '10')],
    });
    expect(judged(relations, [given])[0]?.findings.flatMap(({ code, relation: of }) => (code === 'PEER_AHEAD' ? [of] : []))).toEqual([
      { name: 'one', peer: 'c', profile: 'number' },
    ]);
  });

  it('does not ask what is out of service, and says so; of a server that is not in the estate it says nothing', () => {
    const servers = SERVERS.map((server) => ({ ...server, isDecommissioned: server.name === 'b' }));
    expect(shown([relation('ab', 'a', ['b'])], [state('srv_a', {}), state('srv_gone', {})], { servers })).toEqual([
      ['srv_a', 'warn', ['PEER_DECOMMISSIONED b']],
    ]);
  });

  it.each<[string, readonly Relation[], string]>([
    ['no profile', [relation('ab', 'a', ['b'], { profile: null }), relation('ba', 'b', ['a'], { profile: null })], 'a'],
    ['a member, and no profile', [relation('ab', 'a', ['b'], { type: 'member-of', profile: null })], 'a'],
    ['the other side alone', [relation('ba', 'b', ['a'])], 'a'],
    ['a profile that is not there', [relation('ab', 'a', ['b'], { profile: 'gone' })], 'a'],
    ['the need of another with a profile', [relation('ab', 'a', ['b'], { type: 'depends-on' })], 'a'],
    ['the need of another', [relation('ab', 'a', ['b'], { type: 'depends-on', profile: null })], 'a'],
    ['a need, and the other side', [relation('ab', 'a', ['b'], { type: 'depends-on', profile: null }), relation('ba', 'b', ['a'])], 'a'],
    ['being needed', [relation('ba', 'b', ['a'], { type: 'depends-on' })], 'a'],
  ])('comes to the verdict of a plan where no profile judges, or a relation is declared one way: %s', (_what, relations, name) => {
    const profiles = { byName: new Map([['number', PROFILE]]), problems: [] };
    const unjudged = unjudgedFindings(relations, name, profiles, new Set());
    const [found] = judged(relations, [state(`srv_${name}`, {})]);
    expect(found?.findings).toEqual(expect.arrayContaining([...unjudged]));
    // Who is not judged has nothing in the way that a plan would name.
    const isInTheWay = (found?.findings ?? []).some(({ severity }) => severity !== 'ok' && severity !== 'warn');
    expect(isJudged(relations, name)).toBe(isInTheWay);
  });

  it.each<[string, Relation, readonly string[]]>([
    ['several hold copies', relation('abc', 'a', ['b', 'c']), ['a', 'b', 'c']],
    ['several are needed, by rules', relation('abc', 'a', ['b', 'c'], { type: 'depends-on' }), ['a']],
    ['several are needed', relation('abc', 'a', ['b', 'c'], { type: 'depends-on', profile: null }), []],
  ])('judges those that a relation says anything of, and nobody else: %s', (_what, one, names) => {
    expect(['a', 'b', 'c', 'd'].filter((name) => isJudged([one], name))).toEqual(names);
  });

  it('has nothing to say of a server without relations', () => {
    expect(shown([relation('ab', 'a', ['b'])], [state('srv_d', {})])).toEqual([['srv_d', 'ok', []]]);
  });

  it('says of a peer that is declared from the other side alone that it is not known', () => {
    expect(shown([relation('ca', 'c', ['a']), relation('ad', 'a', ['d'], { type: 'depends-on', profile: null })], [state('srv_a', {})])).toEqual([
      ['srv_a', 'unknown', ['RELATION_ONE_WAY c']],
    ]);
  });
});

it('the worst of findings is what stops a restore, then what may, then what has to be done', () => {
  expect(worstOf([])).toBe('ok');
  expect(worstOf([{ severity: 'warn' }, { severity: 'ok' }])).toBe('warn');
  expect(worstOf([{ severity: 'warn' }, { severity: 'step' }])).toBe('step');
  expect(worstOf([{ severity: 'step' }, { severity: 'unknown' }])).toBe('unknown');
  expect(worstOf([{ severity: 'unknown' }, { severity: 'block' }, { severity: 'ok' }])).toBe('block');
});

import { madeUpMarker, madeUpProfile, madeUpRelation, madeUpRule, REBUILD } from '../../../test/support/made-up-relations';
import { capturedMarkers, hasRules, judgedPairs, wantedMarkers } from './pairs';

const profile = madeUpProfile();
const known = new Map([[profile.name, profile]]);

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
    expect(names(capturedMarkers(profile))).toEqual({ server: ['identity', 'position'], peer: ['position'] });
    const ofPeer = madeUpProfile([], { markers: [madeUpMarker('serial', { of: 'peer', isCaptured: true }), madeUpMarker('other', { isCaptured: false })] });
    expect(names(capturedMarkers(ofPeer))).toEqual({ server: [], peer: ['serial'] });
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

it('a profile has rules for a phase, or none', () => {
  expect([hasRules(profile, 'plan'), hasRules(profile, 'quarantine'), hasRules(profile, 'live')]).toEqual([true, true, true]);
  expect(hasRules(madeUpProfile([REBUILD]), 'live')).toBe(false);
});

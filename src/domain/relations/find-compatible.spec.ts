import { forManyCases, type Chance } from '../../../test/support/many-cases';
import type { Finding } from '../../contracts/plan';
import type { MarkerReading, Profile, Rule } from '../../contracts/profile';
import type { SideReadings } from '../../contracts/reading';
import { compatibleOf, tryPoint, type CompatibleSearch, type JudgedBy, type PointToTry } from './find-compatible';
import { judgeRelations } from './judge-relations';
import type { RelationPair } from './pairs';

/** The server has a position in every recovery point; a peer that is ahead of it blocks, one with another epoch asks for a step. */

const NOW = new Date('2026-03-10T12:00:00Z');
const CASES = 1_000;

const rule = (code: string, severity: 'block' | 'step', marker: string): Rule => ({
  code,
  phases: ['plan'],
  when: [{ compare: { marker, of: 'peer', at: 'now' }, with: { marker, of: 'server', at: 'recovery-point' }, is: ['ahead'] }],
  severity,
  message: `\${peer} is ahead in ${marker}.`,
  remedy: 'Rebuild ${peer}.',
  step: severity === 'step' ? { title: 'Raise it', argv: null, on: 'peer', when: 'live' } : null,
});

const marker = (name: string): Profile['markers'][number] => ({
  name,
  type: 'counter',
  of: 'each',
  probe: { kind: 'command', argv: ['/usr/bin/position', name] },
  timeoutSeconds: 5,
  isCaptured: true,
});

const PROFILE: Profile = {
  format: 'modosu-profile',
  version: 1,
  name: 'positions',
  title: 'Positions',
  status: 'proven',
  description: '',
  parameters: [],
  markers: [marker('position'), marker('epoch')],
  rules: [rule('PEER_AHEAD', 'block', 'position'), rule('EPOCH_AHEAD', 'step', 'epoch')],
};

const PAIRS: readonly RelationPair[] = ['db02', 'db03'].map((peer) => ({
  relation: { name: 'copies', type: 'replicates-with', server: 'db01', address: null, peers: [], strength: 'hard', profile: 'positions', parameters: {} },
  peer: { server: peer, address: null },
  profile: PROFILE,
}));

/** Of one side: numbers; null: it could not be read. */
interface Positions {
  readonly position: number | null;
  readonly epoch: number | null;
}

const read = (value: number | null): MarkerReading =>
  value === null
    ? { state: 'failed', code: 'PROBE_FAILED', message: 'no answer', at: NOW.toISOString() }
    : { state: 'read', value: String(value), raw: String(value), at: NOW.toISOString() };

const side = (peer: string, of: 'server' | 'peer', { position, epoch }: Positions): SideReadings => ({
  relation: 'copies',
  peer,
  of,
  readings: { position: read(position), epoch: read(epoch) },
});

interface Case {
  readonly points: readonly (PointToTry & { readonly captured: Positions })[];
  readonly peers: Readonly<Record<string, Positions>>;
  readonly standing: readonly Finding[];
}

/** Newest first; the day is the generation. */
const pointsOf = (captured: readonly Positions[]): Case['points'] =>
  captured.map((one, index) => {
    const generation = captured.length - index;
    return { id: `rp_${generation}`, generation, pointInTime: new Date(Date.UTC(2026, 0, generation)).toISOString(), setId: null, captured: one };
  });

const byOf = ({ peers, standing }: Case): JudgedBy => ({
  pairs: PAIRS,
  standing,
  present: Object.entries(peers).map(([name, positions]) => side(name, 'peer', positions)),
  now: NOW,
});

const capturedOf = ({ captured }: Case['points'][number]): readonly SideReadings[] => PAIRS.map(({ peer }) => side(peer.server, 'server', captured));

const search = (given: Case): CompatibleSearch => compatibleOf(given.points.map((point) => tryPoint(point, capturedOf(point), byOf(given))));

const newestOf = ({ found }: CompatibleSearch): number => found?.point.generation ?? 0;

describe('the search for a recovery point that the peers accept', () => {
  const at = (position: number | null, epoch: number | null = 1): Positions => ({ position, epoch });
  const of = (captured: readonly Positions[], peer: Positions, standing: readonly Finding[] = []): CompatibleSearch =>
    search({ points: pointsOf(captured), peers: { db02: peer, db03: at(0, 0) }, standing });

  it('gives the newest where nothing speaks against it', () => {
    expect(of([at(9), at(8)], at(9))).toMatchObject({ found: { point: { generation: 2 }, verdict: 'free', because: [] }, newerWithSteps: null, tried: [{}] });
  });

  it('passes over what blocks and what is not known, and says what each was refused for', () => {
    const { found, tried } = of([at(5), at(null), at(7), at(3)], at(6));
    expect(found).toMatchObject({ point: { id: 'rp_2' }, verdict: 'free' });
    expect(tried.map(({ point, verdict, because }) => [point.generation, verdict, [...new Set(because.map(({ code }) => code))]])).toEqual([
      [4, 'refused', ['PEER_AHEAD']],
      [3, 'refused', ['MARKER_NOT_CAPTURED']],
      [2, 'free', []],
    ]);
  });

  it('prefers one that asks for nothing to a newer one that asks for steps, and names that, too', () => {
    const { found, newerWithSteps } = of([at(5), at(7, 1), at(8, 1), at(9, 2)], at(6, 2));
    expect(found).toMatchObject({ point: { generation: 1 }, verdict: 'free' });
    expect(newerWithSteps).toMatchObject({ point: { generation: 3 }, verdict: 'steps', because: [{ code: 'EPOCH_AHEAD', severity: 'step' }] });
  });

  it('is content with steps where nothing is free of them', () => {
    expect(of([at(5), at(7, 1)], at(6, 2))).toMatchObject({ found: { point: { generation: 1 }, verdict: 'steps' }, newerWithSteps: null });
  });

  it('finds nothing where every one is refused, where there is none, and where something is not known whatever is restored', () => {
    expect(of([at(5), at(4)], at(6))).toMatchObject({ found: null, newerWithSteps: null, tried: [{}, {}] });
    expect(of([], at(6))).toEqual({ found: null, newerWithSteps: null, tried: [] });
    const standing: Finding = { code: 'RELATION_NOT_JUDGED', severity: 'unknown', message: 'x', evidence: [] };
    expect(of([at(9), at(8)], at(1), [standing]).found).toBeNull();
    expect(of([at(9)], at(1), [{ ...standing, code: 'DEPENDANTS_INTERRUPTED', severity: 'warn' }]).found).toMatchObject({ verdict: 'free' });
  });

  it('holds for every one that is tried: without relations the newest is as good as any', () => {
    const points = pointsOf([at(1), at(2)]);
    const alone: JudgedBy = { pairs: [], standing: [], present: [], now: NOW };
    expect(newestOf(compatibleOf(points.map((point) => tryPoint(point, [], alone))))).toBe(2);
  });

  describe('whatever was captured and whatever the peers say', () => {
    const positions = (chance: Chance): Positions => ({
      position: chance.is(10) ? null : chance.below(12),
      epoch: chance.is(10) ? null : chance.below(4),
    });
    const caseBy = (chance: Chance): Case => ({
      points: pointsOf(chance.some(9, () => positions(chance))),
      // Known peers, so that something is found often enough.
      peers: {
        db02: chance.is(10) ? positions(chance) : { position: chance.below(12), epoch: chance.below(4) },
        db03: { position: chance.below(6), epoch: 0 },
      },
      standing: chance.is(5) ? [{ code: 'RELATION_ONE_WAY', severity: 'unknown', message: 'x', evidence: [] }] : [],
    });

    it('it is the newest for which judging finds nothing, else the newest for which it finds only steps, else none', () => {
      let found = 0;
      forManyCases(CASES, (chance) => {
        const given = caseBy(chance);
        const by = byOf(given);
        const said = given.points.map((point) =>
          [
            ...judgeRelations(PAIRS, { phase: 'plan', present: by.present, captured: capturedOf(point), pointInTime: point.pointInTime, now: NOW }).findings,
            ...given.standing,
          ].map(({ severity }) => severity),
        );
        const without = (...severities: readonly Finding['severity'][]): number =>
          given.points[said.findIndex((of) => !of.some((severity) => severities.includes(severity)))]?.generation ?? 0;
        const result = search(given);
        expect(newestOf(result)).toBe(without('block', 'unknown', 'step') || without('block', 'unknown'));
        if (result.newerWithSteps !== null) expect(result.newerWithSteps.point.generation).toBe(without('block', 'unknown'));
        if (newestOf(result) > 0) found += 1;
      });
      expect(found).toBeGreaterThan(CASES / 5);
    });

    it('a peer that moves on makes nothing newer acceptable, and neither does one that falls silent', () => {
      forManyCases(CASES, (chance) => {
        const given = caseBy(chance);
        const { db02 } = given.peers;
        const later: Positions = {
          position: db02?.position == null || chance.is(20) ? null : db02.position + chance.below(4),
          epoch: db02?.epoch == null || chance.is(20) ? null : db02.epoch + chance.below(2),
        };
        const [before, after] = [search(given), search({ ...given, peers: { ...given.peers, db02: later } })];
        const bestOf = ({ found, newerWithSteps }: CompatibleSearch): number => (newerWithSteps ?? found)?.point.generation ?? 0;
        expect(bestOf(after)).toBeLessThanOrEqual(bestOf(before));
        const freeOf = ({ found }: CompatibleSearch): number => (found?.verdict === 'free' ? found.point.generation : 0);
        expect(freeOf(after)).toBeLessThanOrEqual(freeOf(before));
      });
    });

    it('older recovery points never change what was found of the newer ones, unless nothing was free', () => {
      forManyCases(CASES, (chance) => {
        const given = caseBy(chance);
        const all = search(given);
        // What was looked at is enough: who stops at the first free one finds the same.
        expect(search({ ...given, points: given.points.slice(0, all.tried.length) })).toEqual(all);
        if (all.found?.verdict === 'free') expect(all.tried.at(-1)).toBe(all.found);
        else expect(all.tried).toHaveLength(given.points.length);
      });
    });
  });
});

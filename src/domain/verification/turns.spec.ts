import { bootPlace, DATA_PLACE, imagePlace, isOutdated, nextTurn, placesFoundAway, placesOfRestores } from './turns';

const MAIN = imagePlace('main');
const BOOTS = bootPlace('kvm1');
const at = (minute: number): Date => new Date(Date.UTC(2026, 2, 1, 0, minute));

describe('whose turn it is', () => {
  const asked = [
    { id: 'vrf_1', place: MAIN },
    { id: 'vrf_2', place: BOOTS },
    { id: 'vrf_3', place: DATA_PLACE },
  ];
  it('the first whose place has room: one reader of a repository, one boot on a hypervisor, two readers of data', () => {
    expect(nextTurn(asked, [], new Map()).begin?.id).toBe('vrf_1');
    const reads = { id: 'vrf_8', place: MAIN };
    const boots = { id: 'vrf_9', place: BOOTS };
    expect(nextTurn(asked, [reads], new Map()).begin?.id).toBe('vrf_2');
    const both = nextTurn(asked, [reads, boots], new Map());
    expect(both.begin?.id).toBe('vrf_3');
    expect([...both.waitsFor]).toEqual([
      ['vrf_1', 'verification vrf_8 reads the same repository'],
      ['vrf_2', 'verification vrf_9 boots an image there'],
    ]);
    expect([...both.taken]).toEqual([MAIN, BOOTS]);
    const data = [1, 2].map((id) => ({ id: `vrf_d${id}`, place: DATA_PLACE }));
    expect(nextTurn(asked, [reads, boots, ...data.slice(1)], new Map()).begin?.id).toBe('vrf_3');
    expect(nextTurn(asked, [reads, boots, ...data], new Map()).begin).toBeNull();
  });
  it('of two repositories, or two hypervisors, neither waits for the other', () => {
    const running = [
      { id: 'vrf_8', place: imagePlace('other') },
      { id: 'vrf_9', place: bootPlace('kvm2') },
    ];
    expect(nextTurn(asked, running, new Map())).toMatchObject({ begin: { id: 'vrf_1' }, waitsFor: new Map() });
  });
  it('and for a second reader of data there is room: it is not taken before', () => {
    const [first, second] = [
      { id: 'vrf_d1', place: DATA_PLACE },
      { id: 'vrf_d2', place: DATA_PLACE },
    ] as const;
    expect([...nextTurn(asked, [first], new Map()).taken]).toEqual([]);
    const { taken, waitsFor } = nextTurn(asked, [first, second], new Map());
    expect([[...taken], [...waitsFor]]).toEqual([[DATA_PLACE], [['vrf_3', 'verification vrf_d2 reads the same repository']]]);
  });
  it("nobody's in a place that is a restore's", () => {
    const { begin, waitsFor, taken } = nextTurn(asked.slice(0, 1), [], new Map([[MAIN, 'run run_1 restores']]));
    expect([begin, waitsFor.get('vrf_1'), [...taken]]).toEqual([null, 'run run_1 restores', [MAIN]]);
  });
});

it("a restore's own are its repository, all data, and its hypervisor, while it waits for nobody", () => {
  const where = () => ({ repository: 'main', hypervisor: 'kvm1' });
  const run = (kind: string, waitingFor: string | null = null) => ({ id: 'run_1', kind, waitingFor });
  expect([...placesOfRestores([run('restore-server')], where)]).toEqual([DATA_PLACE, MAIN, BOOTS].map((place) => [place, 'run run_1 restores']));
  expect([...placesOfRestores([run('restore-data')], () => ({ repository: null, hypervisor: null })).keys()]).toEqual([DATA_PLACE]);
  expect([...placesOfRestores([run('backup-image'), run('restore-server', 'go-live')], where)]).toEqual([]);
});

it('places are away that were so the last time', () => {
  const ended = (place: string, minute: number, code: 'REPOSITORY_UNREACHABLE' | 'HYPERVISOR_UNREACHABLE' | 'NOT_ENOUGH_MEMORY' | null) => ({
    place,
    state: code === null ? 'passed' : 'not-run',
    finishedAt: at(minute),
    error: code === null ? null : { code },
  });
  expect(placesFoundAway([ended(MAIN, 2, 'REPOSITORY_UNREACHABLE'), ended(MAIN, 1, null), ended(BOOTS, 1, 'HYPERVISOR_UNREACHABLE')])).toEqual([MAIN, BOOTS]);
  expect(placesFoundAway([ended(MAIN, 1, 'REPOSITORY_UNREACHABLE'), ended(MAIN, 2, null), ended(BOOTS, 1, 'NOT_ENOUGH_MEMORY')])).toEqual([]);
});

it.each([
  [
    'what has failed was read, so that its place is there',
    [{ place: MAIN, state: 'failed', finishedAt: at(1), error: { code: 'REPOSITORY_UNREACHABLE' } }],
    [],
  ],
  ['what could not be carried out, nobody knows why', [{ place: MAIN, state: 'not-run', finishedAt: at(1), error: null }], []],
  [
    'what has ended at an unknown time counts as the oldest',
    [
      { place: MAIN, state: 'passed', finishedAt: null, error: null },
      { place: MAIN, state: 'not-run', finishedAt: at(1), error: { code: 'REPOSITORY_UNREACHABLE' } },
      { place: MAIN, state: 'passed', finishedAt: null, error: null },
    ],
    [MAIN],
  ],
] as const)('of places that are away: %s', (_rule, ended, away) => expect(placesFoundAway(ended)).toEqual(away));

it('a verdict says nothing about what somebody else has found damaged since it began', () => {
  const damaged = { state: 'damaged', checkedAt: at(5) };
  expect(isOutdated(damaged, { startedAt: at(4) })).toBe(true);
  expect(isOutdated(damaged, { startedAt: at(6) })).toBe(false);
  expect(isOutdated(damaged, { startedAt: damaged.checkedAt })).toBe(false);
  expect(isOutdated(damaged, { startedAt: null })).toBe(false);
  expect(isOutdated({ ...damaged, checkedAt: null }, { startedAt: at(4) })).toBe(false);
  expect(isOutdated({ ...damaged, state: 'usable' }, { startedAt: at(4) })).toBe(false);
});

import { busySeconds, isWork, overheadSeconds, summarise } from './statistics';

const step = (key: string, from: number | null, to: number | null) => ({
  key,
  startedAt: from === null ? null : new Date(from * 1000).toISOString(),
  finishedAt: to === null ? null : new Date(to * 1000).toISOString(),
});

describe('figures of several rounds', () => {
  it('are the least and the one in the middle', () => {
    expect(summarise([3, 1, 2])).toEqual({ min: 1, median: 2, rounds: 3 });
    expect(summarise([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, rounds: 4 });
    expect(summarise([7])).toEqual({ min: 7, median: 7, rounds: 1 });
    expect(() => summarise([])).toThrow('no measurement');
  });
});

describe('the time a run needs for itself', () => {
  it('is what is left without copying, booting and checking', () => {
    const steps = [step('examine', 0, 1), step('copy:vda', 1, 5), step('checksum:vda', 5, 6), step('publish', 6, 6.5), step('agent', null, null)];
    expect(overheadSeconds(7, steps)).toBeCloseTo(2);
  });

  it('counts steps side by side once', () => {
    expect(busySeconds([step('copy:vdb', 2, 6), step('copy:vda', 1, 5), step('copy:vdc', 3, 4), step('copy:vdd', 10, 11)])).toBe(6);
    expect(busySeconds([])).toBe(0);
  });

  it('does not include what runs beside an online copy, which goes on from the point in time', () => {
    const begin = { ...step('begin', 0, 3), detail: { pointInTime: new Date(2_000).toISOString() } };
    expect(overheadSeconds(7, [begin, step('definition', 3, 4), step('copy:vda', 4, 6), step('publish', 6, 7)])).toBeCloseTo(3);
  });

  it('includes everything that only Modosu needs', () => {
    const own = [
      'examine',
      'check',
      'recheck',
      'fence',
      'reserve',
      'begin',
      'definition',
      'nvram',
      'swap',
      'go-live',
      'publish',
      'catalogue',
      'record',
      'release',
    ];
    expect(own.filter(isWork)).toEqual([]);
    expect(['copy:vda', 'checksum:vda', 'stop', 'start', 'power', 'agent', 'health:shop'].every(isWork)).toBe(true);
  });
});

import type { OffsiteCopyState } from '../../contracts/offsite-copies';
import { newestWhole, requireCopied } from './whole-copies';

type CopiedPoint = Parameters<typeof newestWhole>[0][number];

const at = (day: number): Date => new Date(Date.UTC(2026, 2, day));
const image = (id: string, day: number, parentId: string | null = null): CopiedPoint => ({
  id,
  kind: 'image',
  dataSet: null,
  purpose: null,
  pointInTime: at(day),
  parentId,
});
const data = (id: string, day: number, dataSet: string, purpose: CopiedPoint['purpose'] = 'backup'): CopiedPoint => ({
  ...image(id, day),
  kind: 'data',
  dataSet,
  purpose,
});
const copy = (recoveryPointId: string, state: OffsiteCopyState = 'copied', offsite = 'vault') => ({ recoveryPointId, offsite, state });

describe('what can be restored from an off-site repository alone', () => {
  it('is the newest image of which all that it builds on is there', () => {
    const points = [image('full', 1), image('middle', 2, 'full'), image('top', 3, 'middle')];
    expect(newestWhole(points, [copy('full'), copy('middle'), copy('top')], 'vault', null).image).toBe('top');
    expect(newestWhole(points, [copy('full'), copy('top')], 'vault', null).image).toBe('full');
    expect(newestWhole(points, [copy('middle'), copy('top')], 'vault', null).image).toBeNull();
    expect(newestWhole([image('top', 3, 'unknown')], [copy('top')], 'vault', null).image).toBeNull();
  });

  it('is the newest of each data set beside it, and nothing that was saved for safety alone', () => {
    const points = [data('new', 3, 'shop'), data('old', 1, 'shop'), data('safety', 4, 'shop', 'safety'), data('files', 2, 'files')];
    const found = newestWhole(
      points,
      points.map(({ id }) => copy(id)),
      'vault',
      null,
    );
    expect(found).toEqual({
      image: null,
      data: [
        { dataSet: 'files', recoveryPointId: 'files' },
        { dataSet: 'shop', recoveryPointId: 'new' },
      ],
    });
  });

  it('is no later than asked for; of one moment the one with the greater id', () => {
    const points = [image('a', 1), image('b', 1), image('c', 2)];
    const copies = points.map(({ id }) => copy(id));
    expect(newestWhole(points, copies, 'vault', at(1).toISOString()).image).toBe('b');
    expect(newestWhole(points, copies, 'vault', at(2).toISOString()).image).toBe('c');
  });

  it('is whole there, and not at another place', () => {
    const states: readonly OffsiteCopyState[] = ['waiting', 'copying', 'failed', 'damaged', 'deleted'];
    for (const state of states) expect(newestWhole([image('a', 1)], [copy('a', state)], 'vault', null).image).toBeNull();
    expect(newestWhole([image('a', 1)], [copy('a', 'copied', 'disk')], 'vault', null).image).toBeNull();
  });
});

it('what is to be fetched has a whole copy, and the first one without is named', () => {
  const copies = [copy('a'), copy('b', 'damaged'), copy('c', 'copied', 'disk')];
  expect(() => requireCopied(['a'], copies, 'vault')).not.toThrow();
  expect(() => requireCopied([], copies, 'vault')).not.toThrow();
  for (const lacking of ['b', 'c', 'd']) {
    expect(() => requireCopied(['a', lacking], copies, 'vault')).toThrow(
      expect.objectContaining({ code: 'OFFSITE_COPY_NOT_FOUND', context: { recoveryPointId: lacking, offsite: 'vault' } }) as Error,
    );
  }
});

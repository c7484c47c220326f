import { readValue, sideOf } from '../../../test/support/made-up-relations';
import { ERROR_CODES } from '../../contracts/error-codes';
import { formatBytes } from '../../contracts/format';
import { MAX_CAPTURED_BYTES, withinRoom } from './captured';

const side = (peer: string, characters: number) => sideOf({ position: readValue('x'.repeat(characters)) }, { peer });

it('what fits is kept as it is', () => {
  const sides = [side('db02', 10), side('db03', 10)];
  expect(withinRoom(sides)).toEqual(sides);
  expect(withinRoom([])).toEqual([]);
});

it('what does not fit is written down as too large, marker by marker, with its moment', () => {
  const sides = [side('db02', 100), sideOf({ position: readValue('1'), words: readValue('y'.repeat(500)) }, { peer: 'db03' })];
  const [kept, left] = withinRoom(sides, 600);
  expect(kept).toEqual(sides[0]);
  expect(left).toEqual({
    relation: 'standby',
    peer: 'db03',
    of: 'peer',
    readings: Object.fromEntries(
      ['position', 'words'].map((name) => [
        name,
        { state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE', message: expect.stringContaining('no room'), at: '2026-03-10T12:00:00.000Z' },
      ]),
    ),
  });
});

it('one that is far too large takes nothing from those after it', () => {
  const kept = withinRoom([side('db02', 2 * MAX_CAPTURED_BYTES), side('db03', 10)]);
  expect(kept[0]?.readings['position']).toMatchObject({ state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE' });
  expect(ERROR_CODES.PROBE_OUTPUT_TOO_LARGE.hint).toContain(`those of one recovery point together ${formatBytes(MAX_CAPTURED_BYTES)}`);
  expect(kept[1]).toEqual(side('db03', 10));
});

it('what is kept stays within the room, counted as it is written', () => {
  const wide = (peer: string) => sideOf({ position: readValue('語'.repeat(5_000)) }, { peer });
  const many = withinRoom(Array.from({ length: 200 }, (_, index) => wide(`db${index}`)));
  const read = many.filter(({ readings }) => readings['position']?.state === 'read');
  expect(Buffer.byteLength(JSON.stringify(read))).toBeLessThanOrEqual(MAX_CAPTURED_BYTES + read.length + 2);
  expect([many.length, read.length > 30]).toEqual([200, true]);
});

it('what is said of those that do not fit has an end, too', () => {
  const sides = Array.from({ length: 1_000 }, (_, index) => side(`db${index}`, 100));
  const kept = withinRoom(sides, 2_000);
  expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThan(5_000);
  expect(kept.at(-1)?.readings['position']).toMatchObject({ state: 'failed' });
});

it('what fits to the last byte is kept, and so is what is said of one that does not', () => {
  const one = side('db02', 10);
  const size = new TextEncoder().encode(JSON.stringify(one)).length;
  expect(withinRoom([one], size)).toEqual([one]);
  const large = side('db02', 500);
  const [note] = withinRoom([large], 400);
  const noteSize = new TextEncoder().encode(JSON.stringify(note)).length;
  expect([withinRoom([large], noteSize).length, withinRoom([large], noteSize - 1).length]).toEqual([1, 0]);
});

import { sha256Of } from '../../system/sha256';
import { parseSegmentList, renderSegmentList, segmentCount, SEGMENT_SIZE_BYTES } from './segment-list';

const digest = (digit: string): string => digit.repeat(64);

describe('segment list', () => {
  const list = { sizeBytes: 40, segmentSizeBytes: 16, digests: [digest('a'), digest('b'), digest('c')] };
  const text = `modosu-segments 1 size=40 segment=16\n${digest('a')}\n${digest('b')}\n${digest('c')}\n`;

  it('is written as the format says and read back', () => {
    expect(renderSegmentList(list)).toBe(text);
    expect(parseSegmentList(text)).toEqual(list);
    expect(parseSegmentList('modosu-segments 1 size=0 segment=16\n')).toEqual({ sizeBytes: 0, segmentSizeBytes: 16, digests: [] });
  });

  it.each([
    ['nothing', ''],
    ['another version', text.replace('segments 1', 'segments 2')],
    ['too few checksums', text.replace(`${digest('c')}\n`, '')],
    ['too many checksums', `${text}${digest('d')}\n`],
    ['no end of the last line', text.slice(0, -1)],
    ['something behind its end', `${text}x`],
    ['something before its header', `x${text}`],
    ['something behind its header', text.replace('segment=16', 'segment=16 x')],
    ['something before a checksum', text.replace(digest('a'), `x${digest('a')}`)],
    ['something behind a checksum', text.replace(digest('a'), `${digest('a')}x`)],
    ['no segments of no size', 'modosu-segments 1 size=0 segment=0\n'],
    ['an empty line', text.replace('\n', '\n\n')],
    ['Windows lines', text.replaceAll('\n', '\r\n')],
    ['upper case', text.replace(digest('a'), digest('A'))],
    ['a short checksum', text.replace(digest('a'), 'a'.repeat(63))],
    ['a segment size of zero', text.replace('segment=16', 'segment=0')],
    ['a negative size', text.replace('size=40', 'size=-40')],
    ['an absurd size', text.replace('size=40', 'size=99999999999999999999')],
  ])('is refused with %s', (_, wrong) => {
    expect(parseSegmentList(wrong)).toBeNull();
  });

  it('is known by its own checksum, and by the size of its segments', () => {
    for (const bytes of ['abc', new TextEncoder().encode('abc')]) {
      expect(sha256Of(bytes)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    }
    expect(SEGMENT_SIZE_BYTES).toBe(16_777_216);
  });

  it('counts a short last segment', () => {
    expect([0, 1, 16, 17, 32].map((size) => segmentCount(size, 16))).toEqual([0, 1, 1, 2, 2]);
  });
});

/** Format 1 of the repository: recorded in every manifest and segment list, so that a later format may choose another. */
export const SEGMENT_SIZE_BYTES = 16 * 1024 ** 2;

/** The checksums of an image, segment by segment (REPOSITORY-FORMAT, "Segment list"). */
export interface SegmentList {
  /** Of the image. */
  readonly sizeBytes: number;
  readonly segmentSizeBytes: number;
  /** Lower-case hex SHA-256 of each segment, in order; the last segment may be shorter. */
  readonly digests: readonly string[];
}

const HEADER = /^modosu-segments 1 size=(\d{1,16}) segment=(\d{1,10})$/;
const DIGEST = /^[0-9a-f]{64}$/;

export const segmentCount = (sizeBytes: number, segmentSizeBytes: number): number => Math.ceil(sizeBytes / segmentSizeBytes);

export function renderSegmentList(list: SegmentList): string {
  return [`modosu-segments 1 size=${list.sizeBytes} segment=${list.segmentSizeBytes}`, ...list.digests, ''].join('\n');
}

/** Null for any text that `renderSegmentList` does not write. */
export function parseSegmentList(text: string): SegmentList | null {
  const lines = text.split('\n');
  const header = HEADER.exec(lines[0] ?? '');
  if (header === null || lines.at(-1) !== '') return null;
  const list = { sizeBytes: Number(header[1]), segmentSizeBytes: Number(header[2]), digests: lines.slice(1, -1) };
  if (list.segmentSizeBytes === 0 || list.digests.length !== segmentCount(list.sizeBytes, list.segmentSizeBytes)) return null;
  return list.digests.every((digest) => DIGEST.test(digest)) ? list : null;
}

import { ModosuError } from '../contracts/errors';

/**
 * Reads and judges the header of a qcow2 image from its first bytes, before any QEMU tool opens the file: a header can name
 * other files of the host (backing file, data file) and can make a tool allocate without bound. Facts are from QEMU's
 * `docs/interop/qcow2.txt`; the limits are QEMU's own (`block/qcow2.h`) unless said otherwise.
 */

/** How many bytes of the beginning a caller should read: header, extensions and backing name lie in them. */
export const QCOW2_START_BYTES = 65_536;
/** Ours: nothing we know of has larger disks, and a larger table would be an attack on memory. */
export const MAX_VIRTUAL_SIZE_BYTES = 64 * 1024 ** 4;

const MAGIC = 0x514649fb;
const MAX_L1_TABLE_BYTES = 32 * 1024 ** 2;
const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 ** 2;
const MAX_BACKING_NAME_BYTES = 1023;
const MAX_SNAPSHOTS = 65_536;

const DIRTY_BIT = 0;
const CORRUPT_BIT = 1;
const DATA_FILE_BIT = 2;
const COMPRESSION_BIT = 3;
const EXTENDED_L2_BIT = 4;
const KNOWN_INCOMPATIBLE = [DIRTY_BIT, CORRUPT_BIT, DATA_FILE_BIT, COMPRESSION_BIT, EXTENDED_L2_BIT].reduce((mask, bit) => mask | (1 << bit), 0);

const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const EXTENSION_ENCRYPTION = 0x0537be77;
const EXTENSION_DATA_FILE = 0x44415441;
const EXTENSION_BITMAPS = 0x23852875;

/** A stretch of the file. */
export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface Qcow2Header {
  readonly version: 2 | 3;
  /** What a guest sees. */
  readonly virtualSizeBytes: number;
  readonly clusterBits: number;
  readonly clusterSizeBytes: number;
  /** Name as it stands in the header, relative to the image's directory unless it begins with `/`. Null without `allowBacking`. */
  readonly backingFile: string | null;
  /** Format the header names for the backing file. Null: none is named; never let a tool guess it. */
  readonly backingFormat: string | null;
  /** The image was not closed cleanly; QEMU repairs its reference counts when it opens it for writing. A warning, no reason to refuse. */
  readonly dirty: boolean;
  readonly snapshotCount: number;
  readonly hasBitmaps: boolean;
  /** Offsets of the active L2 tables. */
  readonly l1Table: ByteRange;
  /** Offsets of the blocks of reference counts. */
  readonly refcountTable: ByteRange;
}

export interface Qcow2JudgeOptions {
  /** Size of the whole file; tables that lie outside it are refused. */
  readonly fileSizeBytes: number;
  /** True for disks of a live server, whose overlays are legitimate: the caller judges each backing file by itself. Default: refuse. */
  readonly allowBacking?: boolean;
  /** Name of the file, for the message only. */
  readonly path?: string;
}

/**
 * Judges the first bytes of an image that is expected to be qcow2.
 *
 * @param bytes at least the first `QCOW2_START_BYTES` of the file, or all of a smaller one
 * @throws IMAGE_HEADER_REFUSED with the offending field in `context.field`
 */
export function judgeQcow2Header(bytes: Uint8Array, options: Qcow2JudgeOptions): Qcow2Header {
  const refuse = (field: string, problem: string): never => {
    const where = options.path === undefined ? 'The image' : `The image ${options.path}`;
    throw new ModosuError('IMAGE_HEADER_REFUSED', `${where} was refused: ${problem}`, {
      context: { field, ...(options.path === undefined ? {} : { path: options.path }) },
    });
  };
  const header = readFields(bytes, refuse);
  judgeFeatures(header, refuse);
  judgeSizes(header, options.fileSizeBytes, refuse);
  const extensions = readExtensions(bytes, header, refuse);
  const backingFile = readBackingName(bytes, header, refuse);
  if (backingFile !== null) {
    judgeBackingName(backingFile, refuse);
    if (options.allowBacking !== true) refuse('backing_file', `it has a backing file (${printable(backingFile)}), and none is allowed here`);
  }
  return {
    version: header.version,
    virtualSizeBytes: header.size,
    clusterBits: header.clusterBits,
    clusterSizeBytes: header.clusterSizeBytes,
    backingFile,
    backingFormat: backingFile === null ? null : extensions.backingFormat,
    dirty: hasBit(header.incompatible, DIRTY_BIT),
    snapshotCount: header.snapshotCount,
    hasBitmaps: extensions.bitmaps,
    l1Table: { offset: header.l1Offset, lengthBytes: header.l1Entries * 8 },
    refcountTable: { offset: header.refcountTableOffset, lengthBytes: header.refcountTableClusters * header.clusterSizeBytes },
  };
}

/** Offsets a table of the image points to (zero entries left out), for the L1 and the refcount table alike. `null`: an entry that no sound image has. */
export function tablePointers(table: Uint8Array): readonly number[] | null {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const offsets: number[] = [];
  for (let at = 0; at + 8 <= table.byteLength; at += 8) {
    // Bits 56 to 63 are flags in L1 entries and zero in refcount table entries; bits 0 to 8 are reserved in both.
    const high = view.getUint32(at) & 0x00ff_ffff;
    const low = (view.getUint32(at + 4) & 0xffff_fe00) >>> 0;
    const offset = high * 2 ** 32 + low;
    if (!Number.isSafeInteger(offset)) return null;
    if (offset !== 0) offsets.push(offset);
  }
  return offsets;
}

/**
 * Every stretch of the file that holds metadata, which QEMU rewrites in place while it appends data.
 * `l1Table` and `refcountTable` are the contents of the two ranges of the header. `null`: the tables are not those of a sound image.
 */
export function qcow2MetadataRanges(
  header: Qcow2Header,
  tables: { readonly l1Table: Uint8Array; readonly refcountTable: Uint8Array },
): readonly ByteRange[] | null {
  const l2Tables = tablePointers(tables.l1Table);
  const refcountBlocks = tablePointers(tables.refcountTable);
  if (l2Tables === null || refcountBlocks === null) return null;
  return [
    { offset: 0, lengthBytes: header.clusterSizeBytes },
    header.l1Table,
    header.refcountTable,
    ...[...l2Tables, ...refcountBlocks].map((offset) => ({ offset, lengthBytes: header.clusterSizeBytes })),
  ];
}

type Refuse = (field: string, problem: string) => never;

interface Fields {
  readonly version: 2 | 3;
  readonly backingOffset: number;
  readonly backingLength: number;
  readonly clusterBits: number;
  readonly clusterSizeBytes: number;
  readonly size: number;
  readonly encryption: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
  readonly incompatible: bigint;
  readonly refcountOrder: number;
  readonly headerLength: number;
  readonly compressionType: number;
}

const hasBit = (mask: bigint, bit: number): boolean => ((mask >> BigInt(bit)) & 1n) === 1n;

function readFields(bytes: Uint8Array, refuse: Refuse): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 4 || view.getUint32(0) !== MAGIC) refuse('magic', 'it does not begin like a qcow2 image');
  if (bytes.byteLength < 72) refuse('file_size', `it ends within its header, after ${bytes.byteLength} bytes`);
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return refuse('version', `its version is ${version}; 2 and 3 are known`);
  if (version === 3 && bytes.byteLength < 104) refuse('file_size', `it ends within its header, after ${bytes.byteLength} bytes`);
  const number64 = (at: number, field: string): number => {
    const value = view.getBigUint64(at);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? refuse(field, `${field} is absurd: ${value}`) : Number(value);
  };
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) refuse('cluster_bits', `cluster_bits is ${clusterBits}; 9 to 21 are possible`);
  const headerLength = version === 3 ? view.getUint32(100) : 72;
  const clusterSizeBytes = 2 ** clusterBits;
  if (version === 3 && (headerLength < 104 || headerLength % 8 !== 0 || headerLength > Math.min(clusterSizeBytes, bytes.byteLength))) {
    refuse('header_length', `header_length is ${headerLength}; it must be a multiple of 8, at least 104, within the first cluster and the file`);
  }
  return {
    version,
    backingOffset: number64(8, 'backing_file_offset'),
    backingLength: view.getUint32(16),
    clusterBits,
    clusterSizeBytes,
    size: number64(24, 'size'),
    encryption: view.getUint32(32),
    l1Entries: view.getUint32(36),
    l1Offset: number64(40, 'l1_table_offset'),
    refcountTableOffset: number64(48, 'refcount_table_offset'),
    refcountTableClusters: view.getUint32(56),
    snapshotCount: view.getUint32(60),
    snapshotsOffset: number64(64, 'snapshots_offset'),
    incompatible: version === 3 ? view.getBigUint64(72) : 0n,
    refcountOrder: version === 3 ? view.getUint32(96) : 4,
    headerLength,
    compressionType: headerLength > 104 ? view.getUint8(104) : 0,
  };
}

function judgeFeatures(header: Fields, refuse: Refuse): void {
  const unknown = header.incompatible & ~BigInt(KNOWN_INCOMPATIBLE);
  if (unknown !== 0n) refuse('incompatible_features', `it uses features this program does not know (bits 0x${unknown.toString(16)})`);
  if (hasBit(header.incompatible, CORRUPT_BIT)) {
    refuse('incompatible_features', 'QEMU has marked it as corrupt; look at it with qemu-img check');
  }
  if (hasBit(header.incompatible, DATA_FILE_BIT)) refuse('data_file', 'its data lies in an external data file');
  if (header.encryption !== 0) refuse('crypt_method', `it is encrypted (method ${header.encryption})`);
  if (header.compressionType > 1) refuse('compression_type', `its compression type ${header.compressionType} is unknown`);
  if ((header.compressionType !== 0) !== hasBit(header.incompatible, COMPRESSION_BIT)) {
    refuse('compression_type', 'its compression type and its feature bits contradict each other');
  }
  if (header.refcountOrder > 6) refuse('refcount_order', `refcount_order is ${header.refcountOrder}; 0 to 6 are possible`);
}

function judgeSizes(header: Fields, fileSizeBytes: number, refuse: Refuse): void {
  if (header.size === 0) refuse('size', 'its virtual size is 0');
  if (header.size > MAX_VIRTUAL_SIZE_BYTES) refuse('size', `its virtual size of ${header.size} bytes is absurd (limit: 64 TiB)`);
  const judgeTable = (field: string, offset: number, lengthBytes: number): void => {
    if (offset === 0 || offset % header.clusterSizeBytes !== 0) refuse(field, `${field} ${offset} is not at the start of a cluster`);
    if (offset + lengthBytes > fileSizeBytes) {
      refuse(field, `${field} ${offset} with ${lengthBytes} bytes lies outside the file of ${fileSizeBytes} bytes; the file may be truncated`);
    }
  };
  const l2EntryBytes = hasBit(header.incompatible, EXTENDED_L2_BIT) ? 16 : 8;
  const bytesPerL1Entry = (header.clusterSizeBytes / l2EntryBytes) * header.clusterSizeBytes;
  const neededEntries = Math.ceil(header.size / bytesPerL1Entry);
  if (header.l1Entries < neededEntries) refuse('l1_size', `its L1 table has ${header.l1Entries} entries; its virtual size needs ${neededEntries}`);
  if (header.l1Entries * 8 > MAX_L1_TABLE_BYTES) refuse('l1_size', `its L1 table of ${header.l1Entries} entries is absurd`);
  judgeTable('l1_table_offset', header.l1Offset, header.l1Entries * 8);
  const refcountTableBytes = header.refcountTableClusters * header.clusterSizeBytes;
  if (refcountTableBytes === 0 || refcountTableBytes > MAX_REFCOUNT_TABLE_BYTES) {
    refuse('refcount_table_clusters', `its refcount table of ${refcountTableBytes} bytes is absurd`);
  }
  judgeTable('refcount_table_offset', header.refcountTableOffset, refcountTableBytes);
  if (header.snapshotCount > MAX_SNAPSHOTS) refuse('nb_snapshots', `${header.snapshotCount} internal snapshots are absurd`);
  // 40 bytes is the fixed part of one entry of the snapshot table.
  if (header.snapshotCount > 0) judgeTable('snapshots_offset', header.snapshotsOffset, header.snapshotCount * 40);
}

function readExtensions(bytes: Uint8Array, header: Fields, refuse: Refuse): { readonly backingFormat: string | null; readonly bitmaps: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(header.backingOffset > 0 ? header.backingOffset : header.clusterSizeBytes, header.clusterSizeBytes, bytes.byteLength);
  let backingFormat: string | null = null;
  let bitmaps = false;
  let at = header.headerLength;
  while (at + 8 <= end) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === 0) break;
    if (length > end - at - 8) refuse('header_extensions', `the header extension 0x${type.toString(16)} is longer than the room for it`);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === EXTENSION_DATA_FILE) refuse('data_file', 'it names an external data file');
    if (type === EXTENSION_ENCRYPTION) refuse('crypt_method', 'it carries an encryption header');
    if (type === EXTENSION_BITMAPS) bitmaps = true;
    if (type === EXTENSION_BACKING_FORMAT) {
      backingFormat = decode(data) ?? refuse('backing_format', 'the format of its backing file is not text');
      if (!/^[a-z0-9_-]{1,32}$/.test(backingFormat)) refuse('backing_format', `the format of its backing file is odd: ${printable(backingFormat)}`);
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { backingFormat, bitmaps };
}

function readBackingName(bytes: Uint8Array, header: Fields, refuse: Refuse): string | null {
  const { backingOffset: offset, backingLength: length } = header;
  if (offset === 0) return null;
  if (length === 0 || length > MAX_BACKING_NAME_BYTES) refuse('backing_file_size', `the name of its backing file has ${length} bytes; 1 to 1023 are possible`);
  if (offset < header.headerLength || offset + length > Math.min(header.clusterSizeBytes, bytes.byteLength)) {
    refuse('backing_file_offset', `the name of its backing file lies at ${offset}, outside the room for it`);
  }
  return decode(bytes.subarray(offset, offset + length)) ?? refuse('backing_file', 'the name of its backing file is not valid UTF-8');
}

function judgeBackingName(name: string, refuse: Refuse): void {
  if (/[\u0000-\u001f\u007f]/.test(name)) refuse('backing_file', `the name of its backing file has control characters: ${printable(name)}`);
  // QEMU takes what stands before the first ":" for a protocol unless a "/" comes earlier; `json:` may name any file or host.
  if (/^[^/]*:/.test(name)) refuse('backing_file', `its backing file is not a plain path: ${printable(name)}`);
}

function decode(bytes: Uint8Array): string | null {
  try {
    // A byte order mark is part of the name: who compares names must see what QEMU opens.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Hostile text made safe and short for messages. */
const printable = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);

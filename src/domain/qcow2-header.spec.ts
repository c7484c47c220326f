import { judgeQcow2Header, MAX_VIRTUAL_SIZE_BYTES, qcow2MetadataRanges, tablePointers, type Qcow2JudgeOptions } from './qcow2-header';

const CLUSTER = 65_536;
const GIB = 1024 ** 3;

interface ImageFields {
  readonly u32?: Readonly<Record<number, number>>;
  readonly u64?: Readonly<Record<number, bigint>>;
  readonly extensions?: readonly (readonly [type: number, data: string])[];
  readonly backing?: string | Uint8Array;
}

/** The first cluster of an image as qemu-img 7.2 makes it (1 GiB, 64 KiB clusters), with the given fields changed last. */
function image(changes: ImageFields = {}): Uint8Array {
  const bytes = new Uint8Array(CLUSTER);
  const view = new DataView(bytes.buffer);
  const u32 = { 0: 0x514649fb, 4: 3, 20: 16, 36: 2, 56: 1, 96: 4, 100: 112 };
  const u64 = { 24: BigInt(GIB), 40: 3n * 65_536n, 48: 65_536n };
  for (const [at, value] of Object.entries(u32)) view.setUint32(Number(at), value);
  for (const [at, value] of Object.entries(u64)) view.setBigUint64(Number(at), value);
  let at = 112;
  for (const [type, data] of changes.extensions ?? []) {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(new TextEncoder().encode(data), at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  }
  at += 8;
  if (changes.backing !== undefined) {
    const name = typeof changes.backing === 'string' ? new TextEncoder().encode(changes.backing) : changes.backing;
    bytes.set(name, at);
    view.setBigUint64(8, BigInt(at));
    view.setUint32(16, name.length);
  }
  for (const [where, value] of Object.entries(changes.u32 ?? {})) view.setUint32(Number(where), value);
  for (const [where, value] of Object.entries(changes.u64 ?? {})) view.setBigUint64(Number(where), value);
  return bytes;
}

const judge = (bytes: Uint8Array, options: Partial<Qcow2JudgeOptions> = {}) =>
  judgeQcow2Header(bytes, { fileSizeBytes: 4 * CLUSTER, path: '/images/db01.qcow2', ...options });
const refusedField = (bytes: Uint8Array, options: Partial<Qcow2JudgeOptions> = {}): unknown => {
  try {
    judge(bytes, options);
  } catch (error) {
    expect(error).toMatchObject({
      code: 'IMAGE_HEADER_REFUSED',
      message: expect.stringContaining('/images/db01.qcow2'),
      context: { path: '/images/db01.qcow2' },
    });
    return (error as { context: { field: string } }).context.field;
  }
  return 'not refused';
};

describe('judgeQcow2Header', () => {
  it('reads an ordinary image', () => {
    expect(judge(image())).toEqual({
      version: 3,
      virtualSizeBytes: GIB,
      clusterBits: 16,
      clusterSizeBytes: CLUSTER,
      backingFile: null,
      backingFormat: null,
      dirty: false,
      snapshotCount: 0,
      hasBitmaps: false,
      l1Table: { offset: 3 * CLUSTER, lengthBytes: 16 },
      refcountTable: { offset: CLUSTER, lengthBytes: CLUSTER },
    });
  });

  it('reads version 2, whose header ends after 72 bytes', () => {
    expect(judge(image({ u32: { 4: 2, 72: 0, 76: 0, 96: 0, 100: 0 } }))).toMatchObject({ version: 2, virtualSizeBytes: GIB, dirty: false });
  });

  it('reads of version 2 only what it has: behind its 72 bytes follow extensions', () => {
    // In version 3 these places are feature bits, the order of reference counts and the length of the header.
    const version2 = image({ u32: { 4: 2, 72: 0x23852875, 76: 24, 96: 99, 100: 7 } });
    expect(judge(version2)).toMatchObject({ version: 2, hasBitmaps: true, dirty: false });
    expect(judge(image({ u32: { 4: 2, 96: 0, 100: 0 } }).subarray(0, 72))).toMatchObject({ version: 2 });
    expect(refusedField(image({ u32: { 4: 2 } }).subarray(0, 71))).toBe('file_size');
  });

  it('reads a header of the least length, behind which extensions begin at once', () => {
    expect(judge(image({ u32: { 100: 104, 104: 0x23852875, 108: 24 } }))).toMatchObject({ version: 3, hasBitmaps: true });
    expect(judge(image({ u32: { 100: 104 } }).subarray(0, 104))).toMatchObject({ version: 3 });
    expect(refusedField(image({ u32: { 100: 104 } }).subarray(0, 103))).toBe('file_size');
  });

  it.each<[what: string, bytes: Uint8Array, fileSizeBytes: number]>([
    ['tables that end with the file', image(), 3 * CLUSTER + 16],
    ['clusters of 512 bytes', image({ u32: { 20: 9, 36: 1, 100: 512 }, u64: { 24: 32_768n, 40: 1536n, 48: 512n } }), 2048],
    ['clusters of 2 MiB', image({ u32: { 20: 21, 36: 1 }, u64: { 40: 2n * 2n ** 21n, 48: 2n ** 21n } }), 5 * 2 ** 21],
    ['the largest disk', image({ u32: { 36: 131_072 }, u64: { 24: BigInt(MAX_VIRTUAL_SIZE_BYTES) } }), 100 * CLUSTER],
    ['the largest L1 table', image({ u32: { 36: 4_194_304 } }), 1000 * CLUSTER],
    ['the largest refcount table', image({ u32: { 56: 128 } }), 1000 * CLUSTER],
    ['the widest reference counts', image({ u32: { 96: 6 } }), 4 * CLUSTER],
    ['the most snapshots', image({ u32: { 60: 65_536 }, u64: { 64: 65_536n * 4n } }), 1000 * CLUSTER],
    ['a snapshot at the end of the file', image({ u32: { 60: 1 }, u64: { 64: 65_536n * 4n } }), 4 * CLUSTER + 40],
    ['the furthest place for snapshots that are none', image({ u64: { 64: BigInt(Number.MAX_SAFE_INTEGER) } }), 4 * CLUSTER],
    ['a place for snapshots that are none', image({ u64: { 64: 12_345n } }), 4 * CLUSTER],
    ['an extension that fills its room', image({ u32: { 112: 0x12345678, 116: CLUSTER - 120 } }), 4 * CLUSTER],
    ['whatever stands behind the last extension', image({ u32: { 112: 0, 116: 0, 120: 0x44415441, 124: 8 } }), 4 * CLUSTER],
  ])('accepts %s', (_what, bytes, fileSizeBytes) => expect(refusedField(bytes, { fileSizeBytes })).toBe('not refused'));

  it('says what it refuses also where the file has no name', () => {
    const refused = (): unknown => {
      try {
        return judgeQcow2Header(new Uint8Array(3).fill(0x51), { fileSizeBytes: 3 });
      } catch (error) {
        return error;
      }
    };
    expect(refused()).toMatchObject({ message: 'The image was refused: it does not begin like a qcow2 image' });
    expect((refused() as { context: unknown }).context).toStrictEqual({ field: 'magic' });
  });

  it('shows of a hostile name no more than its beginning', () => {
    const said = (backing: string): string => {
      try {
        judge(image({ backing }));
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(said('x'.repeat(200))).toContain(`("${'x'.repeat(200)}")`);
    expect(said('x'.repeat(201))).toContain(`("${'x'.repeat(200)}…")`);
    expect(said('a\u001bb')).toContain('"a\\u001bb"');
  });

  it('reports a dirty image and does not refuse it', () => {
    expect(judge(image({ u64: { 72: 1n } })).dirty).toBe(true);
  });

  it('accepts known features: zstd compression, extended L2 entries, bitmaps, unknown compatible bits', () => {
    const zstd = image({ u64: { 72: 1n << 3n } });
    zstd[104] = 1;
    expect(judge(zstd).version).toBe(3);
    expect(judge(image({ u64: { 72: 1n << 4n }, u32: { 36: 4 } })).version).toBe(3);
    expect(judge(image({ extensions: [[0x23852875, 'x'.repeat(24)]], u64: { 80: 0xffn } })).hasBitmaps).toBe(true);
    expect(judge(image({ extensions: [[0x6803f857, 'x'.repeat(48)]] })).hasBitmaps).toBe(false);
  });

  it.each<[what: string, field: string, bytes: Uint8Array, options?: Partial<Qcow2JudgeOptions>]>([
    ['an empty file', 'magic', new Uint8Array(0), { fileSizeBytes: 0 }],
    ['a file that ends behind its first word', 'file_size', image().subarray(0, 4)],
    ['a backing name beyond all numbers', 'backing_file_offset', image({ u64: { 8: 0xffffffffffffffffn } })],
    ['a refcount table beyond all numbers', 'refcount_table_offset', image({ u64: { 48: 0xffffffffffff0000n } })],
    ['another format', 'magic', image({ u32: { 0: 0x4b444d56 } })],
    ['a file that ends in its header', 'file_size', image().subarray(0, 50)],
    ['a version 3 file that ends in its header', 'file_size', image().subarray(0, 90)],
    ['version 1', 'version', image({ u32: { 4: 1 } })],
    ['version 4', 'version', image({ u32: { 4: 4 } })],
    ['tiny clusters', 'cluster_bits', image({ u32: { 20: 8 } })],
    ['giant clusters', 'cluster_bits', image({ u32: { 20: 22 } })],
    ['cluster bits that overflow', 'cluster_bits', image({ u32: { 20: 0xffffffff } })],
    ['a header length that is too short', 'header_length', image({ u32: { 100: 96 } })],
    ['a header length that is no multiple of 8', 'header_length', image({ u32: { 100: 105 } })],
    ['a header length beyond the cluster', 'header_length', image({ u32: { 100: CLUSTER + 8 } })],
    ['an external data file by its bit', 'data_file', image({ u64: { 72: 4n } })],
    ['an external data file by its extension', 'data_file', image({ extensions: [[0x44415441, '/etc/shadow']] })],
    [
      'an external data file after other extensions',
      'data_file',
      image({
        extensions: [
          [0x6803f857, 'x'.repeat(48)],
          [0x44415441, '/etc/shadow'],
        ],
      }),
    ],
    ['the corrupt bit', 'incompatible_features', image({ u64: { 72: 2n } })],
    ['an unknown feature', 'incompatible_features', image({ u64: { 72: 1n << 5n } })],
    ['an unknown feature in the high half', 'incompatible_features', image({ u64: { 72: 1n << 63n } })],
    ['AES encryption', 'crypt_method', image({ u32: { 32: 1 } })],
    ['LUKS encryption', 'crypt_method', image({ u32: { 32: 2 } })],
    ['an encryption header', 'crypt_method', image({ extensions: [[0x0537be77, 'x'.repeat(16)]] })],
    [
      'a compression type without its bit',
      'compression_type',
      (() => {
        const bytes = image();
        bytes[104] = 1;
        return bytes;
      })(),
    ],
    [
      'an unknown compression type',
      'compression_type',
      (() => {
        const bytes = image({ u64: { 72: 8n } });
        bytes[104] = 2;
        return bytes;
      })(),
    ],
    ['an absurd refcount order', 'refcount_order', image({ u32: { 96: 7 } })],
    ['a disk of no size', 'size', image({ u64: { 24: 0n } })],
    ['a disk beyond 64 TiB', 'size', image({ u64: { 24: BigInt(MAX_VIRTUAL_SIZE_BYTES) + 512n } })],
    ['a disk beyond all numbers', 'size', image({ u64: { 24: 0xffffffffffffffffn } })],
    ['an L1 table that is too small', 'l1_size', image({ u32: { 36: 1 } })],
    ['an L1 table that is absurd', 'l1_size', image({ u32: { 36: 0x7fffffff } })],
    ['an L1 table beyond the file', 'l1_table_offset', image(), { fileSizeBytes: 3 * CLUSTER + 8 }],
    ['an L1 table in the header', 'l1_table_offset', image({ u64: { 40: 0n } })],
    ['an L1 table off its cluster', 'l1_table_offset', image({ u64: { 40: 65_537n } })],
    ['an L1 table far out', 'l1_table_offset', image({ u64: { 40: 1n << 52n } })],
    ['no refcount table', 'refcount_table_clusters', image({ u32: { 56: 0 } })],
    ['an absurd refcount table', 'refcount_table_clusters', image({ u32: { 56: 0xffffffff } })],
    ['a refcount table beyond the file', 'refcount_table_offset', image({ u64: { 48: 65_536n * 4n } })],
    ['an absurd number of snapshots', 'nb_snapshots', image({ u32: { 60: 65_537 } })],
    ['snapshots beyond the file', 'snapshots_offset', image({ u32: { 60: 1 }, u64: { 64: 65_536n * 9n } })],
    ['an L1 table of one entry too many', 'l1_size', image({ u32: { 36: 4_194_305 } }), { fileSizeBytes: 1000 * CLUSTER }],
    ['an L1 table that is too small for extended entries', 'l1_size', image({ u64: { 72: 1n << 4n }, u32: { 36: 3 } })],
    ['an L1 table at an offset beyond all numbers', 'l1_table_offset', image({ u64: { 40: 0xffffffffffff0000n } })],
    ['a refcount table of one cluster too many', 'refcount_table_clusters', image({ u32: { 56: 129 } }), { fileSizeBytes: 1000 * CLUSTER }],
    ['a refcount table in the header', 'refcount_table_offset', image({ u64: { 48: 0n } })],
    ['snapshots that end behind the file', 'snapshots_offset', image({ u32: { 60: 1 }, u64: { 64: 65_536n * 4n } }), { fileSizeBytes: 4 * CLUSTER + 39 }],
    ['a place for snapshots beyond all numbers, even for none', 'snapshots_offset', image({ u64: { 64: 0xffffffffffffffffn } })],
    ['a header length beyond a small cluster', 'header_length', image({ u32: { 20: 9, 36: 1, 100: 520 }, u64: { 24: 32_768n, 40: 1536n, 48: 512n } })],
    ['a header length beyond what was read', 'header_length', image({ u32: { 100: 256 } }).subarray(0, 248)],
    ['the compression bit without a type', 'compression_type', image({ u64: { 72: 8n } })],
    ['an external data file in an extension right before the backing name', 'data_file', image({ u32: { 112: 0x44415441, 116: 0, 16: 1 }, u64: { 8: 120n } })],
    ['an extension that reaches into the backing name', 'header_extensions', image({ u32: { 112: 0x12345678, 116: 9, 16: 1 }, u64: { 8: 128n } })],
    ['an extension one byte longer than its room', 'header_extensions', image({ u32: { 112: 0x12345678, 116: CLUSTER - 119 } })],
    ['an extension longer than its room', 'header_extensions', image({ extensions: [[0x12345678, '']], u32: { 116: 0x7fffffff } })],
    ['a backing file', 'backing_file', image({ backing: 'base.qcow2' })],
    ['a backing file without a name', 'backing_file_size', image({ backing: 'x', u32: { 16: 0 } })],
    ['a backing name of 2 KiB', 'backing_file_size', image({ backing: 'x'.repeat(2048) })],
    ['a backing name outside the first cluster', 'backing_file_offset', image({ backing: 'x', u64: { 8: 65_535n }, u32: { 16: 5 } })],
    ['a backing name in the header', 'backing_file_offset', image({ backing: 'x', u64: { 8: 8n } })],
  ])('refuses %s', (_, field, bytes, options = {}) => {
    expect(refusedField(bytes, options)).toBe(field);
  });

  describe('with backing files allowed', () => {
    const allowed = { allowBacking: true };

    it('returns name and format as they stand there', () => {
      expect(judge(image({ extensions: [[0xe2792aca, 'qcow2']], backing: '/images/デー タ.qcow2' }), allowed)).toMatchObject({
        backingFile: '/images/デー タ.qcow2',
        backingFormat: 'qcow2',
      });
      expect(judge(image({ backing: './base:1.qcow2' }), allowed)).toMatchObject({ backingFile: './base:1.qcow2', backingFormat: null });
    });

    it.each([
      'json:{"driver":"file","filename":"/etc/shadow"}',
      'nbd://10.0.0.1:10809/disk',
      'http://example.org/disk.qcow2',
      'file:/etc/shadow',
      'ssh://root@host/x',
      'fat:rw:/etc',
      ':x',
      'a\nb',
      'a\u0000b',
      'a\u001fb',
      'a\u007fb',
    ])('refuses %j, which is no plain path', (backing) => {
      expect(refusedField(image({ backing }), allowed)).toBe('backing_file');
    });

    it('names no format where there is no backing file, and finds what follows the format', () => {
      expect(judge(image({ extensions: [[0xe2792aca, 'qcow2']] }), allowed)).toMatchObject({ backingFile: null, backingFormat: null });
      expect(
        judge(
          image({
            extensions: [
              [0xe2792aca, 'qcow2'],
              [0x23852875, 'x'.repeat(24)],
            ],
            backing: 'x',
          }),
          allowed,
        ),
      ).toMatchObject({ backingFormat: 'qcow2', hasBitmaps: true });
      expect(judge(image({ extensions: [[0xe2792aca, 'x'.repeat(32)]], backing: 'x' }), allowed)).toMatchObject({ backingFormat: 'x'.repeat(32) });
    });

    it('takes a name from the whole of its room, and no more', () => {
      const named = (offset: number, length: number): Uint8Array => {
        const bytes = image({ u64: { 8: BigInt(offset) }, u32: { 16: length } });
        bytes.fill(0x78, offset, offset + length);
        return bytes;
      };
      expect(judge(named(112, 1023), allowed).backingFile).toBe('x'.repeat(1023));
      expect(refusedField(named(112, 1024), allowed)).toBe('backing_file_size');
      expect(judge(named(CLUSTER - 5, 5), allowed).backingFile).toBe('xxxxx');
      expect(refusedField(named(CLUSTER - 5, 6), allowed)).toBe('backing_file_offset');
      expect(judge(named(195, 5).subarray(0, 200), allowed).backingFile).toBe('xxxxx');
      expect(refusedField(named(196, 5).subarray(0, 200), allowed)).toBe('backing_file_offset');
      expect(refusedField(named(111, 5), allowed)).toBe('backing_file_offset');
    });

    it('refuses names that are no text, and odd formats', () => {
      for (const format of ['', ',raw', 'raw ', 'Raw', 'x'.repeat(33)]) {
        expect([format, refusedField(image({ extensions: [[0xe2792aca, format]], backing: 'x' }), allowed)]).toEqual([format, 'backing_format']);
      }
      const noText = image({ extensions: [[0xe2792aca, 'raw']], backing: 'x' });
      noText[120] = 0xff;
      expect(refusedField(noText, allowed)).toBe('backing_format');
      expect(refusedField(image({ backing: new Uint8Array([0xff, 0xfe, 0x41]) }), allowed)).toBe('backing_file');
      expect(refusedField(image({ extensions: [[0xe2792aca, 'raw,file.locking=off']], backing: 'x' }), allowed)).toBe('backing_format');
    });

    it('never accepts an external data file beside it', () => {
      expect(refusedField(image({ backing: 'x', u64: { 72: 4n } }), allowed)).toBe('data_file');
    });
  });

  it('never throws anything else, whatever the bytes are', () => {
    // A fixed pseudo-random sequence: the same bytes in every run.
    let state = 0x2545f491;
    const next = (): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state >>> 0;
    };
    let judged = 0;
    for (let round = 0; round < 3000; round += 1) {
      const bytes = image({ extensions: [[0xe2792aca, 'raw']], backing: 'base.raw' });
      for (let i = 0; i < 1 + (next() % 4); i += 1) bytes[next() % 160] = next() & 0xff;
      try {
        judge(bytes.subarray(0, next() % 2 === 0 ? CLUSTER : next() % 200), { allowBacking: true });
        judged += 1;
      } catch (error) {
        expect(error).toMatchObject({ code: 'IMAGE_HEADER_REFUSED' });
      }
    }
    expect(judged).toBeGreaterThan(0);
  });
});

describe('metadata of an image', () => {
  const table = (...entries: bigint[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(entries.length * 8));
    entries.forEach((entry, i) => view.setBigUint64(i * 8, entry));
    return new Uint8Array(view.buffer);
  };

  it('is found through L1 and refcount table, without flags and empty entries', () => {
    const ranges = qcow2MetadataRanges(judge(image()), { l1Table: table((1n << 63n) | 0x50000n, 0n), refcountTable: table(0x20000n, 0n, 0x9000000000n) });
    expect(ranges).toEqual([
      { offset: 0, lengthBytes: CLUSTER },
      { offset: 3 * CLUSTER, lengthBytes: 16 },
      { offset: CLUSTER, lengthBytes: CLUSTER },
      { offset: 0x50000, lengthBytes: CLUSTER },
      { offset: 0x20000, lengthBytes: CLUSTER },
      { offset: 0x9000000000, lengthBytes: CLUSTER },
    ]);
  });

  it('is where the entries say, without reserved bits, and none in what is left of half an entry', () => {
    expect(tablePointers(table(0x50001n, (1n << 62n) | 0xfffffe00n | 0x1ffn))).toEqual([0x50000, 0xfffffe00]);
    expect(tablePointers(table(0x50000n, 0x60000n).subarray(0, 12))).toEqual([0x50000]);
    expect(tablePointers(table(0x50000n, 0x60000n).subarray(8))).toEqual([0x60000]);
  });

  it('is not believed where entries are impossible', () => {
    expect(tablePointers(table(0x00ff_ffff_ffff_fe00n))).toBeNull();
    expect(qcow2MetadataRanges(judge(image()), { l1Table: table(), refcountTable: table(0x00ff_ffff_ffff_fe00n) })).toBeNull();
    expect(qcow2MetadataRanges(judge(image()), { l1Table: table(0x00ff_ffff_ffff_fe00n), refcountTable: table() })).toBeNull();
  });
});

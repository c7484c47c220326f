import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { followImage, type FollowImageOptions, type FollowResult } from '../../src/repositories/image/image-follower';

const MIB = 1024 ** 2;
jest.setTimeout(120_000);

/** Checksums as anybody would compute them: the whole finished file, cut into segments. */
function fromScratch(path: string, segmentSizeBytes = 16 * MIB): string[] {
  const content = readFileSync(path);
  const digests: string[] = [];
  for (let at = 0; at < content.length; at += segmentSizeBytes) {
    digests.push(
      createHash('sha256')
        .update(content.subarray(at, at + segmentSizeBytes))
        .digest('hex'),
    );
  }
  return digests;
}

function run(argv: readonly [string, ...string[]]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${argv.join(' ')}: ${stderr}`))));
  });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}

/** A raw disk with random data at the places given (in MiB); the rest is a hole. */
function rawDisk(path: string, sizeMiB: number, extents: readonly (readonly [atMiB: number, lengthMiB: number])[]): void {
  const fd = openSync(path, 'w');
  for (const [at, length] of extents) {
    for (let done = 0; done < length; done += 1) writeSync(fd, randomBytes(MIB), 0, MIB, Math.round((at + done) * MIB));
  }
  closeSync(fd);
  truncateSync(path, sizeMiB * MIB);
}

describe('hashing an image while qemu-img writes it', () => {
  let directory: string;
  let source: string;
  let target: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-follow-'));
    source = join(directory, 'source.img');
    target = join(directory, 'target.qcow2');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const follow = (written: Promise<void>, options: Partial<FollowImageOptions> = {}): Promise<FollowResult> =>
    followImage(target, written, { signal: new AbortController().signal, ...options });

  /** Slow enough that whoever follows keeps up on a busy machine. */
  async function convertAndFollow(
    format: string,
    rateMiB: number,
    extra: readonly string[] = [],
    options: Partial<FollowImageOptions> = {},
  ): Promise<FollowResult> {
    writeFileSync(target, '');
    const written = run(['qemu-img', 'convert', '-r', `${rateMiB}M`, '-f', format, '-O', 'qcow2', ...extra, source, target]).then(() => sync(target));
    return await follow(written, options);
  }

  it('equals a hash from scratch, and most of it was done before the writer had finished: random data', async () => {
    rawDisk(source, 288, [[0, 288]]);
    const result = await convertAndFollow('raw', 40);
    expect(result.list.digests).toEqual(fromScratch(target));
    expect(result.list.digests.length).toBeGreaterThanOrEqual(18);
    expect(result.early).toBeGreaterThan(result.list.digests.length / 2);
  });

  it('… a sparse disk of 4 GiB with several L2 tables, which are rewritten after their segments were hashed', async () => {
    rawDisk(
      source,
      4096,
      Array.from({ length: 9 }, (_, i) => [i * 450 + 3, 30] as const),
    );
    const result = await convertAndFollow('raw', 40);
    expect(result.list.digests).toEqual(fromScratch(target));
    expect(result.early).toBeGreaterThan(result.list.digests.length / 2);
    // Without the second look at metadata these would have been wrong.
    expect(result.again).toBeGreaterThan(0);
    expect(result.again).toBeLessThan(result.early);
  });

  it('… a fragmented disk: many small pieces, smaller than a cluster', async () => {
    const fd = openSync(source, 'w');
    for (let i = 0; i < 4500; i += 1) writeSync(fd, randomBytes(20_000), 0, 20_000, i * 262_144 + (i % 7) * 4096);
    closeSync(fd);
    truncateSync(source, 2048 * MIB);
    const result = await convertAndFollow('raw', 25, [], { lagBytes: 64 * MIB });
    expect(result.list.digests).toEqual(fromScratch(target));
    expect(result.early).toBeGreaterThan(result.list.digests.length / 2);
  });

  it('… with small clusters, where the metadata is spread over the whole file', async () => {
    rawDisk(source, 1600, [
      [0, 100],
      [700, 60],
      [1500, 60],
    ]);
    const result = await convertAndFollow('raw', 100, ['-o', 'cluster_size=4096']);
    expect(result.list.digests).toEqual(fromScratch(target));
  });

  it('… written out of order', async () => {
    rawDisk(source, 260, [[0, 260]]);
    const result = await convertAndFollow('raw', 120, ['-W', '-m', '8']);
    expect(result.list.digests).toEqual(fromScratch(target));
  });

  it('… into a file whose room was reserved beforehand', async () => {
    rawDisk(source, 260, [
      [0, 40],
      [150, 110],
    ]);
    const result = await convertAndFollow('raw', 100, ['-o', 'preallocation=falloc']);
    expect(result.list.digests).toEqual(fromScratch(target));
  });

  it('does not trust what an earlier attempt has left', async () => {
    rawDisk(source, 260, [[0, 260]]);
    writeFileSync(target, randomBytes(250 * MIB));
    const written = run(['qemu-img', 'convert', '-r', '150M', '-f', 'raw', '-O', 'qcow2', source, target]).then(() => sync(target));
    const result = await follow(written, { pollMs: 5 });
    expect(result.list.digests).toEqual(fromScratch(target));
  });

  it('does not trust a sound image of an earlier attempt that does not grow', async () => {
    rawDisk(source, 20, [[0, 20]]);
    await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', source, target]);
    const overwrite = async (): Promise<void> => {
      // Long enough for several looks at the file as it is.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const fd = openSync(target, 'r+');
      writeSync(fd, randomBytes(MIB), 0, MIB, 5 * MIB);
      closeSync(fd);
    };
    const result = await follow(overwrite(), { segmentSizeBytes: MIB, lagBytes: 0, pollMs: 2 });
    expect(result).toMatchObject({ early: 0, list: { digests: fromScratch(target, MIB) } });
  });

  it('hashes everything at the end when the file is not qcow2', async () => {
    writeFileSync(target, randomBytes(3 * MIB));
    const grow = async (): Promise<void> => {
      for (let i = 0; i < 8; i += 1) {
        appendFileSync(target, randomBytes(MIB));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const result = await follow(grow(), { segmentSizeBytes: MIB, lagBytes: MIB, pollMs: 2 });
    expect(result.list.digests).toEqual(fromScratch(target, MIB));
    expect(result.early).toBe(0);
  });

  it('starts again when the file shrinks or is another one', async () => {
    rawDisk(source, 20, [[0, 20]]);
    const first = join(directory, 'first.qcow2');
    await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', source, first]);
    const image = readFileSync(first);
    const appendSlowly = async (): Promise<void> => {
      for (let at = 0; at < image.length; at += MIB) {
        appendFileSync(target, image.subarray(at, at + MIB));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const writer = async (): Promise<void> => {
      writeFileSync(target, '');
      await appendSlowly();
      truncateSync(target, 0);
      image.subarray(9 * MIB, 10 * MIB).fill(7);
      await appendSlowly();
      rmSync(target);
      image.subarray(3 * MIB, 4 * MIB).fill(9);
      writeFileSync(first, image);
      copyFileSync(first, target);
    };
    const result = await follow(writer(), { segmentSizeBytes: MIB, lagBytes: 4 * MIB, pollMs: 2 });
    expect(result.list.digests).toEqual(fromScratch(target, MIB));
  });

  it("rejects with the writer's own error at once", async () => {
    const failure = new Error('the copy failed');
    await expect(follow(Promise.reject(failure))).rejects.toBe(failure);
  });

  it('stops at once when it is aborted, also while it waits for the file', async () => {
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const result = follow(new Promise(() => undefined), { signal: abort.signal });
    abort.abort(reason);
    await expect(result).rejects.toBe(reason);
  });

  it('says so when the finished file is missing', async () => {
    await expect(follow(Promise.resolve())).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
  });

  it('refuses a file that is written after it was said to be complete', async () => {
    writeFileSync(target, randomBytes(40 * MIB));
    const result = follow(Promise.resolve(), {
      onProgress: ({ doneBytes }) => {
        if (doneBytes <= 16 * MIB) appendFileSync(target, 'more');
      },
    });
    await expect(result).rejects.toMatchObject({ code: 'COPY_FAILED' });
  });
});

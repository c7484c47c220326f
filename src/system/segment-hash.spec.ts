import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SegmentHasher } from './segment-hash';
import { SEGMENT_HASH_WORKER_SOURCE } from './segment-hash-worker';

const MIB = 1024 ** 2;

describe('SegmentHasher', () => {
  let directory: string;
  let path: string;
  let hasher: SegmentHasher;
  let abort: AbortController;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-segment-hash-'));
    path = join(directory, 'image');
    abort = new AbortController();
    hasher = new SegmentHasher(abort.signal);
  });
  afterEach(() => {
    hasher.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('hashes a stretch, also one that the end of the file cuts short', async () => {
    const content = randomBytes(5 * MIB + 123);
    writeFileSync(path, content);
    const sha256 = (from: number, to: number): string => createHash('sha256').update(content.subarray(from, to)).digest('hex');
    expect(await hasher.hash({ path, offset: 0, lengthBytes: 3 * MIB, emptyUnitBytes: 0 })).toMatchObject({
      sha256: sha256(0, 3 * MIB),
      bytesRead: 3 * MIB,
      sawEmptyUnit: false,
    });
    expect(await hasher.hash({ path, offset: 3 * MIB, lengthBytes: 3 * MIB, emptyUnitBytes: 0 })).toMatchObject({
      sha256: sha256(3 * MIB, content.length),
      bytesRead: 2 * MIB + 123,
    });
    expect(await hasher.hash({ path, offset: 99 * MIB, lengthBytes: 1, emptyUnitBytes: 0 })).toMatchObject({ sha256: sha256(0, 0), bytesRead: 0 });
  });

  it('sees units that are all zero, wherever they lie', async () => {
    const content = randomBytes(4 * MIB);
    const saw = async (): Promise<boolean> => {
      writeFileSync(path, content);
      return (await hasher.hash({ path, offset: 0, lengthBytes: 4 * MIB, emptyUnitBytes: 65_536 })).sawEmptyUnit;
    };
    expect(await saw()).toBe(false);
    content.fill(0, 3 * MIB + 100, 3 * MIB + 100 + 65_536);
    expect(await saw()).toBe(false);
    content.fill(0, 4 * MIB - 65_536);
    expect(await saw()).toBe(true);
  });

  it("passes the system's error on, and goes on working", async () => {
    await expect(hasher.hash({ path, offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).rejects.toMatchObject({ code: 'ENOENT' });
    symlinkSync('/etc/hostname', join(directory, 'link'));
    await expect(hasher.hash({ path: join(directory, 'link'), offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).rejects.toMatchObject({ code: 'ELOOP' });
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    await expect(hasher.hash({ path: join(directory, 'fifo'), offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).rejects.toMatchObject({ code: 'EINVAL' });
    writeFileSync(path, 'x');
    await expect(hasher.hash({ path, offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).resolves.toMatchObject({ bytesRead: 1 });
  });

  it('ends in the middle of a stretch when it is aborted, and stays ended', async () => {
    writeFileSync(path, '');
    truncateSync(path, 64 * 1024 * MIB);
    const reason = new Error('cancelled');
    const started = Date.now();
    const result = hasher.hash({ path, offset: 0, lengthBytes: 64 * 1024 * MIB, emptyUnitBytes: 0 });
    abort.abort(reason);
    await expect(result).rejects.toBe(reason);
    // Hashing 64 GiB would take more than half a minute.
    expect(Date.now() - started).toBeLessThan(5000);
    await expect(hasher.hash({ path, offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).rejects.toBe(reason);
  });

  it('rejects at once when it was aborted before, and after it was closed', async () => {
    const reason = new Error('cancelled');
    const late = new SegmentHasher(AbortSignal.abort(reason));
    await expect(late.hash({ path, offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).rejects.toBe(reason);
    hasher.close();
    hasher.close();
    await expect(hasher.hash({ path, offset: 0, lengthBytes: 1, emptyUnitBytes: 0 })).rejects.toThrow('closed');
  });

  it('has a source that needs nothing from its file', async () => {
    // In a plain Node process, as in the compiled program: a stray import or compiler helper would be a ReferenceError.
    writeFileSync(path, 'modosu');
    const request = JSON.stringify({ path, offset: 0, lengthBytes: 6, emptyUnitBytes: 0 });
    const program = `const w = new (require('node:worker_threads').Worker)(${JSON.stringify(SEGMENT_HASH_WORKER_SOURCE)}, { eval: true });
      w.on('message', (reply) => { console.log(reply.digest.sha256); process.exit(0); }); w.postMessage(${request});`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
    const exitCode = await new Promise((resolve) => child.on('close', resolve));
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: `${createHash('sha256').update('modosu').digest('hex')}\n` });
  });
});

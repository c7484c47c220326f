import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createFileDurably,
  errorCode,
  errorMessage,
  fileExists,
  freeBytes,
  fsyncDirectory,
  fsyncFile,
  insideDirectory,
  readEnd,
  readStart,
  sha256OfFile,
  writeFileDurably,
  writeFileQuickly,
} from './files';

describe('files', () => {
  let directory: string;
  const at = (name: string): string => join(directory, name);
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-files-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  describe.each([
    ['writeFileDurably', writeFileDurably],
    ['writeFileQuickly', writeFileQuickly],
  ])('%s', (_, write) => {
    it('writes and replaces with the mode asked for, whatever the umask and the old mode are', async () => {
      await write(at('a'), 'one', 0o640);
      chmodSync(at('a'), 0o644);
      await write(at('a'), 'two');
      expect(readFileSync(at('a'), 'utf8')).toBe('two');
      expect(lstatSync(at('a')).mode & 0o777).toBe(0o600);
      const umask = process.umask(0o077);
      try {
        await write(at('b'), new Uint8Array([1, 2]), 0o664);
      } finally {
        process.umask(umask);
      }
      expect(lstatSync(at('b')).mode & 0o777).toBe(0o664);
    });

    it('replaces a link and does not write through it', async () => {
      writeFileSync(at('victim'), 'precious');
      symlinkSync(at('victim'), at('a'));
      await write(at('a'), 'new');
      expect(readFileSync(at('victim'), 'utf8')).toBe('precious');
      expect(lstatSync(at('a')).isSymbolicLink()).toBe(false);
    });

    it('leaves nothing behind when it fails', async () => {
      mkdirSync(at('a'));
      await expect(write(at('a'), 'x')).rejects.toMatchObject({ code: 'EISDIR' });
      await expect(write(join(at('missing'), 'x'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
      expect(readdirSync(directory)).toEqual(['a']);
    });
  });

  it('creates a file whole, for one of several, and leaves alone what stands there', async () => {
    const made = await Promise.all(['one', 'two', 'three'].map((content) => createFileDurably(at('a'), content, 0o640)));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(readFileSync(at('a'), 'utf8')).toBe(['one', 'two', 'three'][made.indexOf(true)]);
    expect(lstatSync(at('a')).mode & 0o777).toBe(0o640);
    symlinkSync(at('nothing'), at('link'));
    expect(await createFileDurably(at('link'), 'x')).toBe(false);
    expect(readdirSync(directory).sort()).toEqual(['a', 'link']);
  });

  it('fsyncs files and directories, and not through links or of what is not there', async () => {
    writeFileSync(at('a'), 'x');
    symlinkSync(at('a'), at('link'));
    await expect(fsyncFile(at('a'))).resolves.toBeUndefined();
    await expect(fsyncDirectory(directory)).resolves.toBeUndefined();
    await expect(fsyncFile(at('link'))).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(fsyncFile(at('missing'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fsyncDirectory(at('a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('knows how much is free', async () => {
    const free = await freeBytes(directory);
    const df = Number(execFileSync('df', ['--output=avail', '-B1', directory]).toString().split('\n')[1]);
    // Other programs write meanwhile.
    expect(Math.abs(free - df)).toBeLessThan(2 * 1024 ** 3);
    expect(free).toBeGreaterThan(0);
  });

  it('keeps paths in their directory', () => {
    expect(insideDirectory('/repo', 'disks/vda.qcow2')).toBe('/repo/disks/vda.qcow2');
    expect(insideDirectory('/repo', 'データ 1/-x')).toBe('/repo/データ 1/-x');
    for (const hostile of ['', '/', '/etc/passwd', '..', '../x', 'a/../../x', 'a/..', './a', 'a//b', 'a/', 'a\u0000b', 'a\nb']) {
      expect(() => insideDirectory('/repo', hostile)).toThrow(expect.objectContaining({ code: 'PATH_NOT_ALLOWED' }));
    }
  });

  it('readEnd gives the end, and says whether something stands before it', async () => {
    writeFileSync(at('log'), 'first\nsecond\n');
    expect(await readEnd(at('log'), 8)).toEqual({ text: '\nsecond\n', isCut: true });
    expect(await readEnd(at('log'), 13)).toEqual({ text: 'first\nsecond\n', isCut: false });
    writeFileSync(at('empty'), '');
    expect(await readEnd(at('empty'), 8)).toEqual({ text: '', isCut: false });
    await expect(readEnd(at('nothing'), 8)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  describe('readStart', () => {
    it('gives the first bytes and the size of the whole', async () => {
      writeFileSync(at('a'), 'abcdefgh');
      expect(await readStart(at('a'), 3)).toEqual({ bytes: new TextEncoder().encode('abc'), sizeBytes: 8 });
      expect(await readStart(at('a'), 100)).toEqual({ bytes: new TextEncoder().encode('abcdefgh'), sizeBytes: 8 });
      writeFileSync(at('empty'), '');
      expect(await readStart(at('empty'), 100)).toEqual({ bytes: new Uint8Array(0), sizeBytes: 0 });
    });

    it('follows links only where that is allowed', async () => {
      writeFileSync(at('a'), 'abc');
      symlinkSync(at('a'), at('link'));
      expect((await readStart(at('link'), 3)).sizeBytes).toBe(3);
      await expect(readStart(at('link'), 3, { followLinks: false })).rejects.toMatchObject({
        code: 'IMAGE_HEADER_REFUSED',
        message: expect.stringContaining('symbolic link'),
      });
    });

    it('never waits for a FIFO and never opens a device or a directory', async () => {
      execFileSync('mkfifo', [at('fifo')]);
      symlinkSync('/dev/zero', at('link'));
      for (const [path, kind] of [
        [at('fifo'), 'FIFO'],
        [directory, 'directory'],
        ['/dev/zero', 'device'],
        [at('link'), 'device'],
      ] as const) {
        await expect(readStart(path, 10)).rejects.toMatchObject({
          code: 'IMAGE_HEADER_REFUSED',
          message: expect.stringContaining(kind),
          context: { field: 'file_type' },
        });
      }
    });

    it("passes the system's own error on for a missing file", async () => {
      await expect(readStart(at('missing'), 10)).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });

  it('says whether something is there, links included', async () => {
    symlinkSync('nowhere', at('dangling'));
    expect(await fileExists(at('dangling'))).toBe(true);
    expect(await fileExists(at('missing'))).toBe(false);
    expect(await fileExists(join(at('dangling'), 'x'))).toBe(false);
    writeFileSync(at('a'), '');
    expect(await fileExists(join(at('a'), 'x'))).toBe(false);
  });

  it('hashes as sha256sum does', async () => {
    writeFileSync(at('a'), 'modosu'.repeat(100_000));
    expect(await sha256OfFile(at('a'))).toBe(
      execFileSync('sha256sum', [at('a')])
        .toString()
        .slice(0, 64),
    );
    symlinkSync(at('a'), at('link'));
    await expect(sha256OfFile(at('link'))).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('reads codes and messages of system errors and of nothing else', async () => {
    const thrown: unknown = await readStart(at('missing'), 1).catch((error: unknown) => error);
    expect(errorCode(thrown)).toBe('ENOENT');
    expect(errorMessage(thrown)).toContain('no such file');
    expect(errorCode('ENOENT')).toBeUndefined();
    expect(errorCode(new DOMException('x', 'AbortError'))).toBeUndefined();
    expect(errorMessage('text')).toBe('text');
  });
});

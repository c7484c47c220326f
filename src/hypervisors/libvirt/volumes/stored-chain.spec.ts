import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { judgeStoredChain } from './stored-chain';

const SIZE = 1024 ** 2;

describe('the files of a stored disk', () => {
  let directory: string;
  const at = (point: string, name = 'vda.qcow2'): string => join(directory, point, 'disks', name);
  const create = (path: string, options: readonly string[] = [], size = SIZE): string => {
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, path, String(size)]);
    return path;
  };
  const onto = (name: string, format = 'qcow2'): readonly string[] => ['-u', '-b', name, '-F', format];
  let files: readonly [string, string, string];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-stored-chain-'));
    files = [create(at('c'), onto('../../b/disks/vda.qcow2'), 3 * SIZE), create(at('b'), onto('../../a/disks/vda.qcow2'), 2 * SIZE), create(at('a'), [], SIZE)];
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('are as large for the guest as the first says, and as large to read as all together', async () => {
    expect(await judgeStoredChain(files)).toEqual({
      files: files.map((path) => ({ path, format: 'qcow2' })),
      virtualSizeBytes: 3 * SIZE,
      sizeBytes: files.reduce((sum, path) => sum + statSync(path).size, 0),
    });
    expect(await judgeStoredChain([files[2]])).toMatchObject({ virtualSizeBytes: SIZE, sizeBytes: statSync(files[2]).size });
  });

  const refusals: readonly (readonly [what: string, code: string, named: () => readonly string[]])[] = [
    ['one left out at the end', 'IMAGE_HEADER_REFUSED', () => files.slice(0, 2)],
    ['one left out in the middle', 'IMAGE_HEADER_REFUSED', () => [files[0], files[2]]],
    ['another order', 'IMAGE_HEADER_REFUSED', () => [files[0], files[2], files[1]]],
    ['one more than the headers name', 'IMAGE_HEADER_REFUSED', () => [...files, create(at('z'))]],
    ['a loop', 'IMAGE_HEADER_REFUSED', () => [files[0], files[1], create(at('a'), onto('../../c/disks/vda.qcow2'))]],
    ['a header that names another disk', 'IMAGE_HEADER_REFUSED', () => [create(at('c'), onto('../../b/disks/vdb.qcow2')), files[1], files[2]]],
    ['a header that names the right file as raw', 'IMAGE_HEADER_REFUSED', () => [create(at('c'), onto('../../b/disks/vda.qcow2', 'raw')), files[1], files[2]]],
    ['a header that names no plain file', 'IMAGE_HEADER_REFUSED', () => [create(at('c'), onto('nbd://192.0.2.1/x')), files[1], files[2]]],
    ['a header of the last that names another file', 'IMAGE_HEADER_REFUSED', () => [files[0], files[1], create(at('a'), onto('/etc/shadow', 'raw'))]],
    [
      'a file that is missing',
      'RECOVERY_POINT_INCOMPLETE',
      () => {
        rmSync(files[2]);
        return files;
      },
    ],
    ['a missing directory', 'REPOSITORY_UNREACHABLE', () => [at('gone')]],
    ['no file at all', 'REQUEST_INVALID', () => []],
  ];
  it.each(refusals)('are refused with %s', async (_what, code, named) => {
    await expect(judgeStoredChain(named())).rejects.toMatchObject({ code });
  });

  it('are never followed through a link', async () => {
    const elsewhere = create(join(directory, 'elsewhere.qcow2'));
    rmSync(files[2]);
    symlinkSync(elsewhere, files[2]);
    await expect(judgeStoredChain(files)).rejects.toBeDefined();
  });
});

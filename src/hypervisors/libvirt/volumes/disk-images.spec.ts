import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readChain } from './disk-images';

let failure: string | null = null;
jest.mock('../../../system/files', () => {
  const actual = jest.requireActual<typeof import('../../../system/files')>('../../../system/files');
  return {
    ...actual,
    readStart: (...args: Parameters<typeof actual.readStart>) =>
      failure === null ? actual.readStart(...args) : Promise.reject(Object.assign(new Error(failure), { code: failure })),
  };
});

describe('a disk file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-disk-images-'));
    failure = null;
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('that is not there stays away', async () => {
    await expect(readChain({ path: join(directory, 'vda.raw'), format: 'raw' }, { imageDirectories: ['/'], defined: null })).rejects.toMatchObject({
      code: 'DISK_FILE_MISSING',
      retry: 'never',
    });
  });

  it.each([
    ['EIO', 'DISK_FILE_UNREADABLE', 'later'],
    ['ESTALE', 'DISK_FILE_UNREADABLE', 'later'],
    ['EACCES', 'DISK_FILE_MISSING', 'never'],
  ])('whose storage answers %s is %s', async (code, expected, retry) => {
    const path = join(directory, 'vda.raw');
    writeFileSync(path, 'x');
    failure = code;
    await expect(readChain({ path, format: 'raw' }, { imageDirectories: ['/'], defined: null })).rejects.toMatchObject({
      code: expected,
      retry,
      message: expect.stringContaining(code) as string,
    });
  });
});

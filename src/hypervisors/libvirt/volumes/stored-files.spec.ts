import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import { readingStored } from './stored-files';

describe('reading a stored file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-stored-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const failsWith = (error: Error) => (): Promise<never> => Promise.reject(error);
  const system = (code: string): Error => Object.assign(new Error(`${code}: the system refused`), { code });
  const path = join(directory, 'vda.qcow2');

  it.each(['EIO', 'ESTALE', 'ENODEV', 'ENXIO', 'ETIMEDOUT', 'EACCES', 'EHOSTDOWN'])('%s says nothing about the file: try again later', async (code) => {
    await expect(readingStored(path, failsWith(system(code)))).rejects.toMatchObject({
      code: 'REPOSITORY_UNREACHABLE',
      retry: 'later',
      message: expect.stringContaining(path) as string,
    });
  });

  it('is incomplete only where the directory is there and the file is not', async () => {
    await expect(readingStored(path, () => readFile(path))).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
    const away = join(directory, 'not-mounted', 'vda.qcow2');
    await expect(readingStored(away, () => readFile(away))).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
  });

  it('passes a judgement about the content, and faults of the program', async () => {
    const refused = new ModosuError('IMAGE_HEADER_REFUSED', 'hostile');
    await expect(readingStored(path, failsWith(refused))).rejects.toBe(refused);
    const fault = new TypeError('undefined is not a function');
    await expect(readingStored(path, failsWith(fault))).rejects.toBe(fault);
  });
});

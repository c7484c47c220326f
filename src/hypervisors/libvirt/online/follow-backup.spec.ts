import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../../contracts/ids';
import { followBackup } from './follow-backup';

it('a backup of whose begin nothing is known is to be taken again; nothing is said of a QEMU that would have ended', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'modosu-follow-backup-'));
  try {
    const request = { server: { name: 'db01', uuid: 'uuid-1' }, runId: newId('run'), disks: [] };
    await expect(followBackup({ settings: { stateDirectory } } as never, request as never, {} as never)).rejects.toMatchObject({
      code: 'BACKUP_JOB_LOST',
      hint: 'This host has no record that it was begun. Nothing was published; take the backup again.',
    });
  } finally {
    await rm(stateDirectory, { recursive: true, force: true });
  }
});

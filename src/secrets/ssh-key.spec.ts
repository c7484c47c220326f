import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectorySecrets } from './directory-secrets';
import { sshKey } from './ssh-key';

describe('the key for guests', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-secrets-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is made once, private, also by several processes at once', async () => {
    const keys = await Promise.all([1, 2, 3].map(() => sshKey(new DirectorySecrets(directory))));
    expect(new Set(keys.map(({ publicKey }) => publicKey)).size).toBe(1);
    const [key] = keys;
    expect(key?.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68}( modosu)?$/);
    expect((statSync(key?.file ?? '').mode & 0o777).toString(8)).toBe('600');
    expect(await sshKey(new DirectorySecrets(directory))).toEqual(key);
  });

  it('says what to do when its file is damaged', async () => {
    await new DirectorySecrets(directory).getOrMake('ssh/key', () => 'no key');
    await expect(sshKey(new DirectorySecrets(directory))).rejects.toMatchObject({ code: 'INTERNAL', hint: expect.stringContaining('ssh/key') as string });
  });
});

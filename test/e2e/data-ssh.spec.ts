import { join } from 'node:path';
import type { SshAccess } from '../../src/contracts/protection';
import type { RunView } from '../../src/contracts/run';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
import { sshKey } from '../../src/secrets/ssh-key';
import { guestOutput, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { mustRun } from '../guests/run-program';
import { SHOP, UPLOADS } from '../support/e2e-data-sets';
import { E2eStack } from '../support/e2e-stack';
import { openGuestSsh } from '../support/guest-ssh';
import { installHostileAgent } from '../support/hostile-agent';

jest.setTimeout(1_200_000);

const NAME = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}data-ssh`;

/** A server whose administrator forbids its agent to run programs. */
describe('data of a server whose guest agent must not run programs', () => {
  const stack = new E2eStack();
  let guest: GuestServer;
  let access: SshAccess;
  let keyFile: string;
  const succeeded = (run: RunView): void => expect(run).toMatchObject({ state: 'succeeded', error: null });
  /** With nothing of the code under test. */
  const sh = (script: string): Promise<string> =>
    mustRun('AGENT_COMMAND_FAILED', 'ssh', [
      '-F',
      '/dev/null',
      '-i',
      keyFile,
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'LogLevel=ERROR',
      '-p',
      String(access.port),
      'root@127.0.0.1',
      script,
    ]);
  const sql = (statement: string): Promise<string> =>
    sh(`/usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups psql -X -A -t -q -h /run/postgresql -d shop -c "${statement}"`);
  const contents = async (): Promise<string> =>
    (await sh('cd /data/uploads && sha256sum 2026/*')) + (await sql('SELECT count(*), md5(string_agg(o::text, chr(10) ORDER BY id)) FROM orders o'));

  beforeAll(async () => {
    await stack.start();
    guest = await stack.addServer({
      name: NAME,
      guest: 'postgresql',
      dataDisk: { sizeBytes: 512 * 1024 * 1024, format: 'qcow2' },
      protection: { dataSets: [UPLOADS, SHOP] },
    });
    await waitForAgent(guest.uuid, 120_000);
    await waitForPostgresql(guest.uuid, 120_000);
    await guestOutput(guest.uuid, [
      'sh',
      '-c',
      'mkdir -p /data/uploads/2026 && cd /data/uploads && for i in 1 2 3; do head -c 30000 /dev/urandom > 2026/$i; done',
    ]);
    const { file, publicKey } = await sshKey(new DirectorySecrets(join(stack.stateDirectory, 'secrets')));
    keyFile = file;
    ({ access } = await openGuestSsh(guest.uuid, publicKey));
    await installHostileAgent(guest.uuid, 'exec-forbidden');
  });
  afterAll(() => stack.close());

  it('is refused with what can be done, until SSH is declared', async () => {
    const { error } = await stack.finished((await stack.startDataBackup(NAME)).id);
    expect(error).toMatchObject({ code: 'GUEST_COMMAND_FORBIDDEN', hint: expect.stringContaining('declare "ssh"') as string });
  });

  it('is saved and comes back over SSH: files and a table, whose rows are the same', async () => {
    await stack.declare(NAME, { ssh: access });
    expect((await stack.backupData(NAME)).size).toBe(2);
    const before = await contents();
    expect(before).toMatch(/2026\/3\n5000\|[0-9a-f]{32}\n$/);
    await sh('rm -r /data/uploads/2026');
    await sql('DROP TABLE orders');
    succeeded(await stack.restoreData(NAME, 'uploads', { kind: 'files', paths: [], replace: false }));
    succeeded(
      await stack.restoreData(NAME, 'shop', {
        kind: 'postgresql',
        database: 'shop',
        tables: [{ schema: 'public', name: 'orders' }],
        schemas: [],
        whole: false,
        replace: false,
      }),
    );
    expect(await contents()).toBe(before);
  });
});

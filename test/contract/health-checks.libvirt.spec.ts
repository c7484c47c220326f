import { randomBytes } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { programInGuest } from '../../activities/guest-programs';
import { ModosuError } from '../../src/contracts/errors';
import type { CommandHealthCheck, SqlHealthCheck } from '../../src/contracts/protection';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { execBounded } from '../../src/guests/bounded-output';
import { checkHealth } from '../../src/guests/health-checks';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, cutPower, guestExec, guestOutput, startGuest, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { eventually } from '../support/processes';
import { ownedDirectory } from '../support/owned-directory';

jest.setTimeout(300_000);

const PARENT = process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp';

const OUT_OF_TIME = /had not ended after [\d.]+ s|has not answered .* within/;

describe('health checks in a real guest', () => {
  let directory: string;
  let server: GuestServer;
  let agent: GuestAgent;
  beforeAll(async () => {
    directory = ownedDirectory(PARENT, 'modosu-health-');
    await chmod(directory, 0o711);
    server = await createGuestServer({ name: `modosu-health-${randomBytes(3).toString('hex')}`, guest: 'postgresql', directory: join(directory, 'guest') });
    agent = createLibvirtHypervisor({ name: 'lab', uri: 'qemu:///system', stateDirectory: join(directory, 'state') }).guestAgent(server);
    await waitForAgent(server.uuid, 120_000);
    await waitForPostgresql(server.uuid, 120_000);
  });
  afterAll(async () => {
    await server?.destroy();
    await rm(directory, { recursive: true, force: true });
  });

  const command = (...argv: [string, ...string[]]): CommandHealthCheck => ({ kind: 'command', name: 'command', timeoutSeconds: 60, argv });
  const query = (text: string, expect: string | null, changed: Partial<SqlHealthCheck> = {}): SqlHealthCheck => ({
    kind: 'sql',
    engine: 'postgresql',
    name: 'sql',
    timeoutSeconds: 60,
    database: 'shop',
    user: 'postgres',
    socketDirectory: '/run/postgresql',
    query: text,
    expect,
    ...changed,
  });
  const run = (check: CommandHealthCheck | SqlHealthCheck, deadlineMs = 20_000) =>
    checkHealth(agent, check, { signal: new AbortController().signal, deadlineMs });
  /** The one attempt of a check. It has a second, which a guest that is starved may use up before it has said anything: then it is given another try, and longer. */
  const runOnce = async (check: CommandHealthCheck | SqlHealthCheck) => {
    const until = Date.now() + 120_000;
    for (let deadlineMs = 0; ; deadlineMs = Math.max(4_000, deadlineMs * 2)) {
      try {
        return await run(check, deadlineMs);
      } catch (error) {
        if (Date.now() > until || !(error instanceof ModosuError) || !OUT_OF_TIME.test(error.message)) throw error;
      }
    }
  };
  const fails = (words: RegExp) => ({ code: 'HEALTH_CHECK_FAILED', message: expect.stringMatching(words) });

  it('a command passes', async () => {
    expect(await run(command('test', '-d', '/run/postgresql'))).toEqual({ evidence: 'exit code 0' });
  });

  it('a command fails, and no shell looks at its arguments', async () => {
    await expect(runOnce(command('test', '-e', '/nothing; true'))).rejects.toMatchObject(fails(/test ended with exit code 1/));
    await expect(runOnce(command('ls', '$(id)'))).rejects.toMatchObject(fails(/ended with exit code \d.*\$\(id\)/));
  });

  it('the words of a command arrive as they are, and what looks for them finds nothing but what it looks for', async () => {
    const words = ['データ', 'a\nb\n', '', ' ', '\u001f', '*?[a]', '~', '-n', '\\0101', '$(id)', "'"] as const;
    const { stdout } = await execBounded(agent, ['printf', '%s|', ...words], { timeoutMs: 20_000, maxOutputBytes: 1_000 });
    expect(stdout).toBe(words.map((word) => `${word}|`).join(''));
    await expect(runOnce(command('pgrep', '-f', 'nobody-is-called-so'))).rejects.toMatchObject(fails(/pgrep ended with exit code 1/));
  });

  it('a program that is not there fails', async () => {
    await expect(runOnce(command('/opt/no-such-check'))).rejects.toMatchObject(fails(/no-such-check/));
  });

  it('a command passes as soon as what it waits for is there', async () => {
    const waiting = run(command('test', '-e', '/tmp/ready'), 60_000);
    await guestExec(server.uuid, ['touch', '/tmp/ready']);
    expect(await waiting).toEqual({ evidence: 'exit code 0' });
  });

  it('a query passes, with and without an expected value', async () => {
    const { evidence } = await run(query('SELECT count(*) FROM orders', null));
    expect(evidence).toMatch(/^psql: [1-9][0-9]*$/);
    expect(await run(query('SELECT count(*), 7 FROM orders', evidence.slice('psql: '.length)))).toEqual({ evidence });
    expect(await run(query("SELECT E'a|b\\nc' UNION ALL SELECT 'd'", 'a|b\nc'))).toEqual({ evidence: 'psql: a|b c' });
  });

  it('a query passes where only the account of the same name is let in, as Debian installs it', async () => {
    const only = async (method: string): Promise<void> => {
      const script = 'cd /var/lib/postgresql/data; echo "local all all $1" >pg_hba.conf; kill -HUP "$(head -n 1 postmaster.pid)"';
      await guestOutput(server.uuid, ['sh', '-euc', script, 'sh', method]);
    };
    await only('peer');
    try {
      const asRoot = ['psql', '-X', '-U', 'postgres', '-h', '/run/postgresql', '-d', 'shop', '-c', 'SELECT 1'] as const;
      await eventually('nobody else is let in', async () => (await guestExec(server.uuid, [...asRoot])).exitCode === 2);
      expect(await run(query('SELECT count(*) > 0 FROM orders', 't'), 0)).toEqual({ evidence: 'psql: t' });
    } finally {
      await only('trust');
    }
  });

  it('a query fails: another value, no row, an error, a database or a server that is not there', async () => {
    await expect(runOnce(query('SELECT 1', '2'))).rejects.toMatchObject(fails(/the query gave "1", not "2"/));
    await expect(runOnce(query('SELECT 1 WHERE false', ''))).rejects.toMatchObject(fails(/the query gave no row/));
    await expect(runOnce(query('SELECT * FROM nowhere', null))).rejects.toMatchObject(fails(/psql ended with exit code 1: .*"nowhere" does not exist/));
    await expect(runOnce(query('SELECT 1', null, { database: 'nowhere' }))).rejects.toMatchObject(
      fails(/psql ended with exit code 2: .*"nowhere" does not exist/),
    );
    await expect(runOnce(query('SELECT 1', null, { socketDirectory: '/tmp' }))).rejects.toMatchObject(
      fails(/psql ended with exit code 2: .*No such file or directory/),
    );
  });

  it('a program that prints 30 MB comes to its end, and the agent goes on: a check, and a step of a plan', async () => {
    const script = (exit: number): [string, ...string[]] => ['sh', '-c', `head -c 30000000 /dev/zero | tr "\\0" x; exit ${exit}`];
    expect(await run({ ...command(...script(0)), timeoutSeconds: 60 }, 60_000)).toEqual({ evidence: 'exit code 0' });
    const step = { argv: script(3), timeoutSeconds: 60 };
    expect(await programInGuest(agent, step, new AbortController().signal)).toEqual({
      isApplied: false,
      evidence: expect.stringMatching(/^exit code 3: …x+$/),
    });
    expect(await run(command('true'))).toEqual({ evidence: 'exit code 0' });
  });

  it('a step of a plan that does not end in time is ended in the guest, with what it has started', async () => {
    const step = { argv: ['sh', '-c', 'sleep 3601 & sleep 3601; :'] as const, timeoutSeconds: 20 };
    const running = programInGuest(agent, step, new AbortController().signal);
    const sleeping = async (): Promise<number> =>
      (await guestOutput(server.uuid, ['sh', '-c', 'pgrep -fx "sleep 3601" || :'])).split('\n').filter(Boolean).length;
    await eventually('both run', async () => (await sleeping()) === 2, 20_000);
    expect(await running).toMatchObject({ isApplied: false, evidence: expect.stringContaining('told to end') });
    expect(await sleeping()).toBe(0);
  });

  it('a server that has just been started is waited for', async () => {
    await cutPower(server.uuid);
    await startGuest(server.uuid);
    expect((await run(query('SELECT count(*) > 0 FROM orders', 't'), 180_000)).evidence).toBe('psql: t');
  });

  it('a server without a running guest fails with the silence of its agent', async () => {
    await cutPower(server.uuid);
    await expect(run(command('true'), 3_000)).rejects.toMatchObject(fails(/did not pass within 3 s\. Its last words: The guest agent of .* does not answer/));
  });
});

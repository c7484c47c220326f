import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, waitForAgent, type GuestServer } from '../guests/guest-server';
import { eventually } from '../support/processes';

jest.setTimeout(180_000);

const TIMEOUT_MS = 30_000;

/** What runs in a guest, and what is handed to it, through the real agent. */
describe('programs and files in a guest', () => {
  let root: string;
  let guest: GuestServer;
  let agent: GuestAgent;

  beforeAll(async () => {
    root = mkdtempSync(join(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-agent-'));
    chmodSync(root, 0o711);
    guest = await createGuestServer({ name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}agent-${randomBytes(3).toString('hex')}`, guest: 'minimal', directory: join(root, 'disks') });
    await waitForAgent(guest.uuid, 120_000);
    agent = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent({ uuid: guest.uuid, name: guest.name });
  });
  afterAll(async () => {
    await guest?.destroy();
    rmSync(root, { recursive: true, force: true });
  });

  it('hands an environment and an input over as they are, whatever stands in them', async () => {
    const secret = `quote ' double " back\\slash $HOME \`id\` ; 戻す ${randomBytes(8).toString('hex')}`;
    const { exitCode, stdout } = await agent.exec(['sh', '-c', 'printf "%s\\n" "$SECRET" "$HOME"; cat'], { timeoutMs: TIMEOUT_MS, env: { SECRET: secret }, input: `input of ${secret}` });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${secret}\n/root\ninput of ${secret}` });
  });

  it('takes 128 KiB on standard input, and refuses more before anything is sent', async () => {
    const input = randomBytes(128 * 1024);
    const { stdout } = await agent.exec(['sha256sum'], { timeoutMs: TIMEOUT_MS, input });
    expect(stdout.split(' ')[0]).toBe(createHash('sha256').update(input).digest('hex'));
    await expect(agent.start({ argv: ['sha256sum'], input: Buffer.alloc(128 * 1024 + 1) }, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('shows a secret in no argument vector, on the host or in the guest', async () => {
    const canary = `canary${randomBytes(12).toString('hex')}`;
    const seen: string[] = [];
    let looking = true;
    const looks = (async () => {
      while (looking) {
        for (const entry of await readdir('/proc')) {
          if (!/^\d+$/.test(entry)) continue;
          const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
          if (line.includes(canary) || line.includes(Buffer.from(canary).toString('base64').slice(2, 20))) seen.push(line);
        }
      }
    })();
    const { stdout } = await agent.exec(['sh', '-c', 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done; test -n "$SECRET"'], { timeoutMs: TIMEOUT_MS, env: { SECRET: canary }, input: canary });
    looking = false;
    await looks;
    expect(seen).toEqual([]);
    expect(stdout).toContain('qemu-ga');
    expect(stdout).not.toContain(canary);
  });

  it.each([
    ['with a secret', { SECRET: 'x' }],
    ['without', undefined],
  ])('says what the agent has refused, %s', async (_how, env) => {
    await expect(agent.start({ argv: ['/no/such/program'], ...(env === undefined ? {} : { env }) }, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'AGENT_COMMAND_FAILED',
      message: expect.stringContaining('No such file or directory') as string,
    });
  });

  it('says so when the server is gone, with a secret too', async () => {
    const nobody = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent({ uuid: '00000000-0000-4000-8000-000000000000', name: 'nobody' });
    await expect(nobody.start({ argv: ['true'], env: { SECRET: 'x' } }, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'SERVER_GONE' });
  });

  it('starts a program, tells that it runs, and how it ended, once', async () => {
    const pid = await agent.start({ argv: ['sh', '-c', 'while [ ! -e /tmp/go ]; do :; done; echo done; exit 7'] }, { timeoutMs: TIMEOUT_MS });
    expect(await agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).toBeNull();
    expect((await agent.readFile(`/proc/${pid}/cmdline`, { timeoutMs: TIMEOUT_MS, maxBytes: 1000 }))?.toString()).toContain('/tmp/go');
    await agent.exec(['touch', '/tmp/go'], { timeoutMs: TIMEOUT_MS });
    const ended = await eventually('the program ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000);
    expect(ended).toEqual({ exitCode: 7, stdout: 'done\n', stderr: '', truncated: false });
    await expect(agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it('reads files: whole, their beginning, without a size, and none', async () => {
    await agent.exec(['sh', '-c', 'head -c 2500000 /dev/zero | tr "\\0" z > /tmp/large'], { timeoutMs: TIMEOUT_MS });
    const read = (path: string, maxBytes: number): Promise<Buffer | null> => agent.readFile(path, { timeoutMs: TIMEOUT_MS, maxBytes });
    expect((await read('/tmp/large', 3_000_000))?.toString()).toBe('z'.repeat(2_500_000));
    expect(await read('/tmp/large', 10)).toHaveLength(10);
    expect((await read('/proc/self/status', 10_000))?.toString()).toContain('qemu-ga');
    expect(await read('/tmp/no such file', 10)).toBeNull();
    await expect(read('/tmp', 10)).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });
});

import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ModosuError } from '../../src/contracts/errors';
import type { SshAccess } from '../../src/contracts/protection';
import { setPassword } from '../../src/guests/credentials/set-password';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { SshGuestAgent } from '../../src/guests/ssh/ssh-guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
import { sshKey } from '../../src/secrets/ssh-key';
import { createGuestServer, guestOutput, waitForAgent } from '../guests/guest-server';
import { openGuestSsh, strangeKey, type GuestSsh } from '../support/guest-ssh';
import { eventually, processesWith } from '../support/processes';
import { ArgvWatch, SecretHunt } from '../support/secret-hunt';
import { describePrograms } from './guest-agent.contract';
import { ownedDirectory } from '../support/owned-directory';

jest.setTimeout(180_000);

const TIMEOUT_MS = 30_000;

/** The guest's programs are busybox's in one, the usual ones in the other. */
const GUESTS = process.env['MODOSU_TEST_FULL'] === '1' ? (['minimal', 'postgresql'] as const) : (['minimal'] as const);

describe.each(GUESTS)('programs and files in a guest (%s), over SSH', (kind) => {
  let uuid: string;
  let root: string;
  let ssh: GuestSsh;
  let agent: GuestAgent;
  let libvirtAgent: GuestAgent;

  const over = (changed: Partial<SshAccess> = {}, secrets = 'secrets'): GuestAgent =>
    new SshGuestAgent({
      agent: libvirtAgent,
      server: { uuid, name: 'db01' },
      access: { ...ssh.access, ...changed },
      identity: () => sshKey(new DirectorySecrets(join(root, secrets))),
      directory: join(root, 'a "strange" 100% directory'),
    });
  const inGuest = (script: string): Promise<string> => guestOutput(uuid, ['sh', '-c', script], { timeoutMs: TIMEOUT_MS });

  const processes = (): Promise<string> => inGuest('cat /proc/[0-9]*/cmdline | tr "\\0" " "');

  describePrograms(async () => {
    root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-ssh-');
    chmodSync(root, 0o711);
    const guest = await createGuestServer({
      name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}ssh-${randomBytes(3).toString('hex')}`,
      guest: kind,
      directory: join(root, 'disks'),
    });
    ({ uuid } = guest);
    await waitForAgent(uuid, 120_000);
    libvirtAgent = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent({ uuid, name: guest.name });
    ssh = await openGuestSsh(uuid, (await sshKey(new DirectorySecrets(join(root, 'secrets')))).publicKey);
    agent = over();
    return {
      agent,
      close: async () => {
        await guest.destroy();
        rmSync(root, { recursive: true, force: true });
      },
    };
  });

  it('nothing of it goes through the agent, which does all else', async () => {
    await agent.exec(['true'], { timeoutMs: TIMEOUT_MS });
    expect(await inGuest('for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done')).toContain('dropbear');
    expect((await agent.info(TIMEOUT_MS)).commands).toEqual(expect.arrayContaining(['guest-exec', 'guest-fsfreeze-freeze']));
    await agent.waitUntilAnswering({ deadlineMs: TIMEOUT_MS, signal: new AbortController().signal });
    expect([await agent.isFrozen(TIMEOUT_MS), await agent.thaw(TIMEOUT_MS)]).toEqual([false, 0]);
  });

  it('sets a password itself where the agent must not, and shows it in no argument vector', async () => {
    const password = `quote ' " $HOME ${randomBytes(8).toString('hex')}`;
    const forbidding: Partial<GuestAgent> = { setPassword: () => Promise.reject(new ModosuError('GUEST_COMMAND_FORBIDDEN', 'it is switched off')) };
    const allowing = libvirtAgent;
    libvirtAgent = Object.assign(Object.create(allowing) as GuestAgent, forbidding);
    try {
      const onHost = new ArgvWatch();
      const { evidence } = await setPassword(over(), 'root', password, { beforeSetting: async () => undefined });
      expect(evidence).toContain('the guest accepts it');
      expect(new SecretHunt(new Map([['password', password]])).in(onHost.end())).toEqual([]);
      await expect(over().setPassword('importer', password, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_SET' });
    } finally {
      libvirtAgent = allowing;
    }
  });

  it('a program goes on when the connection breaks, and its end can be asked for afterwards, more than once', async () => {
    const pid = await agent.start({ argv: ['sh', '-c', 'until [ -e /tmp/later ]; do sleep 1; done; echo here'] }, { timeoutMs: TIMEOUT_MS });
    const waiting = agent.exec(['sh', '-c', 'until [ -e /tmp/much-later ]; do sleep 1; done'], { timeoutMs: 60_000 });
    const broken = expect(waiting).rejects.toMatchObject({ code: 'AGENT_SILENT', message: expect.stringContaining('or the connection broke') as string });
    await eventually('both run', async () => /tmp\/later.*tmp\/much-later|tmp\/much-later.*tmp\/later/.test(await processes()), 30_000);
    await ssh.stop();
    await broken;
    await expect(agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'AGENT_SILENT',
      hint: expect.stringContaining('Is the SSH server of the guest running') as string,
    });
    await ssh.start();
    expect(await agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).toBeNull();
    await inGuest('touch /tmp/later /tmp/much-later');
    const ended = { exitCode: 0, stdout: 'here\n', stderr: '', truncated: false };
    expect(await eventually('it ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000)).toEqual(ended);
    expect(await agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).toEqual(ended);
  });

  it('runs the program of the guest, not what a shell has of the same name', async () => {
    await agent.exec(['sh', '-c', 'mkdir -p /usr/local/bin && printf "#!/bin/sh\\necho mine\\n" > /usr/local/bin/printf && chmod 755 /usr/local/bin/printf'], {
      timeoutMs: TIMEOUT_MS,
    });
    expect(await agent.exec(['printf', 'x'], { timeoutMs: TIMEOUT_MS })).toMatchObject({ exitCode: 0, stdout: 'mine\n' });
    await agent.exec(['rm', '/usr/local/bin/printf'], { timeoutMs: TIMEOUT_MS });
  });

  it('an end that comes while it is asked for is not missed', async () => {
    for (let round = 0; round < 12; round += 1) {
      const pid = await agent.start({ argv: ['sleep', `0.${round}`] }, { timeoutMs: TIMEOUT_MS });
      expect(await eventually('it ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000)).toMatchObject({ exitCode: 0 });
    }
  });

  it('what is left in the guest is private, and goes away', async () => {
    const secret = `canary${randomBytes(8).toString('hex')}`;
    await agent.exec(['true'], { timeoutMs: TIMEOUT_MS, env: { SECRET: secret }, input: secret });
    expect(await inGuest(`find /run /tmp /root /var/tmp -type f -exec grep -l ${secret} '{}' ';'`)).toBe('');
    const pid = await agent.start({ argv: ['sleep', '1'], input: secret }, { timeoutMs: TIMEOUT_MS });
    expect(await inGuest('find /run/modosu -perm /077 ! -type l')).toBe('');
    await eventually('it ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000);
    await inGuest(`touch -d '2020-01-01 00:00:00' /run/modosu/${pid}/told`);
    await agent.start({ argv: ['true'] }, { timeoutMs: TIMEOUT_MS });
    expect(await inGuest(`ls -d /run/modosu/${pid} || :`)).toBe('');
    await expect(agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it('sends nothing to a guest with another host key', async () => {
    await expect(over({ hostKey: strangeKey() }).exec(['touch', '/tmp/touched'], { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'GUEST_SSH_REFUSED',
      message: expect.stringContaining('another host key') as string,
    });
    expect(await inGuest('ls /tmp/touched 2>/dev/null || :')).toBe('');
  });

  it('does nothing in another machine, though it has the key', async () => {
    const elsewhere = new SshGuestAgent({
      agent: libvirtAgent,
      server: { uuid: '6f1c2f5e-4a3b-4c1d-8e9f-0a1b2c3d4e5f', name: 'db02' },
      access: ssh.access,
      identity: () => sshKey(new DirectorySecrets(join(root, 'secrets'))),
      directory: join(root, 'known'),
    });
    await expect(elsewhere.exec(['touch', '/tmp/touched'], { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'GUEST_SSH_REFUSED',
      message: expect.stringContaining('another machine') as string,
    });
    expect(await inGuest('ls /tmp/touched 2>/dev/null || :')).toBe('');
  });

  it('gives a program nothing of the log-in', async () => {
    const { stdout } = await agent.exec(['env'], { timeoutMs: TIMEOUT_MS, env: { A: 'b' } });
    expect(
      stdout
        .split('\n')
        .map((line) => line.split('=')[0])
        .filter((name) => !['', '_', 'PWD', 'OLDPWD', 'SHLVL'].includes(name ?? ''))
        .sort(),
    ).toEqual(['A', 'HOME', 'LC_ALL', 'PATH']);
  });

  it('says which line lets it in', async () => {
    const stranger = over({}, 'secrets of a stranger');
    const { publicKey } = await sshKey(new DirectorySecrets(join(root, 'secrets of a stranger')));
    await expect(stranger.exec(['true'], { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'GUEST_SSH_REFUSED',
      hint: expect.stringContaining(publicKey) as string,
    });
  });

  it('says that nobody listens', async () => {
    await expect(over({ port: 1 }).exec(['true'], { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'AGENT_SILENT',
      message: expect.stringContaining('refused') as string,
    });
  });

  it('without sudo in the guest there is no root', async () => {
    await expect(over({ sudo: true }).exec(['true'], { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'GUEST_SSH_REFUSED',
      message: expect.stringContaining('sudo') as string,
      hint: expect.stringContaining('sudo -n') as string,
    });
  });

  it('leaves no process on this host', async () => {
    expect(await processesWith('ssh', `port ${ssh.port}`)).toEqual([]);
    expect(await processesWith('ssh', String(ssh.port))).toEqual([]);
  });
});

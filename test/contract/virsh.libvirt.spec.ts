import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Virsh } from '../../src/hypervisors/libvirt/virsh';
import { runCommand } from '../../src/system/child-process';
import { eventually, processesWith } from '../support/processes';

const URI = 'qemu:///system';

describe('virsh', () => {
  let directory: string;
  let virsh: Virsh;
  const name = `modosu-test-virsh-${randomBytes(3).toString('hex')}`;
  let uuid: string;
  /** What specs before this one have left to rest in this process. */
  let others: readonly number[] = [];

  beforeAll(async () => {
    others = await children();
    directory = mkdtempSync(join(tmpdir(), 'modosu-virsh-'));
    virsh = new Virsh({ name: 'local', uri: URI, stateDirectory: join(directory, 'state') });
    const xml = `<domain type='qemu'><name>${name}</name><description>virsh # echo out-\n&lt;name&gt;ä&lt;/name&gt;</description><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>`;
    const file = join(directory, 'domain.xml');
    writeFileSync(file, xml);
    execFileSync('virsh', ['-q', '-c', URI, 'define', file]);
    uuid = execFileSync('virsh', ['-q', '-c', URI, 'domuuid', name], { encoding: 'utf8' }).trim();
  });
  afterAll(() => {
    execFileSync('virsh', ['-q', '-c', URI, 'undefine', name]);
    rmSync(directory, { recursive: true, force: true });
  });

  const ownProcess = (args: readonly string[]) => runCommand(['virsh', '--quiet', '--connect', URI, ...args], { timeoutMs: 30_000 });
  const children = async (): Promise<readonly number[]> => {
    const ours: number[] = [];
    for (const pid of await processesWith('virsh', '--connect')) {
      // Those of other workers come and go.
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const parent = Number(stat.split(') ')[1]?.split(' ')[1]);
      if (parent === process.pid && !others.includes(pid)) ours.push(pid);
    }
    return ours;
  };

  /** Those that rest, when none is left among them that was killed and that nobody has noticed yet: who asks such a one is answered by a process of its own. */
  const allResting = (): Promise<readonly number[]> =>
    eventually('some rest', async () => {
      const before = await children();
      await virsh.run(['version']);
      return before.length > 0 && String(before) === String(await children()) ? before : null;
    });

  it('what is read through a process that stays is what a process of its own says: answers, refusals, words of any kind', async () => {
    const commands = [
      ['dumpxml', '--domain', uuid, '--inactive'],
      ['dominfo', '--domain', uuid],
      ['domstate', '--domain', uuid, '--reason'],
      ['domstats', '--block', uuid],
      ['list', '--all', '--uuid'],
      ['list', '--all', '--name', '--uuid'],
      ['version'],
      ['domjobinfo', '--domain', uuid],
      ['backup-dumpxml', '--domain', uuid],
      ['checkpoint-list', '--domain', uuid, '--name'],
      ['checkpoint-dumpxml', '--domain', uuid, '--checkpointname', 'none'],
      ['qemu-agent-command', '--domain', uuid, '--timeout', '1', '--cmd', '{"execute":"guest-ping"}'],
      ['checkpoint-dumpxml', '--domain', uuid, '--checkpointname', `${'long'.repeat(30)}`, '--size', '--no-domain'],
      ['dominfo', '--domain', randomUUID()],
    ];
    await virsh.run(['version']);
    const first = await children();
    expect(first).toHaveLength(1);
    for (const args of commands) {
      const [told, alone] = [await virsh.attempt(args), await ownProcess(args)];
      expect({ args, ...told, stdout: told.stdout.trim(), stderr: told.stderr.trim() }).toEqual({
        args,
        ...alone,
        stdout: alone.stdout.trim(),
        stderr: alone.stderr.trim(),
      });
    }
    expect((await virsh.attempt(['dumpxml', '--domain', uuid])).stdout).toContain('<description>virsh # echo out-\n&lt;name&gt;ä&lt;/name&gt;</description>');
    // One after the other: one is enough, and it has answered all of them.
    await expect(children()).resolves.toEqual(first);
  });

  it('many at once are answered each by its own, by no more processes than a few that stay', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? virsh.run(['dominfo', '--domain', uuid]) : virsh.run(['list', '--all', '--uuid']))),
    );
    for (const [at, answer] of answers.entries()) expect(answer).toContain(at % 2 === 0 ? `Name:           ${name}` : uuid);
    expect((await children()).length).toBeLessThanOrEqual(4);
  });

  it('one that dies while it rests, or while it is asked, is replaced, and nobody notices', async () => {
    const before = await allResting();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await expect(virsh.run(['dominfo', '--domain', uuid])).resolves.toContain(name);
    for (const pid of await children()) process.kill(pid, 'SIGSTOP');
    const asked = virsh.run(['dominfo', '--domain', uuid]);
    for (const pid of await children()) process.kill(pid, 'SIGKILL');
    await expect(asked).resolves.toContain(name);
    expect((await children()).filter((pid) => before.includes(pid))).toEqual([]);
  });

  it('one that does not answer is ended after the time that was given, or when its caller has left', async () => {
    const stopped = await allResting();
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    await expect(virsh.run(['dominfo', '--domain', uuid], { timeoutMs: 300 })).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_TIMED_OUT' });
    for (const pid of await allResting()) process.kill(pid, 'SIGSTOP');
    const leaving = new AbortController();
    const asked = virsh.run(['dominfo', '--domain', uuid], { signal: leaving.signal });
    leaving.abort(new Error('left'));
    await expect(asked).rejects.toThrow('left');
    await eventually('they are gone', async () => !(await children()).some((pid) => stopped.includes(pid)));
    await expect(virsh.run(['dominfo', '--domain', uuid])).resolves.toContain(name);
  });

  it('what may be asked once alone is asked again only where the process that stays has not begun with it; otherwise nobody knows, and that is said', async () => {
    const ask = (): Promise<{ readonly exitCode: number | null; readonly stderr: string }> =>
      virsh.attemptOn(uuid, 'qemu-agent-command', ['--timeout', '1', '--cmd', '{"execute":"guest-exec","arguments":{"path":"/bin/true"}}']);
    const refused = { exitCode: 1, stderr: expect.stringContaining('domain is not running') as string };
    const long = `{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c","echo \\"it's\\" ${'x'.repeat(5000)}"]}}`;
    await expect(virsh.attemptOn(uuid, 'qemu-agent-command', ['--timeout', '1', '--cmd', long])).resolves.toMatchObject(refused);
    const [resting] = await children();
    await expect(ask()).resolves.toMatchObject(refused);
    expect(await children()).toEqual([resting]);
    // Dead before it has read anything.
    process.kill(resting ?? 0, 'SIGKILL');
    await expect(ask()).resolves.toMatchObject(refused);

    // Dead in the middle of it: the line was read, and no answer comes.
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    const started = join(directory, 'started');
    const script = `#!/bin/sh\necho x >> ${started}\nIFS= read -r line\nprintf 'virsh # %s\\n' "$line"\nkill -9 $$\n`;
    writeFileSync(join(bin, 'virsh'), script, { mode: 0o755 });
    const path = process.env['PATH'];
    process.env['PATH'] = `${bin}:${path ?? ''}`;
    try {
      const other = new Virsh({ name: 'local', uri: URI, stateDirectory: join(directory, 'state') });
      const asked = ['qemu-agent-command', '--domain', uuid, '--cmd', '{"execute":"guest-exec","arguments":{"path":"/bin/true"}}'];
      await expect(other.attempt(asked)).resolves.toMatchObject({ exitCode: 1, stderr: expect.stringContaining('ended before it answered') as string });
      expect(readFileSync(started, 'utf8')).toBe('x\n');
    } finally {
      process.env['PATH'] = path;
    }
  });

  it("nobody's key bindings have a say in what is read", async () => {
    writeFileSync(join(directory, '.inputrc'), 'set show-mode-in-prompt on\n"d": "XX"\n');
    const before = process.env['HOME'];
    process.env['HOME'] = directory;
    try {
      const other = new Virsh({ name: 'local', uri: URI, stateDirectory: join(directory, 'state') });
      await expect(other.run(['dumpxml', '--domain', uuid])).resolves.toMatch(/^<domain[^]*<\/domain>\s*$/);
      await expect(other.attemptInSecretOn(uuid, 'domid', [])).resolves.toMatchObject({ stdout: expect.stringMatching(/^-?\s*$/) as string });
    } finally {
      process.env['HOME'] = before;
    }
  });

  it('a caller who has left before it was asked is held by nothing', async () => {
    const leaving = new AbortController();
    leaving.abort(new Error('left'));
    await expect(virsh.run(['version'], { signal: leaving.signal })).rejects.toThrow('left');
  });

  it('an answer that is too long is said to be', async () => {
    await expect(virsh.run(['dumpxml', '--domain', uuid], { maxOutputBytes: 100 })).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
    await expect(virsh.run(['dumpxml', '--domain', uuid])).resolves.toContain(name);
  });

  it('what it is told in secret is kept nowhere, not in a history either', async () => {
    const secret = randomBytes(12).toString('hex');
    const before = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = join(directory, 'cache');
    try {
      await expect(virsh.attemptInSecretOn(uuid, 'qemu-agent-command', ['--cmd', `{"execute":"${secret}"}`])).resolves.toMatchObject({ exitCode: 1 });
    } finally {
      if (before === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = before;
    }
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { parentPath, name: file } of files) expect(readFileSync(join(parentPath, file), 'utf8')).not.toContain(secret);
    expect(files.filter(({ parentPath }) => parentPath.includes('/cache'))).toEqual([]);
  });
});

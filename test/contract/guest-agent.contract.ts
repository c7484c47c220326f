import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { eventually } from '../support/processes';

const TIMEOUT_MS = 30_000;

/** What runs in a guest, and what is handed to it, whoever runs it. */
export function describePrograms(open: () => Promise<{ readonly agent: GuestAgent; close(): Promise<void> }>): void {
  let agent: GuestAgent;
  let close: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    ({ agent, close } = await open());
  });
  afterAll(() => close?.());

  it('hands an environment and an input over as they are, whatever stands in them', async () => {
    const secret = `quote ' double " back\\slash $HOME \`id\` ; 戻す ${randomBytes(8).toString('hex')}`;
    const { exitCode, stdout } = await agent.exec(['sh', '-c', 'printf "%s\\n" "$SECRET" "$HOME"; cat'], {
      timeoutMs: TIMEOUT_MS,
      env: { SECRET: secret },
      input: `input of ${secret}`,
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${secret}\n/root\ninput of ${secret}` });
  });

  it('takes 128 KiB on standard input, and refuses more before anything is sent', async () => {
    const input = randomBytes(128 * 1024);
    const { stdout } = await agent.exec(['sha256sum'], { timeoutMs: TIMEOUT_MS, input });
    expect(stdout.split(' ')[0]).toBe(createHash('sha256').update(input).digest('hex'));
    await expect(agent.start({ argv: ['sha256sum'], input: Buffer.alloc(128 * 1024 + 1) }, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'INTERNAL',
    });
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
    const looked = agent.exec(['sh', '-c', 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done; test -n "$SECRET"'], {
      timeoutMs: TIMEOUT_MS,
      env: { SECRET: canary },
      input: canary,
    });
    const { stdout } = await looked.finally(async () => {
      looking = false;
      await looks;
    });
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

  it('starts a program, tells that it runs, and how it ended', async () => {
    const pid = await agent.start({ argv: ['sh', '-c', 'while [ ! -e /tmp/go ]; do :; done; echo done; exit 7'] }, { timeoutMs: TIMEOUT_MS });
    expect(await agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).toBeNull();
    expect((await agent.readFile(`/proc/${pid}/cmdline`, { timeoutMs: TIMEOUT_MS, maxBytes: 1000 }))?.toString()).toContain('/tmp/go');
    await agent.exec(['touch', '/tmp/go'], { timeoutMs: TIMEOUT_MS });
    const ended = await eventually('the program ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000);
    expect(ended).toEqual({ exitCode: 7, stdout: 'done\n', stderr: '', truncated: false });
  });

  it('knows nothing of a process that it has not started', async () => {
    await expect(agent.outcome(999_999, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it('counts as shells do when a program is killed, and cuts what is too long', async () => {
    const pid = await agent.start({ argv: ['sleep', '600'] }, { timeoutMs: TIMEOUT_MS });
    await agent.exec(['kill', '-KILL', String(pid)], { timeoutMs: TIMEOUT_MS });
    expect(await eventually('the program ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000)).toMatchObject({ exitCode: 137 });
    const long = await agent.exec(['sh', '-c', 'head -c 3000 /dev/zero | tr "\\0" o; head -c 3000 /dev/zero | tr "\\0" e >&2'], {
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: 1000,
    });
    expect(long).toEqual({ exitCode: 0, stdout: 'o'.repeat(1000), stderr: 'e'.repeat(1000), truncated: true });
  });

  it('tells what the clock of the guest says', async () => {
    const { stdout } = await agent.exec(['date', '+%s'], { timeoutMs: TIMEOUT_MS });
    expect(Math.abs((await agent.clock(TIMEOUT_MS)).getTime() / 1000 - Number(stdout))).toBeLessThan(30);
  });

  it('says that a program takes too long', async () => {
    await expect(agent.exec(['sleep', '20'], { timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'AGENT_COMMAND_FAILED',
      message: expect.stringContaining('had not ended') as string,
    });
  });

  it('reads files: whole, their beginning, without a size, and none', async () => {
    await agent.exec(['sh', '-c', 'head -c 2500000 /dev/zero | tr "\\0" z > /tmp/large'], { timeoutMs: TIMEOUT_MS });
    const read = (path: string, maxBytes: number): Promise<Buffer | null> => agent.readFile(path, { timeoutMs: TIMEOUT_MS, maxBytes });
    expect((await read('/tmp/large', 3_000_000))?.toString()).toBe('z'.repeat(2_500_000));
    expect(await read('/tmp/large', 10)).toHaveLength(10);
    expect((await read('/proc/self/status', 10_000))?.toString()).toContain('Name:');
    expect(await read('/tmp/no such file', 10)).toBeNull();
    await expect(read('/tmp', 10)).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });
}

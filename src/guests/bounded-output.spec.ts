import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostAgent } from '../../test/support/host-agent';
import { eventually } from '../../test/support/processes';
import { ModosuError } from '../contracts/errors';
import { boundedOutput, execBounded, runBoundedInGuest, type WhenTooMuch } from './bounded-output';

/** On the shell of this machine, as any guest's. */
const run = (
  argv: readonly [string, ...string[]],
  maxBytes: number,
  { input, whenTooMuch = 'end', shell = 'sh' }: { readonly input?: string; readonly whenTooMuch?: WhenTooMuch; readonly shell?: string } = {},
) => {
  const [, ...parameters] = boundedOutput(argv, maxBytes, whenTooMuch);
  const { status, stdout, stderr } = spawnSync(shell, parameters, {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
  });
  return { status, stdout, stderr };
};

/** dash and bash; that of a busybox is in real guests: `health-checks.libvirt`. */
const SHELLS = ['sh', 'bash'] as const;
const WAYS = SHELLS.flatMap((shell) => (['end', 'drop'] as const).map((whenTooMuch) => [whenTooMuch, shell] as const));

describe.each(WAYS)('a program whose output is bounded (%s, in %s)', (whenTooMuch, shell) => {
  it.each([
    ['nothing', ['true'], { status: 0, stdout: '', stderr: '' }],
    ['what it prints', ['sh', '-c', 'printf out; printf err >&2'], { status: 0, stdout: 'out', stderr: 'err' }],
    ['its exit code', ['sh', '-c', 'echo no >&2; exit 7'], { status: 7, stdout: '', stderr: 'no\n' }],
    ['that it was killed, and nothing of its own', ['sh', '-c', 'kill -KILL $$'], { status: 137, stdout: '', stderr: '' }],
    ['its arguments as they are', ['printf', '%s|', '$HOME', '`id`', "'", '"', '*', '', 'a b', '\\'], { status: 0, stdout: '$HOME|`id`|\'|"|*||a b|\\|' }],
    [
      'its arguments, whatever stands in them',
      ['printf', '%s|', 'データ', 'a\nb\n', ' ', '\u001f\u001e', '\u0081', '*?[a]', '~', '-n', '\\0101'],
      { status: 0, stdout: 'データ|a\nb\n| |\u001f\u001e|\u0081|*?[a]|~|-n|\\0101|' },
    ],
    ['that it is not there', ['no-such-program-here'], { status: 127, stdout: '', stderr: 'sh: no-such-program-here: not found\n' }],
    ['that it is not there, by its path', ['/no/such'], { status: 127, stdout: '', stderr: 'sh: /no/such: not found\n' }],
    ['that it is none', ['/etc/passwd'], { status: 126, stdout: '' }],
    ['that a word of the shell is no program', ['eval', 'echo no'], { status: 127, stdout: '', stderr: 'sh: eval: not found\n' }],
  ] as const)('tells %s', (_what, argv, expected) => expect(run(argv as unknown as [string], 1000, { whenTooMuch, shell })).toMatchObject(expected));

  it('starts what lies first in the PATH, and takes no name for a list of places', () => {
    const directory = mkdtempSync(join(tmpdir(), 'modosu-path-'));
    try {
      mkdirSync(join(directory, 'a', 'say it'), { recursive: true });
      writeFileSync(join(directory, 'say it'), '#!/bin/sh\necho "mine: $*"\n', { mode: 0o755 });
      const [program, ...args] = boundedOutput(['say it', 'a:b', 'c d'], 1000, whenTooMuch);
      const env = { PATH: `${join(directory, 'a')}:${directory}:${process.env['PATH'] ?? ''}` };
      expect(spawnSync(program, args, { encoding: 'utf8', env }).stdout).toBe('mine: a:b c d\n');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('reads its standard input, and has nothing open that is not its own', () => {
    expect(run(['cat'], 1000, { input: 'given', whenTooMuch, shell }).stdout).toBe('given');
    expect(run(['sh', '-c', 'for d in 3 4 5 6; do [ -e /proc/self/fd/$d ] && echo $d; done; :'], 1000, { whenTooMuch, shell }).stdout).toBe('');
  });

  it('gives whole what has just as many bytes, and the beginning of what has more', () => {
    expect(run(['printf', '1234'], 4, { whenTooMuch, shell })).toEqual({ status: 0, stdout: '1234', stderr: '' });
    expect(run(['printf', '12345'], 4, { whenTooMuch, shell }).stdout).toBe('1234');
  });
});

describe('a program that is ended for what it prints', () => {
  it.each([
    ['output', 'yes'],
    ['errors', 'exec yes >&2'],
    ['both', 'yes & exec yes >&2'],
  ])('ends one that prints %s without end', (_what, script) => {
    const { status, stdout, stderr } = run(['timeout', '-s', 'KILL', '20', 'sh', '-c', script], 10_000);
    expect(status).not.toBe(0);
    expect(stdout.length + stderr.length).toBeGreaterThanOrEqual(10_000);
    expect(stdout.length).toBeLessThanOrEqual(10_000);
    expect(stderr.length).toBeLessThanOrEqual(10_000);
  });
});

describe('a program that prints too much and is not to be ended for it', () => {
  it.each([
    ['output', 'head -c 1000000 /dev/zero; exit 3', 'stdout'],
    ['errors', 'head -c 1000000 /dev/zero >&2; exit 3', 'stderr'],
  ] as const)('comes to its own end, and the beginning of its %s is kept', (_what, script, stream) => {
    const result = run(['sh', '-c', script], 1_000, { whenTooMuch: 'drop' });
    expect(result.status).toBe(3);
    expect(result[stream]).toHaveLength(1_000);
  });
});

describe('a program that somebody else has chosen, in a guest', () => {
  const never = new AbortController().signal;
  const LIMITS = { timeoutMs: 20_000, maxOutputBytes: 1_000 };
  const both = [
    ['execBounded', (agent: HostAgent, argv: readonly [string, ...string[]]) => execBounded(agent, argv, LIMITS)],
    ['runBoundedInGuest', (agent: HostAgent, argv: readonly [string, ...string[]]) => runBoundedInGuest(agent, { argv }, { signal: never, ...LIMITS })],
  ] as const;

  it.each(both)('%s: gives its end, and says when something was cut', async (_name, start) => {
    const agent = new HostAgent();
    const shell = (script: string) => start(agent, ['sh', '-c', script]);
    expect(await shell('printf out; exit 4')).toEqual({ exitCode: 4, stdout: 'out', stderr: '', truncated: false });
    expect(await shell('head -c 1000 /dev/zero')).toMatchObject({ exitCode: 0, truncated: false });
    expect(await shell('head -c 1001 /dev/zero')).toMatchObject({ exitCode: 0, truncated: true, stdout: '\0'.repeat(1_000) });
    await expect(start(agent, ['no-such-program'])).rejects.toMatchObject({ code: 'GUEST_PROGRAM_MISSING', context: { program: 'no-such-program' } });
    expect(await shell('no-such-program')).toMatchObject({ exitCode: 127 });
  });

  it.each(both)('%s: runs it as it is where the guest has no shell, as Windows', async (_name, start) => {
    const beforeStart = ({ argv: [program] }: { readonly argv: readonly string[] }): void => {
      if (program === 'sh') {
        throw new ModosuError('AGENT_COMMAND_FAILED', "Guest agent command failed, error was 'Failed to execute child process (No such file or directory)'");
      }
    };
    const agent = new HostAgent({ beforeStart });
    expect(await start(agent, ['printf', 'as it is'])).toMatchObject({ exitCode: 0, stdout: 'as it is' });
    expect(agent.ran.map(({ argv }) => argv[0])).toEqual(['sh', 'printf']);
    await expect(start(agent, ['no-such-program'])).rejects.toMatchObject({ code: 'GUEST_PROGRAM_MISSING', context: { program: 'no-such-program' } });
  });

  it('is not found by itself: who looks for a command line finds none that runs the one who looks', async () => {
    const word = `nobody-is-called-${process.pid}`;
    expect(await execBounded(new HostAgent(), ['pgrep', '-f', word], LIMITS)).toMatchObject({ exitCode: 1, stdout: '' });
    const still = await runBoundedInGuest(new HostAgent(), { argv: ['pkill', '-f', word] }, { signal: never, ...LIMITS });
    expect(still).toMatchObject({ exitCode: 1 });
  });

  it('is named by its own name when it has not ended in time', async () => {
    await expect(execBounded(new HostAgent(), ['sleep', '1'], { ...LIMITS, timeoutMs: 100 })).rejects.toMatchObject({ message: 'sleep had not ended' });
  });

  it('is started by nothing else where there is a shell that may not be started', async () => {
    const beforeStart = ({ argv: [program] }: { readonly argv: readonly string[] }): void => {
      if (program === 'sh') throw new ModosuError('AGENT_COMMAND_FAILED', 'Failed to execute child process (Permission denied)');
    };
    const agent = new HostAgent({ beforeStart });
    await expect(execBounded(agent, ['printf', 'x'], LIMITS)).rejects.toMatchObject({ code: 'GUEST_PROGRAM_MISSING', context: { program: 'sh' } });
    expect(agent.ran).toHaveLength(1);
  });

  it('is ended with all that it has started when nobody wants it any more', async () => {
    const stopping = new AbortController();
    const agent = new HostAgent();
    const mark = `61.${process.pid}`;
    const running = runBoundedInGuest(agent, { argv: ['sh', '-c', `sleep ${mark} & sleep ${mark}; :`] }, { signal: stopping.signal, maxOutputBytes: 1_000 });
    const alive = () =>
      spawnSync('pgrep', ['-fx', `sleep ${mark}`], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n')
        .filter(Boolean).length;
    await eventually('both run', async () => alive() === 2 || null, 10_000);
    stopping.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(alive()).toBe(0);
  });
});

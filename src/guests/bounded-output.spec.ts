import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boundedOutput } from './bounded-output';

/** On the shell of this machine, as any guest's. */
const run = (argv: readonly [string, ...string[]], maxBytes: number, input?: string) => {
  const [program, ...args] = boundedOutput(argv, maxBytes);
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
  });
  return { status, stdout, stderr };
};

describe('a program whose output is bounded', () => {
  it.each([
    ['nothing', ['true'], { status: 0, stdout: '', stderr: '' }],
    ['what it prints', ['sh', '-c', 'printf out; printf err >&2'], { status: 0, stdout: 'out', stderr: 'err' }],
    ['its exit code', ['sh', '-c', 'echo no >&2; exit 7'], { status: 7, stdout: '', stderr: 'no\n' }],
    ['that it was killed', ['sh', '-c', 'kill -KILL $$'], { status: 137, stdout: '' }],
    ['its arguments as they are', ['printf', '%s|', '$HOME', '`id`', "'", '"', '*', '', 'a b', '\\'], { status: 0, stdout: '$HOME|`id`|\'|"|*||a b|\\|' }],
    ['that it is not there', ['no-such-program-here'], { status: 127, stdout: '', stderr: expect.stringMatching(/no-such-program-here: not found/) as string }],
  ] as const)('tells %s', (_what, argv, expected) => expect(run(argv as unknown as [string], 1000)).toMatchObject(expected));

  it('starts what lies first in the PATH, and takes no name for a list of places', () => {
    const directory = mkdtempSync(join(tmpdir(), 'modosu-path-'));
    try {
      mkdirSync(join(directory, 'a', 'say it'), { recursive: true });
      writeFileSync(join(directory, 'say it'), '#!/bin/sh\necho "mine: $*"\n', { mode: 0o755 });
      const [program, ...args] = boundedOutput(['say it', 'a:b', 'c d'], 1000);
      const env = { PATH: `${join(directory, 'a')}:${directory}:${process.env['PATH'] ?? ''}` };
      expect(spawnSync(program, args, { encoding: 'utf8', env }).stdout).toBe('mine: a:b c d\n');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('reads its standard input, and has nothing open that is not its own', () => {
    expect(run(['cat'], 1000, 'given').stdout).toBe('given');
    expect(run(['sh', '-c', 'for d in 3 4 5 6; do [ -e /proc/self/fd/$d ] && echo $d; done; :'], 1000).stdout).toBe('');
  });

  it('gives whole what has just as many bytes, and the beginning of what has more', () => {
    expect(run(['printf', '1234'], 4)).toEqual({ status: 0, stdout: '1234', stderr: '' });
    expect(run(['printf', '12345'], 4).stdout).toBe('1234');
  });

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

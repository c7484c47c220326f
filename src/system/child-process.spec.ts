import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../test/support/processes';
import { findProgram, runCommand } from './child-process';

const isAlive = async (pid: number): Promise<boolean> => !/^\d+ \(.*\) Z/.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '0 (x) Z'));

describe('runCommand', () => {
  it('gives exit code and both outputs, and takes input', async () => {
    expect(await runCommand(['sh', '-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' })).toEqual({
      exitCode: 3,
      signal: null,
      stdout: 'hello',
      stderr: 'oops\n',
      truncated: false,
      timedOut: false,
    });
  });

  it('hands arguments over as they are', async () => {
    const odd = ['$(id)', '; ls', 'a\'b"c', '戻す', 'two\nlines', '-n', '*'];
    const { stdout } = await runCommand(['printf', '%s|', ...odd]);
    expect(stdout).toBe(odd.map((word) => `${word}|`).join(''));
  });

  it('speaks C and passes on no secret of ours', async () => {
    process.env['MODOSU_TEST_SECRET'] = 'geheim';
    try {
      const { stdout } = await runCommand(['env'], { env: { EXTRA: '1' } });
      expect(stdout).toContain('LC_ALL=C\n');
      expect(stdout).toContain('EXTRA=1\n');
      expect(stdout).not.toContain('geheim');
    } finally {
      delete process.env['MODOSU_TEST_SECRET'];
    }
  });

  it('keeps no more output than allowed', async () => {
    const outcome = await runCommand(['head', '-c', '100000', '/dev/zero'], { maxOutputBytes: 1_000 });
    expect(outcome.stdout).toHaveLength(1_000);
    expect(outcome).toMatchObject({ exitCode: 0, truncated: true });
  });

  it('kills what takes too long, with its children, and never calls that a success', async () => {
    const outcome = await runCommand(['sh', '-c', 'sleep 300 & echo $!; wait'], { timeoutMs: 500 });
    expect(outcome).toMatchObject({ exitCode: null, timedOut: true });
    const grandchild = Number(outcome.stdout.trim());
    expect(grandchild).toBeGreaterThan(1);
    await eventually('the grandchild is gone', async () => !(await isAlive(grandchild)));
  });

  it('an abort kills the program before it rejects with the reason', async () => {
    const stop = new AbortController();
    let pid = 0;
    const running = runCommand(['sleep', '300'], { signal: stop.signal, onStarted: (started) => (pid = started) });
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(await isAlive(pid)).toBe(false);
    await expect(runCommand(['sleep', '300'], { signal: stop.signal })).rejects.toThrow('enough');
  });

  it('names the program that is missing', async () => {
    await expect(runCommand(['modosu-no-such-program'])).rejects.toMatchObject({ code: 'PROGRAM_MISSING', context: { program: 'modosu-no-such-program' } });
    expect(() => findProgram('/etc/passwd')).toThrow(expect.objectContaining({ code: 'PROGRAM_MISSING' }));
  });

  it('a program dies with the process that started it, also with SIGKILL', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'modosu-child-'));
    try {
      const script = join(directory, 'parent.cjs');
      await writeFile(
        script,
        `require(${JSON.stringify(join(__dirname, '../../test/support/register-ts.cjs'))});
         const { runCommand } = require(${JSON.stringify(join(__dirname, 'child-process.ts'))});
         void runCommand(['sleep', '301'], { onStarted: (pid) => process.stdout.write(pid + '\\n') });`,
      );
      const child: { pid: number; parent: number } = { pid: 0, parent: 0 };
      let said = '';
      const parent = runCommand([process.execPath, script], { onStdout: (piece) => (said += piece.toString()), onStarted: (pid) => (child.parent = pid) });
      await eventually('the parent has started its program', async () => said.includes('\n'), 20_000);
      child.pid = Number(said.trim());
      // setpriv has become the program once its command line says so: only then is the death signal set.
      await eventually('the program runs', async () => (await readFile(`/proc/${child.pid}/cmdline`, 'utf8').catch(() => '')).startsWith('/usr/bin/sleep'));
      process.kill(child.parent, 'SIGKILL');
      expect(await parent).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
      await eventually('the program is gone', async () => !(await isAlive(child.pid)));
    } finally {
      await rm(directory, { recursive: true });
    }
  }, 30_000);
});

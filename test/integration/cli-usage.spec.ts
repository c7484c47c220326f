import { CliRun, type CliResult } from './cli-harness';

/** Nothing of this asks the API. */
const cli = (argv: readonly string[]): Promise<CliResult> => new CliRun(argv, { MODOSU_STATE_DIR: '/nonexistent', MODOSU_API_URL: 'http://127.0.0.1:1' }).end();

describe('modosu, usage', () => {
  it('shows every command of the first part in its help, on standard output', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    for (const command of ['up', 'api', 'worker', 'migrate', 'doctor', 'apply', 'server', 'backup', 'recovery-point', 'restore', 'run', 'audit', 'explain']) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
    expect(stdout).toContain('130 interrupted (the run goes on)');
  });

  it('shows the version', async () => {
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
  });

  it.each([
    [[]],
    [['serve']],
    [['server']],
    [['server', 'show']],
    [['server', 'list', '--colour']],
    [['server', 'list', '--output', 'xml']],
    [['server', 'show', 'a', 'b']],
    [['apply']],
    [['backup', 'image', 'db01', '--reason', 'x']],
    [['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x']],
    [['backup', 'image', 'db01', '--mode', 'offline']],
    [['backup', 'image', 'db01', '--mode', 'offline', '--reason', 'x', '--timeout', 'soon']],
    [['backup', 'image', '-rf', '--mode', 'offline', '--reason', 'x']],
    [['restore', 'plan', 'db01']],
    [['restore', 'plan', 'db01', '--scenario', 'planet']],
    [['restore', 'run', 'plan_x', '--reason', 'x']],
    [['restore', 'run', 'plan_x', '--confirm', 'x']],
    [['run', 'list', '--limit', '0']],
    [['up']],
    [['explain', 'NO_SUCH_CODE']],
  ])('%j is a wrong usage: exit code 2, nothing on standard output', async (argv) => {
    const { code, stdout, stderr } = await cli(argv);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toBe('');
  });

  it('explains a code without asking the API', async () => {
    const { code, stdout } = await cli(['explain', 'server_busy']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/SERVER_BUSY/);
    expect(stdout).toMatch(/exit code +5/);
    expect(JSON.parse((await cli(['explain', 'PLAN_BLOCKED', '-o', 'json'])).stdout)).toMatchObject({ code: 'PLAN_BLOCKED', exitCode: 9 });
  });
});

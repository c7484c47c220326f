import { parse } from 'yaml';
import { CliRun, type CliResult } from './cli-harness';

/** Nothing of this asks the API. */
const cli = (argv: readonly string[]): Promise<CliResult> => new CliRun(argv, { MODOSU_STATE_DIR: '/nonexistent', MODOSU_API_URL: 'http://127.0.0.1:1' }).end();

describe('modosu, usage', () => {
  it('shows every command of the first part in its help, on standard output', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    for (const command of [
      'up',
      'api',
      'worker',
      'migrate',
      'doctor',
      'catalog',
      'data-repository',
      'apply',
      'server',
      'backup',
      'recovery-point',
      'restore',
      'run',
      'way-back',
      'audit',
      'token',
      'explain',
      'completion',
      'support-bundle',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
    expect(stdout).toContain('130 interrupted (the run goes on)');
  });

  it.each([
    [['backup', 'image'], /modosu backup image db01 --mode online --reason/],
    [['backup', 'data'], /modosu backup data db01 --data-set shop --reason/],
    [['restore', 'plan'], /--scenario server --attach-old-disk vdb\n[^]*--scenario data --data-set shop --table orders --incident-at 2026-/],
    [['restore', 'run'], /--hold --wait +# exit code 7 when it waits for you/],
    [['restore', 'show'], /modosu restore show plan_/],
    [['run', 'go-live'], /modosu run go-live run_/],
    [['run', 'undo'], /modosu run undo run_\S+ +# .*changes nothing/],
    [['run', 'confirm'], /modosu run confirm run_/],
    [['token', 'create'], /modosu token create prometheus --scope read/],
    [['completion'], /modosu completion zsh/],
    [
      ['catalog', 'rebuild'],
      /^Usage: modosu catalog rebuild \[options\]\n[^]*--key-file <file>[^]*modosu catalog rebuild --repository \S+ --key-file \S+ --dry-run\n/,
    ],
    [['data-repository', 'renew'], /modosu data-repository renew --all --dry-run/],
    [['way-back', 'list'], /modosu way-back list --state open/],
    [['offsite', 'list'], /^Usage: modosu offsite list \[options\]\n\nlist all off-site repositories/],
    [
      ['offsite', 'show'],
      /^Usage: modosu offsite show \[options\] <transfer>\n\nshow one transfer[^]*id of the transfer, as `modosu offsite transfers` lists\s+it/,
    ],
  ])('%j has an example in its help', async (argv, expected) => {
    const { code, stdout } = await cli([...argv, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nExamples?:\n/);
    expect(stdout).toMatch(expected);
  });

  it('shows the form of the data only of roles that give any', async () => {
    expect((await cli(['doctor', '--help'])).stdout).toContain('--output <format>');
    expect((await cli(['migrate', '--help'])).stdout).not.toContain('--output');
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
    [['backup', 'image', 'db01', '--mode', 'sideways', '--reason', 'x']],
    [['backup', 'image', 'db01', '--mode', 'offline']],
    [['backup', 'image', 'db01', '--mode', 'offline', '--reason', 'x', '--timeout', 'soon']],
    [['backup', 'image', '-rf', '--mode', 'offline', '--reason', 'x']],
    [['restore', 'plan', 'db01']],
    [['restore', 'plan', 'db01', '--scenario', 'planet']],
    [['restore', 'plan', 'db01', '--scenario', 'server', '--keep-disk']],
    [['restore', 'plan', 'db01', '--scenario', 'server', '--attach-old-disk']],
    [['restore', 'plan', 'db01', '--scenario', 'data', '--table']],
    [['restore', 'plan', 'db01', '--scenario', 'data', '--tabel', 'orders']],
    [['restore', 'plan', 'db01', '--scenario', 'data', '--whole', 'x']],
    [['backup', 'data']],
    [['backup', 'data', 'db01']],
    [['backup', 'data', 'db01', '--reason', 'x', '--mode', 'online']],
    [['backup', 'data', 'db01', '--reason', 'x', '--data-set']],
    [['backup', 'data', 'db01', 'db02', '--reason', 'x']],
    [['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x', '--data-set', 'shop']],
    [['restore', 'run', 'plan_x', '--reason', 'x']],
    [['restore', 'run', 'plan_x', '--confirm', 'x']],
    [['run', 'list', '--limit', '0']],
    [['run', 'go-live', 'run_x']],
    [['run', 'undo']],
    [['run', 'confirm', 'run_x']],
    [['restore', 'show']],
    [['way-back']],
    [['token', 'create', 'x']],
    [['token', 'create', 'x', '--scope', 'root']],
    [['token', 'create', 'x', '--scope', 'read', '--expires-in', '5m']],
    [['completion', 'tcsh']],
    [['way-back', 'list', '--state', 'odd']],
    [['up']],
    [['catalog']],
    [['catalog', 'key']],
    [['catalog', 'rebuild', '--repo', '/srv/modosu']],
    [['migrate', '--sideways']],
    [['explain']],
    [['explain', 'no such code']],
  ])('%j is a wrong usage: exit code 2, nothing on standard output', async (argv) => {
    const { code, stdout, stderr } = await cli(argv);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toBe('');
  });

  it.each([
    [['change', 'open', 'db01', '--title', 'x', '--apply-text', 'by hand', '--apply-command', '["/bin/true"]'], 'exclude each other'],
    [['verify', '--reason', 'x'], 'one of the three'],
    [['verify', '--data-of', 'db01', '--boot-of', 'db01', '--reason', 'x'], 'one of the three'],
    [['verify', '--data-of', 'db01', '--boot', '--reason', 'x'], '--boot goes with a recovery point'],
  ])('%j goes together in no way, and is called a wrong usage', async (argv, words) => {
    const { code, stdout, stderr } = await cli(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/\bUSAGE\b/);
    expect(stderr).toContain(words);
  });

  it('explains a code without asking the API', async () => {
    const { code, stdout } = await cli(['explain', 'server_busy']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^code +SERVER_BUSY\nmeaning +A run that has not ended holds the server, and only one may\.\nkind +conflict\n/);
    expect(stdout).toMatch(/exit code +5/);
    expect(JSON.parse((await cli(['explain', 'PLAN_BLOCKED', '-o', 'json'])).stdout)).toMatchObject({
      code: 'PLAN_BLOCKED',
      exitCode: 9,
      meaning: 'Findings of the plan say that it must not be carried out as it is.',
    });
    expect(parse((await cli(['explain', 'PLAN_BLOCKED', '-o', 'yaml'])).stdout)).toMatchObject({ meaning: expect.any(String) as string, kind: 'conflict' });
  });

  it.each([
    ['no_compatible_point', /^code +NO_COMPATIBLE_POINT\nmeaning +None of the recovery points .*\nwhat to do +Follow the remedy/],
    ['RPO_EXCEEDED', /^code +RPO_EXCEEDED\nmeaning +The newest usable recovery point .*\nwhat to do +Take one now/],
    ['WAITING_FOR_GO_LIVE', /^code +WAITING_FOR_GO_LIVE\nmeaning +A restore waits .*\nwhat to do +Look at the server/],
  ])('explains %s of a finding, a breach or an alert without asking the API', async (given, expected) => {
    expect(await cli(['explain', given])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(expected) as string });
    expect(parse((await cli(['explain', given, '-o', 'yaml'])).stdout)).toEqual({
      code: given.toUpperCase(),
      finding: { meaning: expect.any(String) as string, whatToDo: expect.any(String) as string },
    });
  });

  it('explains a code that is of an error and of a finding as both', async () => {
    const { stdout } = await cli(['explain', 'NOT_ENOUGH_SPACE']);
    expect(stdout).toMatch(/^kind +capacity$/m);
    expect(stdout).toMatch(/^what to do +Free the amount named/m);
    expect(stdout).toMatch(/^as a finding +A directory has too little room/m);
    expect(stdout).toMatch(/^what to do +Free as much as the finding says/m);
    expect(JSON.parse((await cli(['explain', 'NOT_ENOUGH_SPACE', '-o', 'json'])).stdout)).toMatchObject({
      kind: 'capacity',
      exitCode: 1,
      finding: { meaning: expect.stringContaining('too little room') as string },
    });
  });

  it('does not say of a code that there is none while nobody can be asked for the rules of profiles', async () => {
    const { code, stdout, stderr } = await cli(['explain', 'NOBODY_HAS_IT']);
    expect({ code, stdout }).toEqual({ code: 10, stdout: '' });
    expect(stderr).toMatch(
      /^error: API_UNREACHABLE: Modosu itself has no code NOBODY_HAS_IT, nor has a profile that is shipped with it; others could not be asked: /,
    );
  });
});

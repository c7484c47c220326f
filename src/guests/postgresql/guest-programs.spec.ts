import { ModosuError } from '../../contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from '../guest-agent';
import { GuestPrograms, insideSpool } from './guest-programs';

const ended = (changes: Partial<CommandResult> = {}): CommandResult => ({ exitCode: 0, stdout: '', stderr: '', truncated: false, ...changes });

/** An agent that answers from a script, and notes what it was asked. */
class ScriptedAgent {
  readonly ran: GuestProgram[] = [];
  outcomes: (CommandResult | null | Error)[] = [];
  answer: (program: GuestProgram) => CommandResult | Error = () => ended();

  async exec(argv: GuestProgram['argv'], options: object): Promise<CommandResult> {
    this.ran.push({ ...options, argv });
    const answer = argv.includes('id') ? ended({ stdout: 'uid=105(postgres) gid=106(postgres) groups=106(postgres)\n' }) : this.answer({ ...options, argv });
    if (answer instanceof Error) throw answer;
    return answer;
  }
  async start(program: GuestProgram): Promise<number> {
    this.ran.push(program);
    return 77;
  }
  async outcome(): Promise<CommandResult | null> {
    const next = this.outcomes.shift();
    if (next instanceof Error) throw next;
    return next ?? null;
  }
}

const SETPRIV = ['setpriv', '--reuid=105', '--regid=106', '--init-groups'];

describe('programs in a guest', () => {
  let agent: ScriptedAgent;
  let programs: GuestPrograms;
  beforeEach(() => {
    agent = new ScriptedAgent();
    programs = new GuestPrograms(agent as unknown as GuestAgent, 'postgres');
  });

  it('run as the account, which is asked for once, bounded in the guest itself', async () => {
    await programs.run(['psql', '-X'], { input: 'SELECT 1;', timeoutMs: 9_500 });
    await programs.run(['psql', '-X']);
    expect(agent.ran.map(({ argv }) => argv)).toEqual([
      ['timeout', '-k', '5', '60', 'id', '--', 'postgres'],
      ['timeout', '-k', '5', '10', ...SETPRIV, 'psql', '-X'],
      ['timeout', '-k', '5', '60', ...SETPRIV, 'psql', '-X'],
    ]);
    await expect(new GuestPrograms(agent as unknown as GuestAgent, null).run(['psql'])).resolves.toMatchObject({ exitCode: 0 });
    expect(agent.ran.at(-1)?.argv).toEqual(['timeout', '-k', '5', '60', 'psql']);
  });

  it.each([
    [
      'the agent finds none',
      new ModosuError('AGENT_COMMAND_FAILED', 'Guest agent command failed: Failed to execute child process (No such file or directory)'),
      'timeout',
    ],
    ['the program before it finds none', ended({ exitCode: 127, stderr: 'setpriv: failed to execute pg_dump: No such file or directory' }), 'pg_dump'],
    ['the account cannot be taken on', ended({ exitCode: 127, stderr: "timeout: failed to run command 'setpriv': No such file or directory" }), 'setpriv'],
    ['busybox finds none', ended({ exitCode: 127, stderr: "setpriv: can't execute 'pg_dump': No such file or directory" }), 'pg_dump'],
    ["Debian's wrapper finds none", ended({ exitCode: 1, stderr: 'Error: You must install at least one postgresql-client-<version> package' }), 'pg_dump'],
  ] as const)('are missing when %s', async (_how, answer, program) => {
    agent.answer = () => answer;
    await expect(programs.run(['pg_dump'])).rejects.toMatchObject({ code: 'GUEST_PROGRAM_MISSING', context: { program } });
  });

  it('that outstay their time are not taken for ended ones', async () => {
    agent.answer = () => ended({ exitCode: 124 });
    await expect(programs.run(['psql'])).rejects.toMatchObject({ code: 'AGENT_SILENT' });
  });

  it('that take long are waited for, also while the agent is silent for a moment', async () => {
    agent.outcomes = [
      null,
      new ModosuError('AGENT_SILENT', 'busy'),
      new ModosuError('AGENT_COMMAND_FAILED', 'guest-exec-status has been disabled: the command is not allowed while the guest is frozen'),
      null,
      ended({ exitCode: 3 }),
    ];
    expect(await programs.runLong(['pg_dump'], {})).toMatchObject({ exitCode: 3 });
    expect(agent.ran.at(-1)?.argv).toEqual([...SETPRIV, 'pg_dump']);
  });

  it('that the agent does not know any more are lost', async () => {
    agent.outcomes = [null, new ModosuError('AGENT_COMMAND_FAILED', 'PID 77 does not exist')];
    await expect(programs.runLong(['pg_dump'], {})).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it('that take long are looked at now and then, and what goes wrong then does not end them', async () => {
    agent.outcomes = [...Array.from({ length: 8 }, () => null), ended()];
    const onBeat = jest.fn(() => Promise.reject(new Error('df')));
    await expect(programs.runLong(['pg_dump'], { onBeat })).resolves.toMatchObject({ exitCode: 0 });
    expect(onBeat.mock.calls.length).toBeGreaterThan(0);
    expect(onBeat.mock.calls.length).toBeLessThan(7);
  }, 20_000);

  it('are killed when nobody waits any more', async () => {
    const abort = new AbortController();
    const waiting = programs.runLong(['pg_dump'], { signal: abort.signal });
    setTimeout(() => {
      agent.outcomes = [ended({ exitCode: 137 })];
      abort.abort(new Error('cancelled'));
    }, 20);
    await expect(waiting).rejects.toThrow('cancelled');
    expect(agent.ran.at(-1)?.argv).toEqual(['kill', '-KILL', '77']);
    await expect(programs.runLong(['pg_dump'], { signal: abort.signal })).rejects.toThrow('cancelled');
    expect(agent.ran.filter(({ argv }) => argv.includes('pg_dump'))).toHaveLength(1);
  });

  it('words of theirs are cleaned, and a full disk is called one', async () => {
    agent.answer = () => ended({ exitCode: 1, stderr: 'dd: \u001b[31mno\u0007\nNo space left on device' });
    await expect(programs.output(['dd'])).rejects.toMatchObject({ code: 'GUEST_DISK_FULL', message: expect.stringMatching(/^[\x20-\x7e]+$/) });
  });

  it('say how much room there is', async () => {
    agent.answer = () => ended({ stdout: '     Avail    1B-blocks\n 123456789 10000000000\n' });
    expect(await programs.room('/spool')).toEqual({ freeBytes: 123_456_789, sizeBytes: 10_000_000_000 });
    expect(await programs.freeBytes('/spool')).toBe(123_456_789);
    agent.answer = () => ended({ stdout: 'Avail\n-\n' });
    await expect(programs.freeBytes('/spool')).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it('files that they have written are read when they are not too long, and never are an answer of the agent', async () => {
    const readFile = jest.fn(async () => Buffer.from('content'));
    Object.assign(agent, { readFile });
    agent.answer = () => ended({ stdout: '7\n' });
    expect(await programs.readWhole('/spool/x', 7)).toEqual(Buffer.from('content'));
    expect(await programs.readWhole('/spool/x', 6)).toBe('too long');
    expect(readFile).toHaveBeenCalledTimes(1);
    agent.answer = () => ended({ exitCode: 1, stderr: 'stat: cannot statx' });
    expect(await programs.readWhole('/spool/x', 7)).toBeNull();
  });

  it('write long files in pieces that the agent takes', async () => {
    await programs.write('/spool/x', '注'.repeat(70_000));
    const pieces = agent.ran.filter(({ argv }) => argv.includes('dd'));
    expect(pieces.map(({ input }) => input?.length)).toEqual([98_304, 98_304, 13_392]);
    expect(pieces.map(({ argv }) => argv.includes('oflag=append'))).toEqual([false, true, true]);
    expect(agent.ran.at(-1)?.argv.slice(-5)).toEqual(['mv', '-T', '--', '/spool/x.part', '/spool/x']);
  });
});

describe('paths of the spool directory', () => {
  it.each(['/spool', '/spool/', '/etc', '/spool/../etc', '/spool/.', '/spool/..', '/spool//a', '/spool/a/', '/spoolx/a', 'spool/a', '/spool/a\nb'])(
    '%p is not in it',
    (path) => {
      expect(() => insideSpool('/spool', path, 'anywhere')).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    },
  );
  it('directly in it, or deeper', () => {
    expect(insideSpool('/spool/', '/spool/a', 'direct')).toBe('/spool/a');
    expect(insideSpool('/spool', '/spool/a/b', 'anywhere')).toBe('/spool/a/b');
    for (const path of ['/spool/a/b', '/spool/-a', '/spool/a b', '/spool/.a']) expect(() => insideSpool('/spool', path, 'direct')).toThrow();
  });
});

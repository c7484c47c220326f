import { existsSync } from 'node:fs';
import { boundedProgram } from '../../test/support/bounded-program';
import { HostAgent } from '../../test/support/host-agent';
import { eventually } from '../../test/support/processes';
import type { ErrorCode } from '../contracts/error-codes';
import { ModosuError } from '../contracts/errors';
import type { MarkerType } from '../contracts/marker';
import type { MarkerSpec, ProbeSpec } from '../contracts/profile';
import { boundedOutput } from '../guests/bounded-output';
import type { CommandResult, GuestAgent, GuestProgram } from '../guests/guest-agent';
import type { ProbeFacts, ProbeTarget } from './probe';
import { readMarker, readMarkers } from './read-markers';

const NOW = '2026-03-01T12:00:00.000Z';
const ended = (result: Partial<CommandResult> = {}): CommandResult => ({ exitCode: 0, stdout: '', stderr: '', truncated: false, ...result });
const marker = (type: MarkerType, probe: ProbeSpec, timeoutSeconds = 5): MarkerSpec => ({
  name: 'm',
  type,
  of: 'peer',
  probe,
  timeoutSeconds,
  isCaptured: false,
});
const COMMAND: ProbeSpec = { kind: 'command', argv: ['say', 'it'] };
const sql = (change: Partial<Extract<ProbeSpec, { kind: 'sql' }>> = {}): ProbeSpec => ({
  kind: 'sql',
  engine: 'postgresql',
  database: 'shop',
  user: 'monitor',
  query: 'SELECT 1;',
  ...change,
});

interface Ran {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxOutputBytes?: number;
}

/** The program that is started with its output bounded, as every probe's is. */
function withinBounds(started: readonly string[]): readonly string[] {
  const [program = '', ...args] = boundedProgram(started);
  expect(started).toEqual(boundedOutput([program, ...args], 64 * 1024 + 1, 'end'));
  return [program, ...args];
}

/** Answers each program with what comes next; the last one again and again. */
function scripted(...answers: readonly ((argv: readonly string[]) => CommandResult | Promise<CommandResult>)[]): { agent: GuestAgent; ran: Ran[] } {
  const ran: Ran[] = [];
  const exec = async (started: readonly string[], options: Omit<Ran, 'argv'>): Promise<CommandResult> => {
    const argv = withinBounds(started);
    ran.push({ argv, ...options });
    const answer = answers[Math.min(ran.length, answers.length) - 1];
    if (answer === undefined) throw new Error('nothing is scripted');
    return answer(argv);
  };
  return { agent: { exec } as unknown as GuestAgent, ran };
}

const target = (agent: GuestAgent | null, facts: ProbeFacts = {}): ProbeTarget => ({ agent, address: null, facts, now: () => new Date(NOW) });
const says = (stdout: string) => () => ended({ stdout });
const throws = (error: unknown) => () => {
  throw error;
};
const NO_ACCOUNT = () => ended({ exitCode: 1, stderr: "id: 'monitor': no such user" });
const ACCOUNT = says('uid=105(postgres) gid=106(postgres) groups=106(postgres)\n');

describe('reading a marker', () => {
  it('gives its canonical value, what was said, and when', async () => {
    const { agent, ran } = scripted(says(' 0/0A000028\u0007\r\n'));
    expect(await readMarker(marker('lsn', COMMAND), target(agent))).toMatchObject({ code: 'MARKER_UNREADABLE', at: NOW });
    const other = scripted(says(' 0/0a000028\r\n'));
    expect(await readMarker(marker('lsn', COMMAND), target(other.agent))).toEqual({ state: 'read', value: '0/A000028', raw: ' 0/0a000028 \n', at: NOW });
    expect(ran).toEqual([{ argv: ['timeout', '-s', 'KILL', '5', 'say', 'it'], timeoutMs: expect.any(Number), maxOutputBytes: 64 * 1024 + 1 }]);
  });

  it('takes 64 KiB, keeps 4, and no more', async () => {
    const longest = 'x'.repeat(64 * 1024);
    const reading = await readMarker(marker('text', COMMAND), target(scripted(says(longest)).agent));
    expect(reading).toMatchObject({ state: 'read', value: longest });
    expect(reading.state === 'read' && Buffer.byteLength(reading.raw)).toBe(4 * 1024);
    for (const result of [{ stdout: `${longest}x` }, { stdout: longest, truncated: true }, { stdout: '€'.repeat(30_000) }]) {
      expect(await readMarker(marker('text', COMMAND), target(scripted(() => ended(result)).agent))).toMatchObject({ code: 'PROBE_OUTPUT_TOO_LARGE' });
    }
  });

  it.each([
    'AGENT_SILENT',
    'AGENT_ABSENT',
    'AGENT_COMMAND_FAILED',
    'GUEST_COMMAND_FORBIDDEN',
    'SERVER_GONE',
    'HYPERVISOR_UNREACHABLE',
  ] as const satisfies readonly ErrorCode[])('fails with %s as the agent does', async (code) => {
    const reading = await readMarker(marker('text', COMMAND), target(scripted(throws(new ModosuError(code, 'its \u001b[2Jwords'))).agent));
    expect(reading).toEqual({ state: 'failed', code, message: 'its [2Jwords', at: NOW });
  });

  it('fails without an agent, and by a fault of Modosu as that', async () => {
    expect(await readMarker(marker('text', COMMAND), target(null))).toMatchObject({ state: 'failed', code: 'AGENT_ABSENT' });
    expect(await readMarker(marker('text', COMMAND), target(scripted(throws(new TypeError('x is undefined'))).agent))).toMatchObject({ code: 'INTERNAL' });
    expect(await readMarker(marker('text', COMMAND), target(scripted(throws(null)).agent))).toMatchObject({ code: 'INTERNAL' });
  });

  it('does not wait for an agent that outstays its time, and not for an answer that nobody wants', async () => {
    const { agent } = scripted(() => new Promise<never>(() => undefined));
    const startedAt = performance.now();
    expect(await readMarker(marker('text', COMMAND, 0.1), target(agent))).toMatchObject({ state: 'failed', code: 'PROBE_TIMED_OUT' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const leaving = new AbortController();
    const reading = readMarker(marker('text', COMMAND), target(agent), { signal: leaving.signal });
    leaving.abort(new Error('gone'));
    await expect(reading).rejects.toThrow('gone');
  });

  it('takes a kill for the end of its time only when that was over', async () => {
    const killed = () => ended({ exitCode: 137 });
    expect(await readMarker(marker('text', COMMAND), target(scripted(killed).agent))).toMatchObject({ code: 'PROBE_FAILED' });
    const late = () => new Promise<CommandResult>((resolve) => setTimeout(() => resolve(killed()), 1_000));
    expect(await readMarker(marker('text', COMMAND, 1), target(scripted(late).agent))).toMatchObject({ code: 'PROBE_TIMED_OUT' });
  });
});

describe('a program in a guest', () => {
  it('may print more than the lines that are wanted', async () => {
    const { agent } = scripted(says('dn: x\ncontextCSN: b\ncontextCSN: a\n'));
    const probe: ProbeSpec = { kind: 'command', argv: ['ldapsearch'], prefix: 'contextCSN:' };
    expect(await readMarker(marker('set', probe), target(agent))).toMatchObject({ value: 'a\nb', raw: 'dn: x\ncontextCSN: b\ncontextCSN: a\n' });
  });

  it('has said nothing, and not that there is nothing, where no line is one that is wanted', async () => {
    const probe: ProbeSpec = { kind: 'command', argv: ['ldapsearch'], prefix: 'contextCSN:' };
    const reading = await readMarker(marker('set', probe), target(scripted(says('dn: x\n')).agent));
    expect(reading).toMatchObject({ state: 'failed', code: 'PROBE_FAILED', message: expect.stringContaining('no line that begins with "contextCSN:"') });
  });

  it('runs as the declared account, and as nobody else when there is none', async () => {
    const probe = { ...COMMAND, user: 'postgres' } as ProbeSpec;
    const { agent, ran } = scripted(ACCOUNT, says('1'));
    await readMarker(marker('counter', probe), target(agent));
    expect(ran.map(({ argv }) => argv.slice(4))).toEqual([
      ['id', '--', 'postgres'],
      ['setpriv', '--reuid=105', '--regid=106', '--init-groups', 'say', 'it'],
    ]);
    const without = scripted(NO_ACCOUNT);
    expect(await readMarker(marker('counter', probe), target(without.agent))).toMatchObject({
      code: 'PROBE_FAILED',
      message: expect.stringContaining('no account'),
    });
    expect(without.ran).toHaveLength(1);
  });

  it.each([
    [() => ended({ exitCode: 127, stderr: 'sh: timeout: not found' }), 'GUEST_PROGRAM_MISSING', 'timeout'],
    [() => ended({ exitCode: 127, stderr: "timeout: failed to run command 'say': No such file or directory" }), 'GUEST_PROGRAM_MISSING', 'say'],
    [() => ended({ exitCode: 127, stderr: "timeout: can't execute 'say': No such file or directory" }), 'GUEST_PROGRAM_MISSING', 'say'],
    [() => ended({ exitCode: 126 }), 'GUEST_PROGRAM_MISSING', 'say'],
  ] as const)('that is not there is missing (case %#)', async (answer, code, program) => {
    expect(await readMarker(marker('text', COMMAND), target(scripted(answer).agent))).toMatchObject({ code, message: `The guest has no program ${program}.` });
  });

  it('that has ended, while what it has started has not, has timed out', async () => {
    const held = () =>
      new Promise<never>((_, reject) => setTimeout(() => reject(new ModosuError('AGENT_COMMAND_FAILED', 'sh had not ended after 2.5 s')), 1_050));
    expect(await readMarker(marker('text', COMMAND, 1), target(scripted(held).agent))).toMatchObject({
      code: 'PROBE_TIMED_OUT',
      message: 'There was no answer within 1 s.',
    });
  });

  it('that may not run as that account is not missing', async () => {
    const refused = () => ended({ exitCode: 127, stderr: 'setpriv: setresuid failed: Operation not permitted' });
    const { agent } = scripted(ACCOUNT, refused);
    expect(await readMarker(marker('text', { ...COMMAND, user: 'postgres' } as ProbeSpec), target(agent))).toMatchObject({
      code: 'PROBE_FAILED',
      message: expect.stringContaining('may not run as that account: setpriv: setresuid failed'),
    });
  });
});

describe('a program in a guest that has none of sh, timeout and kill, as Windows', () => {
  /** By this host's programs; ends what it is told to by the program that Windows has for it. */
  function windows(): HostAgent {
    const beforeStart = ({ argv: [program = '', ...args] }: GuestProgram): void => {
      if (program === 'taskkill') process.kill(Number(args.at(-1)), 'SIGKILL');
      if (!['printf', 'sleep', 'head'].includes(program)) {
        throw new ModosuError('AGENT_COMMAND_FAILED', 'Failed to execute child process (No such file or directory)');
      }
    };
    return new HostAgent({ beforeStart });
  }
  const asks = (argv: readonly [string, ...string[]], timeoutSeconds?: number) =>
    readMarker(marker('text', { kind: 'command', argv }, timeoutSeconds), target(agent));
  let agent: HostAgent;
  beforeEach(() => (agent = windows()));

  it('is run as it is', async () => {
    expect(await asks(['printf', '%s', 'B3C1'])).toMatchObject({ state: 'read', value: 'B3C1' });
    expect(agent.ran.map(({ argv }) => argv[0])).toEqual(['sh', 'printf']);
  });

  it('and is missing where it is not there', async () => {
    expect(await asks(['powershell.exe'])).toMatchObject({ code: 'GUEST_PROGRAM_MISSING', message: 'The guest has no program powershell.exe.' });
  });

  it('is told to end when its time is over', async () => {
    expect(await asks(['sleep', '60'], 0.5)).toMatchObject({ code: 'PROBE_TIMED_OUT', message: 'There was no answer within 0.5 s.' });
    const told = await eventually('told to end', async () => agent.ran.find(({ argv: [program] }) => program === 'taskkill') ?? null, 10_000);
    expect(told.argv).toEqual(['taskkill', '/F', '/T', '/PID', expect.stringMatching(/^\d+$/)]);
    await eventually('it is gone', async () => !existsSync(`/proc/${told.argv.at(-1)}`));
  });

  it('is not believed when it prints too much', async () => {
    expect(await asks(['head', '-c', '70000', '/dev/zero'])).toMatchObject({ code: 'PROBE_OUTPUT_TOO_LARGE' });
  });

  it('runs as no other account', async () => {
    expect(await readMarker(marker('text', { ...COMMAND, user: 'monitor' } as ProbeSpec), target(agent))).toMatchObject({ code: 'GUEST_PROGRAM_MISSING' });
  });
});

describe('a query', () => {
  it('is one argument of psql, which may only read and ends in time', async () => {
    const { agent, ran } = scripted(NO_ACCOUNT, says('1\0'));
    expect(await readMarker(marker('counter', sql()), target(agent))).toMatchObject({ value: '1' });
    expect(ran[1]?.argv.slice(3)).toEqual([
      '5',
      'psql',
      '--no-psqlrc',
      '--no-password',
      '--quiet',
      '--tuples-only',
      '--no-align',
      '--field-separator=\u001f',
      '--record-separator-zero',
      '--set=ON_ERROR_STOP=1',
      '--set=VERBOSITY=verbose',
      '--command=SELECT 1',
    ]);
    expect(ran[1]?.env).toMatchObject({ PGDATABASE: 'shop', PGUSER: 'monitor', PGOPTIONS: '-c default_transaction_read_only=on -c statement_timeout=4700' });
  });

  it('is run by the client of MySQL, by whichever name it goes', async () => {
    const { agent, ran } = scripted(ACCOUNT, () => ended({ exitCode: 127 }), says('a:1-5,\\nb:1\n'));
    expect(await readMarker(marker('text', sql({ engine: 'mysql' })), target(agent))).toMatchObject({ value: 'a:1-5,\nb:1' });
    expect(ran.slice(1).map(({ argv }) => argv[8])).toEqual(['mysql', 'mariadb']);
    expect(ran[2]?.argv.slice(9)).toEqual([
      '--user=monitor',
      '--database=shop',
      '--connect-timeout=5',
      '--batch',
      '--skip-column-names',
      '--binary-mode',
      '--default-character-set=utf8mb4',
      '--init-command=SET SESSION /*!50720 transaction_read_only=1, max_execution_time=4700 *//*M!100101 tx_read_only=1, max_statement_time=4.7 */',
      '--execute=SELECT 1',
    ]);
  });

  it.each([
    ['postgresql', 'FEHLER:  57014: storniere Anfrage wegen Zeitüberschreitung der Anfrage', 'PROBE_TIMED_OUT'],
    ['postgresql', 'FATAL:  28P01: password authentication failed', 'PROBE_FAILED'],
    ['mysql', 'ERROR 1969 (70100) at line 1: Query execution was interrupted (max_statement_time exceeded)', 'PROBE_TIMED_OUT'],
    ['mysql', 'ERROR 3024 (HY000) at line 1: Query execution was interrupted, maximum statement execution time exceeded', 'PROBE_TIMED_OUT'],
    ['mysql', 'ERROR 1792 (25006) at line 1: Cannot execute statement in a READ ONLY transaction', 'PROBE_FAILED'],
  ] as const)('of %s that says "%s" is %s', async (engine, stderr, code) => {
    const { agent } = scripted(NO_ACCOUNT, () => ended({ exitCode: 1, stderr }));
    expect(await readMarker(marker('text', sql({ engine })), target(agent))).toMatchObject({ state: 'failed', code });
  });

  it.each(['SELECT 1; SELECT 2', "SELECT ';'", '', ';', '\\! id', ' \\copy t from x'])('is refused as %j, and nobody is asked', async (query) => {
    const { agent, ran } = scripted(says('1'));
    expect(await readMarker(marker('text', sql({ query })), target(agent))).toMatchObject({ code: 'PROBE_INVALID' });
    expect(ran).toEqual([]);
  });
});

describe('a fact', () => {
  const FACTS: ProbeFacts = { generationId: '11111111-2222-4333-8444-555555555555', pointInTime: '2026-02-01T00:00:00.000Z' };
  const tell = (fact: 'generation-id' | 'point-in-time' | 'clock', facts: ProbeFacts, type: MarkerType = 'text') =>
    readMarker(marker(type, { kind: 'fact', fact }), target(null, facts));

  it('is the clock of the guest where that is asked for', async () => {
    const agent = { clock: async () => new Date('2026-03-01T12:00:00.250Z') } as unknown as GuestAgent;
    expect(await readMarker(marker('timestamp', { kind: 'fact', fact: 'clock' }), target(agent))).toMatchObject({ value: '2026-03-01T12:00:00.25Z', at: NOW });
    expect(await tell('clock', {}, 'timestamp')).toMatchObject({ code: 'AGENT_ABSENT' });
  });

  it('is told without asking anybody', async () => {
    expect(await tell('generation-id', FACTS)).toMatchObject({ value: FACTS.generationId });
    expect(await tell('generation-id', { generationId: null })).toMatchObject({ value: 'none' });
    expect(await tell('point-in-time', FACTS, 'timestamp')).toMatchObject({ value: '2026-02-01T00:00:00Z' });
    expect(await tell('generation-id', { generationId: 'AAAAAAAA-2222-4333-8444-555555555555' })).toMatchObject({
      value: 'aaaaaaaa-2222-4333-8444-555555555555',
    });
  });

  it('that nobody has looked at is none', async () => {
    expect(await tell('generation-id', {})).toMatchObject({ code: 'PROBE_FAILED' });
    expect(await tell('point-in-time', {})).toMatchObject({ code: 'PROBE_FAILED' });
  });
});

describe('reading several markers', () => {
  it('asks for so many at a time, and keeps their order', async () => {
    let [running, most] = [0, 0];
    const { agent } = scripted(async (argv) => {
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setTimeout(resolve, 20 - Number(argv[5])));
      running -= 1;
      return ended({ stdout: String(argv[5]) });
    });
    const specs = Array.from({ length: 15 }, (_, n) => marker('counter', { kind: 'command', argv: ['say', String(n)] }));
    const readings = await readMarkers(specs, target(agent), { concurrency: 4, deadlineMs: 10_000 });
    expect(readings.map((reading) => reading.state === 'read' && reading.value)).toEqual(specs.map((_, n) => String(n)));
    expect(most).toBe(4);
    expect(await readMarkers([], target(agent), { concurrency: 4, deadlineMs: 10_000 })).toEqual([]);
  });

  it('asks for none that there is no time for', async () => {
    const { agent, ran } = scripted(async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return ended({ stdout: '1' });
    });
    const specs = Array.from({ length: 5 }, () => marker('counter', COMMAND));
    const readings = await readMarkers(specs, target(agent), { concurrency: 1, deadlineMs: 1_250 });
    expect(readings.map((reading) => (reading.state === 'read' ? reading.value : reading.code))).toEqual([
      '1',
      ...Array.from({ length: 4 }, () => 'PROBE_TIMED_OUT'),
    ]);
    expect(ran).toHaveLength(1);
  });
});

import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { boundedProgram } from '../../test/support/bounded-program';
import { HostAgent } from '../../test/support/host-agent';
import { ModosuError } from '../contracts/errors';
import type { CommandHealthCheck, SqlHealthCheck, TcpHealthCheck } from '../contracts/protection';
import { boundedOutput } from './bounded-output';
import type { CommandResult, GuestAgent } from './guest-agent';
import { checkHealth } from './health-checks';

type Answer = Partial<CommandResult> | Error | 'hangs';

/** An agent that gives these answers in turn, the last one again and again. */
function agentThat(...answers: readonly Answer[]): { readonly agent: GuestAgent; readonly ran: (readonly string[])[] } {
  const ran: (readonly string[])[] = [];
  const agent = {
    exec: async (argv: readonly [string, ...string[]]): Promise<CommandResult> => {
      const answer = answers[Math.min(ran.length, answers.length - 1)];
      ran.push(boundedProgram(argv));
      if (answer === 'hangs') return new Promise(() => undefined);
      if (answer instanceof Error) throw answer;
      return { exitCode: 0, stdout: '', stderr: '', truncated: false, ...answer };
    },
  } as unknown as GuestAgent;
  return { agent, ran };
}

const command: CommandHealthCheck = { kind: 'command', name: 'shop', timeoutSeconds: 60, argv: ['/usr/bin/shop-check', '--all', '$(id); x'] };
const query: SqlHealthCheck = {
  kind: 'sql',
  engine: 'postgresql',
  name: 'orders',
  timeoutSeconds: 60,
  database: 'shop',
  user: 'postgres',
  socketDirectory: '/run/postgresql',
  query: 'SELECT count(*) FROM orders',
  expect: '5000',
};
const tcp = (port: number, host = '127.0.0.1'): TcpHealthCheck => ({ kind: 'tcp', name: 'web', timeoutSeconds: 60, host, port });
const silent = new ModosuError('AGENT_SILENT', 'The guest agent of db01 does not answer.');
const refusing = (message: string): ModosuError => new ModosuError('AGENT_COMMAND_FAILED', `The guest agent of db01 refused guest-exec: ${message}`);
const { agent: noAgent } = agentThat(new Error('nobody asks an agent for a TCP check'));

const within = (deadlineMs: number, signal = new AbortController().signal): { readonly deadlineMs: number; readonly signal: AbortSignal } => ({
  deadlineMs,
  signal,
});
const messageOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'passed',
    (error: Error) => error.message,
  );

describe('a command', () => {
  it('passes with exit code 0 and runs exactly as declared', async () => {
    const { agent, ran } = agentThat({ exitCode: 0, stdout: 'anything' });
    expect(await checkHealth(agent, command, within(5_000))).toEqual({ evidence: 'exit code 0' });
    expect(ran).toEqual([command.argv]);
  });

  it('is repeated through failures and silence until it passes', async () => {
    const { agent, ran } = agentThat({ exitCode: 3 }, silent, refusing('PID 12 does not exist'), { exitCode: 0 });
    await checkHealth(agent, command, within(30_000));
    expect(ran).toHaveLength(4);
  });

  it('fails with its last words when the time is over', async () => {
    const { agent, ran } = agentThat({ exitCode: 1, stderr: 'first' }, { exitCode: 2, stdout: 'not this', stderr: 'still starting' });
    await expect(checkHealth(agent, command, within(1_500))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining('"shop" did not pass within 2 s. Its last words: /usr/bin/shop-check ended with exit code 2: still starting'),
      context: { check: 'shop' },
    });
    expect(ran).toHaveLength(2);
  });

  it('says what it wrote to standard output when it complained nowhere else', async () => {
    expect(await messageOf(checkHealth(agentThat({ exitCode: 1, stdout: 'queue is stuck' }).agent, command, within(0)))).toContain(
      'exit code 1: queue is stuck',
    );
    expect(await messageOf(checkHealth(agentThat({ exitCode: 1 }).agent, command, within(0)))).toContain('exit code 1 and said nothing');
  });

  it('lets no flood and no control characters of the guest through', async () => {
    const message = await messageOf(
      checkHealth(agentThat({ exitCode: 1, stderr: `${'x'.repeat(50_000)}\u001b[2J\u202eok\r\n\u0000\u2028\ud800end` }).agent, command, within(0)),
    );
    expect(message).toMatch(/xxx \[2J ok end$/);
    expect(message).not.toMatch(/[\p{C}\p{Zl}]/u);
    expect(message.length).toBeLessThan(450);
  });

  it('ends at once when the agent forbids programs, and says what needs them', async () => {
    const { agent, ran } = agentThat(new ModosuError('GUEST_COMMAND_FORBIDDEN', 'The guest agent of db01 does not allow guest-exec.'));
    await expect(checkHealth(agent, command, within(60_000))).rejects.toMatchObject({
      code: 'GUEST_COMMAND_FORBIDDEN',
      message: expect.stringMatching(/^The health check ".*" runs a program in the guest, and the guest agent forbids that: .* does not allow guest-exec\.$/),
    });
    expect(ran).toHaveLength(1);
  });

  it('waits for an agent that forbids programs only while its file systems are frozen', async () => {
    const frozen = refusing('Command guest-exec has been disabled: the agent is in frozen state');
    const { agent } = agentThat(frozen);
    await expect(checkHealth(agent, command, within(0))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining('frozen state'),
    });
  });

  it.each([['AGENT_ABSENT'], ['SERVER_GONE'], ['HYPERVISOR_UNREACHABLE']] as const)('hands %s on at once', async (code) => {
    const { agent, ran } = agentThat(new ModosuError(code, 'so it is'));
    await expect(checkHealth(agent, command, within(60_000))).rejects.toMatchObject({ code });
    expect(ran).toHaveLength(1);
  });

  it('does not take a name with the word "disabled" in it for a forbidden one', async () => {
    const { agent } = agentThat(refusing('Failed to execute child process "/opt/disabled" (No such file or directory)'));
    await expect(checkHealth(agent, command, within(0))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining('The guest has no program /usr/bin/shop-check.'),
    });
  });

  it('that prints without end has the beginning of it taken, and costs the guest no more', async () => {
    const check: CommandHealthCheck = { ...command, argv: ['sh', '-c', 'yes flood | head -c 20000000; echo the end >&2; exit 3'] };
    const agent = new HostAgent();
    await expect(checkHealth(agent, check, within(0))).rejects.toMatchObject({ message: expect.stringContaining('exit code 3: the end') });
    expect(agent.ran.map(({ argv }) => argv)).toEqual([boundedOutput(check.argv as [string], 64 * 1024 + 1, 'drop')]);
  });

  it('that hangs fails when the time is over, and is not started again', async () => {
    const { agent, ran } = agentThat('hangs');
    await expect(checkHealth(agent, command, within(1_000))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining('it may still run in the guest'),
    });
    expect(ran).toHaveLength(1);
  });

  it.each([
    ['while it runs', 'hangs'],
    ['between two attempts', { exitCode: 1 }],
  ] as const)('ends when it is cancelled %s', async (_when, answer) => {
    const cancel = new AbortController();
    const { agent, ran } = agentThat(answer);
    const checking = messageOf(checkHealth(agent, command, within(60_000, cancel.signal)));
    setTimeout(() => cancel.abort(new Error('cancelled')), 100);
    expect(await checking).toBe('cancelled');
    expect(ran).toHaveLength(1);
  });

  it('does not begin after it was cancelled', async () => {
    const { agent, ran } = agentThat({});
    expect(await messageOf(checkHealth(agent, command, within(60_000, AbortSignal.abort(new Error('cancelled')))))).toBe('cancelled');
    expect(ran).toHaveLength(0);
  });
});

describe('a query', () => {
  it('runs through psql, without any settings of the guest and without asking for a password', async () => {
    const { agent, ran } = agentThat({ stdout: '5000\0' });
    expect(await checkHealth(agent, query, within(5_000))).toEqual({ evidence: 'psql: 5000' });
    const common = ['psql', '-X', '-w', '-A', '-t', '-q', '-z', '-0', '-v', 'ON_ERROR_STOP=1'];
    const rest = ['-U', 'postgres', '-d', 'shop', '-c', 'SELECT count(*) FROM orders'];
    await checkHealth(agent, { ...query, socketDirectory: null }, within(5_000));
    const asked = ['id', '--', 'postgres'];
    expect(ran).toEqual([asked, [...common, '-h', '/run/postgresql', ...rest], asked, [...common, ...rest]]);
  });

  it('runs as the account of the same name as its user, where the guest has one', async () => {
    const { agent, ran } = agentThat({ stdout: 'uid=105(postgres) gid=106(postgres) groups=106(postgres)\n' }, { stdout: '5000\0' });
    expect(await checkHealth(agent, query, within(5_000))).toEqual({ evidence: 'psql: 5000' });
    expect(ran.at(-1)?.slice(0, 5)).toEqual(['setpriv', '--reuid=105', '--regid=106', '--init-groups', 'psql']);
  });

  it.each([
    ['the first value of several', '5000\0red\x005001\0', '5000'],
    ['an empty value', '\0', ''],
    ['a value with separators in it', 'a|b\nc\0', 'a|b\nc'],
  ])('passes with %s', async (_what, stdout, expect_) => {
    expect(await checkHealth(agentThat({ stdout }).agent, { ...query, expect: expect_ }, within(0))).toEqual({
      evidence: `psql: ${expect_.replace('\n', ' ')}`.trim(),
    });
  });

  it.each([
    ['another value', { stdout: '4999\0' }, 'the query gave "4999", not "5000"'],
    ['a value that only begins so', { stdout: '50000\0' }, 'the query gave "50000"'],
    ['space around it', { stdout: ' 5000\0' }, 'not "5000"'],
    ['no row', { stdout: '' }, 'the query gave no row, not "5000"'],
    ['a value that was cut off', { stdout: '5000', truncated: true }, 'the query gave no row'],
    [
      'an error of the database',
      { exitCode: 1, stdout: '5000\0', stderr: 'ERROR:  relation "orders" does not exist' },
      'psql ended with exit code 1: ERROR: relation "orders" does not exist',
    ],
  ])('does not pass with %s', async (_what, answer, words) => {
    await expect(checkHealth(agentThat(answer).agent, query, within(0))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining(words),
    });
  });

  it.each([
    ['a value', '5000\0', 'psql: 5000'],
    ['no row', '', 'psql: no row'],
  ])('passes with %s when nothing is expected', async (_what, stdout, evidence) => {
    expect(await checkHealth(agentThat({ stdout }).agent, { ...query, expect: null }, within(0))).toEqual({ evidence });
  });

  it('waits for a database that still replays its log', async () => {
    const nobody = { exitCode: 1 };
    const { agent } = agentThat(nobody, { exitCode: 2, stderr: 'FATAL:  the database system is starting up' }, nobody, { stdout: '5000\0' });
    expect(await checkHealth(agent, query, within(10_000))).toEqual({ evidence: 'psql: 5000' });
  });
});

describe('a TCP connection', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const listening = (onConnection: (socket: Socket) => void): Promise<number> =>
    new Promise((resolve) => {
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        onConnection(socket);
      });
      servers.push(server);
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  });

  it('passes when it is accepted and stays', async () => {
    const port = await listening((socket) => socket.write('220 ready\r\n'));
    expect(await checkHealth(noAgent, tcp(port), within(0))).toEqual({ evidence: `connected to 127.0.0.1:${port}` });
  });

  it.each([
    ['closes at once', (socket: Socket): unknown => socket.end()],
    ['says something first', (socket: Socket): unknown => socket.end('busy')],
    ['resets', (socket: Socket): unknown => socket.resetAndDestroy()],
    ['needs a moment to close', (socket: Socket): unknown => setTimeout(() => socket.end(), 100)],
  ])('does not pass when the peer accepts and %s', async (_what, react) => {
    const port = await listening(react);
    await expect(checkHealth(noAgent, tcp(port), within(0))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining(`127.0.0.1:${port} accepted and closed the connection at once`),
    });
  });

  it('does not pass where nobody listens, and passes as soon as somebody does', async () => {
    const port = await listening(() => undefined);
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
    await expect(checkHealth(noAgent, tcp(port), within(0))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringContaining('cannot be reached: ECONNREFUSED'),
    });

    const checking = checkHealth(noAgent, tcp(port), within(20_000));
    const late = createServer((socket) => void sockets.add(socket));
    servers.push(late);
    setTimeout(() => late.listen(port, '127.0.0.1'), 300);
    expect(await checking).toEqual({ evidence: `connected to 127.0.0.1:${port}` });
  });

  it('does not wait for ever for a filter that says nothing, and ends when cancelled', async () => {
    // A listener that was stopped: once its queue is full, the kernel drops what comes in.
    const child = spawn(
      process.execPath,
      ['-e', "const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))"],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      const port = Number(await new Promise((resolve) => child.stdout.once('data', (line: Buffer) => resolve(line.toString()))));
      child.kill('SIGSTOP');
      let dropped = false;
      while (!dropped) {
        const socket = connect({ host: '127.0.0.1', port }).on('error', () => undefined);
        sockets.add(socket);
        dropped = await Promise.race([
          new Promise<boolean>((resolve) => socket.once('connect', () => resolve(false))),
          new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 300)),
        ]);
      }
      await expect(checkHealth(noAgent, tcp(port), within(500))).rejects.toMatchObject({
        code: 'HEALTH_CHECK_FAILED',
        message: expect.stringContaining('did not answer within 1 s'),
      });
      const cancel = new AbortController();
      const checking = messageOf(checkHealth(noAgent, tcp(port), within(60_000, cancel.signal)));
      setTimeout(() => cancel.abort(new Error('cancelled')), 50);
      expect(await checking).toBe('cancelled');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('goes to the declared host and port and nowhere else', async () => {
    const port = await listening(() => undefined);
    const asked: unknown[] = [];
    await checkHealth(noAgent, tcp(port, 'web.backup.example'), {
      ...within(0),
      connect: (address) => {
        asked.push(address);
        return connect({ host: '127.0.0.1', port });
      },
    });
    expect(asked).toEqual([{ host: 'web.backup.example', port }]);
  });

  it('says so when the name is unknown', async () => {
    await expect(checkHealth(noAgent, tcp(80, 'no-such-host.invalid'), within(0))).rejects.toMatchObject({
      code: 'HEALTH_CHECK_FAILED',
      message: expect.stringMatching(/no-such-host\.invalid:80 cannot be reached: E[A-Z_]+/),
    });
  });
});

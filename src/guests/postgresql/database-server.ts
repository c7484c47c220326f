import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresqlDataSet } from '../../contracts/data';
import type { ErrorCode } from '../../contracts/error-codes';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import { flag, integer, jsonLines, nullable, record, text, type Guard } from '../../domain/postgresql/guards';
import type { RunNames } from '../../domain/postgresql/names';
import type { EngineFacts } from '../../domain/postgresql/requirements';
import { connectionString, literal } from '../../domain/postgresql/sql';
import { words } from '../../domain/postgresql/words';
import type { CommandResult } from '../guest-agent';
import type { Argv, GuestPrograms, LongOptions } from './guest-programs';

export type ClientProgram = 'psql' | 'pg_dump' | 'pg_dumpall' | 'pg_restore';

export interface QueryOptions {
  /** The program is ended in the guest after it. Default 60 s. */
  readonly timeoutMs?: number;
  /** How an error of a statement is called. */
  readonly code?: ErrorCode;
  readonly env?: Readonly<Record<string, string>>;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** Of a script on standard input; the agent takes a little more. */
const MAX_INPUT_BYTES = 96 * 1024;
const LEFTOVERS_END_WITHIN_MS = 30_000;
const REST_MS = 500;

/** Above what is set for the database or the role: messages in English, nothing that would end or weaken a session. */
const SESSION = [
  'lc_messages=C',
  'standard_conforming_strings=on',
  'statement_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'default_transaction_read_only=off',
  'row_security=off',
  'client_min_messages=warning',
];

interface Hello {
  readonly database: string;
  readonly engine: EngineFacts;
  readonly dataDirectory: string | null;
  /** How many sessions were asked to end with it. */
  readonly ended: number;
}

/** What one statement of a script has been told by the server. */
export class SqlFailure extends Error {
  constructor(
    /** Five characters; empty: not known. */
    readonly sqlState: string,
    readonly words: string,
  ) {
    super(`${sqlState} ${words}`);
  }
}

/** A database server in a guest, seen through its client programs. All sessions carry the run's name. */
export class DatabaseServer {
  private asked: Promise<Hello> | null = null;

  constructor(
    readonly programs: GuestPrograms,
    readonly dataSet: PostgresqlDataSet,
    readonly names: RunNames,
  ) {}

  /** A client program with the connection to `database`. */
  argv(program: ClientProgram, database: string, ...rest: readonly string[]): Argv {
    const { socketDirectory, port, user } = this.dataSet;
    const host = socketDirectory === null ? [] : ['-h', socketDirectory];
    return [
      program,
      '-w',
      ...host,
      '-p',
      String(port),
      '-U',
      user,
      '-d',
      connectionString({ dbname: database, application_name: this.names.application }),
      ...rest,
    ];
  }

  /** What we write and read is UTF-8, whatever the database's own encoding is. */
  env(settings: readonly string[] = []): Readonly<Record<string, string>> {
    return { ...this.envOfDump(settings), PGCLIENTENCODING: 'UTF8' };
  }

  /** Without an encoding of the client: a dump keeps the database's own, byte for byte. */
  envOfDump(settings: readonly string[] = []): Readonly<Record<string, string>> {
    return { PGCONNECT_TIMEOUT: '10', PGOPTIONS: [...SESSION, ...settings].map((setting) => `-c ${setting}`).join(' ') };
  }

  /** Rows of one statement or more, each a line of JSON. */
  async query<T>(database: string, sql: string, guard: Guard<T>, options: QueryOptions = {}): Promise<readonly T[]> {
    return jsonLines(await this.execute(database, sql, options), guard);
  }

  /** The first row. */
  async queryOne<T>(database: string, sql: string, guard: Guard<T>, options: QueryOptions = {}): Promise<T> {
    const [first] = await this.query(database, sql, guard, options);
    if (first === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', 'The database server in the guest gave no answer.');
    return first;
  }

  /** Runs statements until one fails, and returns what they say. Errors are called `code`, with what the server said. */
  async execute(database: string, sql: string, options: QueryOptions = {}): Promise<string> {
    return called(options.code, () => this.attempt(database, sql, options));
  }

  /**
   * Like `execute`, for statements of any length and any time: what is too long for standard input is written to `file` in the guest, a new one in a directory
   * of the run that only its account may read.
   */
  async executeScript(database: string, sql: string, file: string, options: Pick<LongOptions, 'signal' | 'onBeat' | 'env'>): Promise<string> {
    const short = Buffer.byteLength(PREAMBLE + sql) < MAX_INPUT_BYTES;
    return called(undefined, () => (short ? this.attemptLong(database, sql, options) : this.attemptScript(database, sql, file, options)));
  }

  /** Like `execute`; a statement's error is a `SqlFailure`. */
  async attempt(database: string, sql: string, { timeoutMs, env }: QueryOptions = {}): Promise<string> {
    const result = await this.programs.run(this.psql(database), {
      input: `${PREAMBLE}${sql}\n`,
      env: env ?? this.env(),
      maxOutputBytes: MAX_ANSWER_BYTES,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    return this.judged(result);
  }

  /** Like `attempt`, for statements that take long. */
  async attemptLong(database: string, sql: string, options: Pick<LongOptions, 'signal' | 'onBeat' | 'env'>): Promise<string> {
    return this.judged(
      await this.programs.runLong(this.psql(database), { env: this.env(), ...options, input: `${PREAMBLE}${sql}\n`, maxOutputBytes: MAX_ANSWER_BYTES }),
    );
  }

  /** Like `attemptLong`, for statements of any length: they are written to `file` in the guest first. */
  async attemptScript(database: string, sql: string, file: string, options: Pick<LongOptions, 'signal' | 'onBeat' | 'env'>): Promise<string> {
    await this.programs.writePieces(file, `${PREAMBLE}${sql}\n`);
    return this.judged(await this.programs.runLong(this.psql(database, '-f', file), { env: this.env(), ...options, maxOutputBytes: MAX_ANSWER_BYTES }));
  }

  psql(database: string, ...rest: readonly string[]): Argv {
    return this.argv('psql', database, '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', ...rest);
  }

  /** Standard output of psql. Throws `SqlFailure`, `DATABASE_SERVER_UNREACHABLE`, `GUEST_DISK_FULL`. */
  async judged(result: CommandResult): Promise<string> {
    if (result.exitCode === 0) {
      if (result.truncated) throw new ModosuError('AGENT_COMMAND_FAILED', 'The database server in the guest gave an answer that is too long.');
      return result.stdout;
    }
    await this.refuseKnown('psql', result);
    const sqlState = /(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}):/.exec(result.stderr)?.[1] ?? '';
    throw new SqlFailure(sqlState, words(firstOf(result.stderr)));
  }

  /** Throws what is known about how a client program has failed. */
  async refuseKnown(program: ClientProgram, { stderr, exitCode }: CommandResult): Promise<void> {
    if (/No space left on device|Disk quota exceeded|\b53100:/.test(stderr)) throw await this.full(`${program}: ${words(stderr, 200)}`);
    const lost =
      /connection to server (at|on) .* failed|server closed the connection unexpectedly|terminating connection|the database system is (starting up|shutting down|in recovery mode|not yet accepting)|no connection to the server|could not connect to server/;
    if ((program === 'psql' && exitCode === 2) || lost.test(stderr)) {
      throw new ModosuError('DATABASE_SERVER_UNREACHABLE', `The database server in the guest does not accept connections, or has ended ours: ${words(stderr)}`);
    }
  }

  /** `GUEST_DISK_FULL` with the room that there is. */
  async full(what: string, neededBytes?: number): Promise<ModosuError> {
    const directories = [this.dataSet.spoolDirectory, await this.dataDirectory().catch(() => null)].filter((path): path is string => path !== null);
    const free: string[] = [];
    for (const directory of directories) {
      const bytes = await this.programs.freeBytes(directory).catch(() => null);
      if (bytes !== null) free.push(`${formatBytes(bytes)} free under ${words(directory, 100)}`);
    }
    return new ModosuError(
      'GUEST_DISK_FULL',
      `There is not enough room in the guest: ${what}${neededBytes === undefined ? '' : `; about ${formatBytes(neededBytes)} are needed`}. Now ${free.join(', ') || 'nobody can say how much is free'}.`,
      {
        context: neededBytes === undefined ? {} : { neededBytes },
      },
    );
  }

  async dataDirectory(): Promise<string> {
    const found = (await this.hello()).dataDirectory;
    if (found?.startsWith('/') !== true) throw new ModosuError('AGENT_COMMAND_FAILED', 'The data directory of the database server is no absolute path.');
    return found;
  }

  async engine(): Promise<EngineFacts> {
    return (await this.hello()).engine;
  }

  /** The database from which others are made, renamed and dropped: not `besides`. */
  async maintenanceDatabase(besides: string | null = null): Promise<string> {
    if (besides === 'postgres') return 'template1';
    const found = (await this.hello()).database;
    return found === besides ? 'template1' : found;
  }

  /** Asked once: an engine that is exchanged under a run ends its sessions, and with them what the run does. */
  private hello(ended = '0'): Promise<Hello> {
    const asked = (this.asked ??= this.sayHello(ended));
    asked.catch(() => (this.asked = null));
    return asked;
  }

  private async sayHello(ended: string): Promise<Hello> {
    const sql = `SELECT jsonb_build_object('version', current_setting('server_version'), 'number', current_setting('server_version_num')::int, 'superuser', current_setting('is_superuser')::bool,
  'dataDirectory', CASE WHEN current_setting('is_superuser')::bool THEN current_setting('data_directory') END, 'ended', ${ended});`;
    // Without settings that only a superuser may make.
    const say = (database: string): Promise<CommandResult> =>
      this.programs.run(this.psql(database), {
        input: `${sql}\n`,
        env: { PGCONNECT_TIMEOUT: '10', PGCLIENTENCODING: 'UTF8' },
      });
    let database = 'postgres';
    let answer = await say(database);
    if (answer.exitCode !== 0) answer = await say((database = 'template1'));
    if (answer.exitCode !== 0) {
      throw new ModosuError('DATABASE_SERVER_UNREACHABLE', `The database server in the guest does not accept connections: ${words(answer.stderr)}`);
    }
    const [found] = jsonLines(
      answer.stdout,
      record({ version: text(200), number: integer(80_000, 9_999_999), superuser: flag, dataDirectory: nullable(text(4_096)), ended: integer(0) }),
    );
    const version = /^\d{1,3}(\.\d{1,3}){0,2}\w{0,12}/.exec(found?.version ?? '')?.[0];
    if (found === undefined || version === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', 'The version of the database server cannot be read.');
    return {
      database,
      dataDirectory: found.dataDirectory,
      ended: found.ended,
      engine: { version, major: Math.floor(found.number / 10_000), superuser: found.superuser },
    };
  }

  /** Ends what an earlier attempt of the run has left running: its client programs, those that work in `directories`, and its sessions. Idempotent. */
  async endLeftovers(directories: readonly string[] = []): Promise<void> {
    const own = [`application_name='${this.names.application}'`, ...directories.map((directory) => `${directory}/`)].map(escaped).join('|');
    await this.programs.kill(`^([^ ]*/)?(perl( -[^ ]*)* ([^ ]*/)?)?(psql|pg_dump|pg_dumpall|pg_restore|dd) .*(${own})`);
    await this.endSessions();
  }

  /** Asks all sessions of the run to end. */
  async askSessionsToEnd(): Promise<number> {
    const ended = `(SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ${literal(this.names.application)} AND pid <> pg_backend_pid())`;
    // The first question to the server asks for this too: everything in a guest takes its time.
    if (this.asked === null) return (await this.hello(ended)).ended;
    return this.queryOne(await this.maintenanceDatabase(), `SELECT to_jsonb(${ended});`, integer(0));
  }

  private async endSessions(): Promise<void> {
    const giveUpAt = performance.now() + LEFTOVERS_END_WITHIN_MS;
    while ((await this.askSessionsToEnd()) > 0) {
      if (performance.now() > giveUpAt) {
        throw new ModosuError('DATABASE_IN_USE', 'Sessions of an earlier attempt of this run do not end in the database server.');
      }
      await delay(REST_MS);
    }
  }
}

/** A database without an encoding holds bytes of any: the server would refuse those that are no UTF-8. */
export const PREAMBLE = `SET search_path = '';
SELECT CASE pg_catalog.current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END AS encoding \\gset
\\encoding :encoding
`;

/** A statement's error as one of ours. */
async function called<T>(code: ErrorCode | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SqlFailure) {
      throw new ModosuError(code ?? 'DATA_RESTORE_FAILED', `The database server says: ${error.words}`, { context: { sqlState: error.sqlState } });
    }
    throw error;
  }
}

const escaped = (text_: string): string => text_.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The first complaint: what follows is mostly its consequence. The place in the script and in PostgreSQL's own source says nobody anything. */
function firstOf(stderr: string): string {
  const at = stderr.search(/(?:ERROR|FATAL|PANIC):\s/);
  if (at === -1) return stderr;
  return stderr
    .slice(at)
    .split('\n')
    .filter((line) => !/^LOCATION:|^psql:.*:\d+: (NOTICE|WARNING)/.test(line))
    .slice(0, 6)
    .join('\n')
    .replace(/^(ERROR|FATAL|PANIC):\s+[0-9A-Z]{5}:\s*/, '');
}

export const isCode = (error: unknown, ...codes: readonly ErrorCode[]): boolean => isModosuError(error) && codes.includes(error.code);

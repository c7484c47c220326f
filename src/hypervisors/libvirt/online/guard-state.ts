import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../../../contracts/error-codes';
import { ModosuError } from '../../../contracts/errors';
import { isId } from '../../../contracts/ids';
import { parseJson } from '../../../contracts/json';
import { errorCode, writeFileDurably, writeFileQuickly } from '../../../system/files';
import type { MarkedDisk } from './checkpoint-records';

/**
 * What worker and guard of one online backup tell each other: small files in `<stateDirectory>/guards/<runId>/`, each with one writer, replaced as a whole.
 * They outlive both.
 *
 * | file | writer | says |
 * |---|---|---|
 * | `order.json` | worker | what the guard has to look after; before it is started |
 * | `word.json` | worker | how far it is: what is frozen, whether the job was asked for |
 * | `state.json` | guard | that it watches, what it did, how the job ended |
 * | `guard.json` | guard | which process it is |
 * | `prepared.json` | worker | the targets are made; until somebody begins with them |
 * | `begun.json` | worker | the point in time is taken, and how |
 * | `verdict.json` | worker | why the worker itself cancelled the job |
 * | `finished.json` | worker | the images are complete |
 */
const FILES = {
  order: 'order.json',
  word: 'word.json',
  state: 'state.json',
  prepared: 'prepared.json',
  begun: 'begun.json',
  verdict: 'verdict.json',
  finished: 'finished.json',
} as const;
const RECORD_FILE = 'guard.json';
const LOCK_FILE = 'guard.lock';
const LOG_FILE = 'guard.log';

/** The guard steps in when a freeze is older than this and the worker has not said that it is over. */
export const FREEZE_WINDOW_MS = 10_000;
/** An agent that did not answer a freeze may still carry it out: so long somebody looks, unless told otherwise. */
export const LATE_FREEZE_MS = 60_000;
/** How long libvirt itself may keep a request to begin a job before it answers or gives up. */
export const LATE_JOB_MS = 35_000;

const processSchema = z.object({ pid: z.int().min(2), bootId: z.string(), startTicks: z.string(), purpose: z.string() });
const diskSchema = z.object({
  target: z.string(),
  path: z.string(),
  targetPath: z.string(),
  virtualSizeBytes: z.int().positive(),
  backingName: z.string().optional(),
});
const codeSchema = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);
const problemSchema = z.object({ code: codeSchema, message: z.string() });

const orderSchema = z.object({
  runId: z.string(),
  server: z.object({ uuid: z.string(), name: z.string() }),
  connection: z.object({ name: z.string(), uri: z.string(), socketPath: z.string().optional(), commandTimeoutMs: z.int().positive().optional() }),
  disks: z.array(diskSchema),
  /** The checkpoint that the job makes, in which disks, and since which one it writes what has changed. */
  checkpoints: z
    .object({ name: z.string(), able: z.array(z.string()), since: z.string().nullable() })
    .nullable()
    .default(null),
  /** Name of the checkpoint that stays, once the images are published: nobody takes it back any more. */
  settled: z.string().nullable().default(null),
  afterHook: z.array(z.string()).nullable(),
  rateLimitBytesPerSecond: z.number().positive().nullable(),
  maxGuestLatencyMs: z.number().positive().nullable(),
  /** The server was paused before we came: not ours to resume. */
  pausedBefore: z.boolean(),
  lateFreezeMs: z.number().default(LATE_FREEZE_MS),
});

const freezeSchema = z.object({
  /** Milliseconds on the monotonic clock of this boot. */
  askedAtMs: z.number(),
  /** False: the agent did not answer in time; the freeze may have happened, or happen yet. */
  answered: z.boolean(),
  /** The agent has said that nothing is frozen, after it was asked to thaw. */
  thawed: z.boolean(),
});

const wordSchema = z.object({
  /** Of one call of `beginOnlineBackup`: a later one takes over, the earlier one notices. */
  attempt: z.string(),
  worker: processSchema,
  freezes: z.array(freezeSchema).readonly(),
  /** The `before` hook was started and the `after` hook has not run. */
  afterHookOwed: z.boolean(),
  /** `asked`: libvirt may have begun it. `given-up`: whatever runs under our targets is to be cancelled. `over`: nothing runs, and nothing will. */
  job: z.enum(['none', 'asked', 'begun', 'given-up', 'over']),
  jobAskedAtMs: z.number().nullable(),
  rateLimited: z.boolean(),
});

const outcomeSchema = z.union([z.object({ result: z.literal('completed') }), z.object({ result: z.literal('failed'), ...problemSchema.shape })]);

const stateSchema = z.object({
  guard: processSchema,
  /** `askedAtMs` of freezes that the guard has thawed in the worker's place. */
  thawed: z.array(z.number()),
  afterHookRun: z.boolean(),
  /** An I/O error has stopped the server while our job ran. `resumed` null: it is being freed; false: it stands still because of its own storage. */
  pause: z.object({ since: z.string(), lastedMs: z.number(), resumed: z.boolean().nullable() }).nullable(),
  /** Why the guard itself cancels the job. */
  cancelled: problemSchema.nullable(),
  outcome: outcomeSchema.nullable(),
  /** What it did beyond watching, in words, with times. */
  notes: z.array(z.string()),
});

const preparedSchema = z.object({
  /** What it was prepared for, to be compared. */
  request: z.string(),
  /** Disks that are not backed up: CD-ROMs and floppies. */
  left: z.array(z.string()),
  /** Why the file systems cannot be frozen, where that is no reason to give up. */
  refusal: problemSchema.nullable(),
});

const begunSchema = z.object({
  pointInTime: z.string(),
  consistency: z.enum(['application', 'filesystem', 'crash']),
  frozenMs: z.number().nullable(),
  note: z.string().nullable(),
  since: z.string().nullable().default(null),
});

export type GuardOrder = z.infer<typeof orderSchema>;
/** Those of its disks that hold the checkpoint of the job. */
export const markedDisks = ({ disks, checkpoints }: Pick<GuardOrder, 'disks' | 'checkpoints'>): readonly MarkedDisk[] =>
  disks.filter(({ target }) => checkpoints?.able.includes(target) === true).map(({ target, path }) => ({ target, path }));

export type GuardWord = z.infer<typeof wordSchema>;
export type Freeze = z.infer<typeof freezeSchema>;
export type GuardState = z.infer<typeof stateSchema>;
export type JobOutcome = z.infer<typeof outcomeSchema>;
export type PreparedTargets = z.infer<typeof preparedSchema>;
export type Begun = z.infer<typeof begunSchema>;
export type Verdict = z.infer<typeof problemSchema>;

/** Same clock in every process of this boot; does not jump. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** Since a moment on that clock; one of another boot is long ago. */
export function elapsedMs(sinceMs: number): number {
  const elapsed = monotonicMs() - sinceMs;
  return elapsed < 0 ? Infinity : elapsed;
}

/** One run's files. Reading gives null for a file that is not there; one that cannot be understood is an error (`INTERNAL`): nobody but us writes here. */
export class GuardFiles {
  constructor(readonly directory: string) {}

  static of(stateDirectory: string, runId: string): GuardFiles {
    if (!isId('run', runId)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(runId)} is not the id of a run.`);
    return new GuardFiles(join(guardsDirectory(stateDirectory), runId));
  }

  get recordPath(): string {
    return join(this.directory, RECORD_FILE);
  }

  get lockPath(): string {
    return join(this.directory, LOCK_FILE);
  }

  get logPath(): string {
    return join(this.directory, LOG_FILE);
  }

  readOrder = (): Promise<GuardOrder | null> => this.read('order', orderSchema);
  writeOrder = (order: GuardOrder): Promise<void> => this.write('order', order);
  readWord = (): Promise<GuardWord | null> => this.read('word', wordSchema);
  writeWord = (word: GuardWord): Promise<void> => this.writeQuickly('word', word);
  readState = (): Promise<GuardState | null> => this.read('state', stateSchema);
  writeState = (state: GuardState): Promise<void> => this.writeQuickly('state', state);
  readPrepared = (): Promise<PreparedTargets | null> => this.read('prepared', preparedSchema);
  writePrepared = (prepared: PreparedTargets): Promise<void> => this.write('prepared', prepared);
  /** Whoever begins uses it up. */
  forgetPrepared = (): Promise<void> => rm(join(this.directory, FILES.prepared), { force: true });
  readBegun = (): Promise<Begun | null> => this.read('begun', begunSchema);
  writeBegun = (begun: Begun): Promise<void> => this.write('begun', begun);
  readVerdict = (): Promise<Verdict | null> => this.read('verdict', problemSchema);
  writeVerdict = (verdict: Verdict): Promise<void> => this.write('verdict', verdict);
  readFinished = async (): Promise<boolean> => (await this.read('finished', z.object({ finished: z.literal(true) }))) !== null;
  writeFinished = (): Promise<void> => this.write('finished', { finished: true });

  private async read<T>(name: keyof typeof FILES, schema: z.ZodType<T>): Promise<T | null> {
    const path = join(this.directory, FILES[name]);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
      throw error;
    }
    // A power cut can leave a file without content where no fsync was waited for; its processes are gone too.
    if (text === '') return null;
    const parsed = schema.safeParse(parseJson(text));
    if (!parsed.success) {
      throw new ModosuError('INTERNAL', `${path} cannot be understood: it was written by another version, or by hand.`, { context: { path } });
    }
    return parsed.data;
  }

  private write(name: keyof typeof FILES, content: unknown): Promise<void> {
    return writeFileDurably(join(this.directory, FILES[name]), `${JSON.stringify(content)}\n`);
  }

  /** What is said about a freeze must not wait for slow storage; after a power cut the freeze is over too. */
  private writeQuickly(name: keyof typeof FILES, content: unknown): Promise<void> {
    return writeFileQuickly(join(this.directory, FILES[name]), `${JSON.stringify(content)}\n`);
  }
}

const guardsDirectory = (stateDirectory: string): string => join(stateDirectory, 'guards');

/** Ids of the runs that have left files. */
export async function guardedRuns(stateDirectory: string): Promise<readonly string[]> {
  try {
    return (await readdir(guardsDirectory(stateDirectory))).filter((name) => isId('run', name)).sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatDuration } from '../src/contracts/format';
import type { GuestServer } from '../test/guests/guest-server';
import { DataGuest, type DataSizes } from './data-guest';
import { dataReport } from './data-report';
import { measureDataRound, type DataRound } from './data-rounds';
import { PARTS, withPart, type Part } from './document';
import { describeMachine } from './machine';
import { DIRECTORY, leaveThePlace, takeThePlace } from './place';
import { run } from './programs';
import { report } from './report';
import { measureRound, type Round } from './rounds';
import { makeServer } from './server';
import { Stack } from './stack';

/**
 * `npm run bench [-- images|data] [--rounds N]`: what Modosu takes against the bare programs, in one run on this machine. Images: a full online backup and a
 * restore of one disk, against QEMU alone and against virtnbdbackup. Data: files and a database, against restic, pg_dump and pg_restore by hand. Each part
 * writes its section of docs/BENCHMARKS.md. Own state directory, port and domain name; everything is removed at the end, also after Ctrl-C.
 */
const DOCUMENT = join(__dirname, '..', '..', 'docs', 'BENCHMARKS.md');
const MODES = ['online', 'offline'] as const;
const MIB = 1024 * 1024;
const USAGE =
  'Usage: npm run bench [-- [images] [data] [--rounds 1..100] [--print] [--mode online|offline] [--files N] [--files-mib N] [--database-mb N] [--idle-wait SECONDS]]';
const startedAt = performance.now();
const say = (text: string): void => console.log(`${formatDuration((performance.now() - startedAt) / 1000).padStart(12)}  ${text}`);

interface Options {
  readonly parts: readonly Part[];
  readonly rounds: number;
  /** `offline` measures the other way to take an image; nothing is written then. */
  readonly mode: (typeof MODES)[number];
  readonly sizes: DataSizes;
  /** How long each side waits for an idle machine. */
  readonly idleWaitMs: number;
  readonly writes: boolean;
}

interface Measuring {
  /** Called after every round with what is known by then: rounds that took an hour are not lost to a Ctrl-C. */
  readonly write: (text: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/** What is cleaned up, also when it is just being made. */
interface Made {
  readonly stacks: Stack[];
  server: Promise<GuestServer> | null;
}

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      mode: { type: 'string', default: 'online' },
      files: { type: 'string', default: '10000' },
      'files-mib': { type: 'string', default: '1024' },
      'database-mb': { type: 'string', default: '500' },
      'idle-wait': { type: 'string', default: '45' },
      print: { type: 'boolean', default: false },
    },
  });
  const whole = (text: string, least: number, most: number): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) throw new Error(USAGE);
    return value;
  };
  const mode = MODES.find((known) => known === values.mode);
  if (mode === undefined || positionals.some((name) => PARTS.every((part) => part !== name))) throw new Error(USAGE);
  return {
    parts: PARTS.filter((part) => positionals.length === 0 || positionals.includes(part)),
    rounds: whole(values.rounds, 1, 100),
    mode,
    sizes: {
      files: whole(values.files, 100, 100_000),
      fileBytes: whole(values['files-mib'], 1, 65_536) * MIB,
      databaseBytes: whole(values['database-mb'], 1, 65_536) * 1_000_000,
    },
    idleWaitMs: whole(values['idle-wait'], 0, 3_600) * 1000,
    writes: !values.print && mode === 'online',
  };
}

async function main(): Promise<number> {
  const options = readOptions();
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort(new Error(`Ended by ${signal}.`)));
  const { signal } = interruption;
  for (const part of options.parts) {
    await takeThePlace(signal);
    const made: Made = { stacks: [], server: null };
    try {
      say(`Everything of this benchmark lies in ${DIRECTORY}.`);
      const write = async (text: string): Promise<void> => {
        if (!options.writes) return;
        await writeFile(DOCUMENT, withPart(await readFile(DOCUMENT, 'utf8').catch(() => ''), part, text));
        say(`Written to ${DOCUMENT}.`);
      };
      console.log(`\n${await (part === 'images' ? measureImages : measureData)(options, made, { write, signal })}`);
    } catch (error) {
      const why: unknown = signal.aborted ? signal.reason : error;
      say(why instanceof Error ? why.message : String(why));
      return signal.aborted ? 130 : 1;
    } finally {
      say('Cleaning up: the stack stops, the server and its files are removed.');
      for (const stack of made.stacks) await stack.stop();
      await (await made.server?.catch(() => null))?.destroy();
      await leaveThePlace();
    }
  }
  return 0;
}

const today = (): string => new Date().toISOString().slice(0, 10);

async function measureImages(options: Options, made: Made, { write, signal }: Measuring): Promise<string> {
  const { rounds: count, mode } = options;
  const stack = new Stack(signal);
  made.stacks.push(stack);
  say('Modosu starts.');
  await stack.start();
  say('A server with a disk of random data is made.');
  made.server = makeServer(signal);
  const server = await made.server;
  await stack.declareServer();
  const peers = `virtnbdbackup ${(await run(signal, 'virtnbdbackup', '--version')).trim()}`;
  const machine = await describeMachine(server.domainType, peers, signal);
  const rounds: Round[] = [];
  let text = '';
  for (let round = 1; round <= count; round += 1) {
    say(`Round ${round} of ${count}`);
    rounds.push(await measureRound({ stack, server, mode, signal, say: (line) => say(`  ${line}`) }));
    text = report(rounds, { machine, date: today(), mode });
    await write(text);
  }
  return text;
}

async function measureData({ rounds: count, sizes, idleWaitMs }: Options, made: Made, { write, signal }: Measuring): Promise<string> {
  say('A server with files and a database of random data is made.');
  const making = DataGuest.make(sizes, signal);
  made.server = making.then(({ server }) => server);
  const guest = await making;
  const first = (said: string): string => said.split('\n')[0]?.trim() ?? '';
  const version = (said: string): string => /\d+(?:\.\d+)+/.exec(first(said))?.[0] ?? '?';
  const peers = `restic ${version(await guest.sh('restic version'))}, PostgreSQL ${version(await guest.sh('pg_dump --version'))} in the guest, rclone ${version(await run(signal, 'rclone', 'version'))}`;
  const machine = await describeMachine(guest.server.domainType, peers, signal);
  const rounds: DataRound[] = [];
  let text = '';
  for (let round = 1; round <= count; round += 1) {
    say(`Round ${round} of ${count}`);
    rounds.push(await measureDataRound({ guest, round, idleWaitMs, signal, say: (line) => say(`  ${line}`), onStack: (stack) => made.stacks.push(stack) }));
    text = dataReport(rounds, { machine, date: today(), sizes });
    await write(text);
  }
  return text;
}

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);

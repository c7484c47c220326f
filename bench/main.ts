import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatDuration } from '../src/contracts/format';
import type { GuestServer } from '../test/guests/guest-server';
import { DataGuest } from './data-guest';
import { dataReport } from './data-report';
import { measureDataRound, type DataRound } from './data-rounds';
import { withPart, type Part } from './document';
import { incrementReport } from './increment-report';
import { Increments, WIDE_DISK_BYTES, type IncrementRound } from './increment-rounds';
import { describeMachine } from './machine';
import { readOptions, type Options } from './options';
import { DIRECTORY, leaveThePlace, takeThePlace, WIDE_DOMAIN } from './place';
import { JudgingBench, judgingReport, type JudgingRound } from './judging';
import { run } from './programs';
import { report } from './report';
import { measureRound, type Round } from './rounds';
import { measureRulesRound, rulesReport, type RulesRound } from './rules';
import { makeServer } from './server';
import { Stack } from './stack';

/**
 * `npm run bench [-- images|increments|data|rules|judging] [--rounds N]`: what Modosu takes against the bare programs, in one run on this machine. Images: a full online
 * backup and a restore of one disk, against QEMU alone and against virtnbdbackup. Increments: what has changed on it, against the same two, and on a far larger
 * disk. Data: files and a database, against restic, pg_dump and pg_restore by hand. Rules: what reads a whole history, against sorting it. Judging: a whole estate, from stored markers. Each part writes its
 * section of docs/BENCHMARKS.md. Own state directory, port and domain names; everything is removed at the end, also after Ctrl-C.
 */
const DOCUMENT = join(__dirname, '..', '..', 'docs', 'BENCHMARKS.md');
const startedAt = performance.now();
const say = (text: string): void => console.log(`${formatDuration((performance.now() - startedAt) / 1000).padStart(12)}  ${text}`);

interface Measuring {
  /** Called after every round with what is known by then: rounds that took an hour are not lost to a Ctrl-C. */
  readonly write: (text: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/** What is cleaned up, also when it is just being made. */
interface Made {
  readonly stacks: Stack[];
  readonly servers: Promise<GuestServer>[];
}

async function main(): Promise<number> {
  const options = readOptions();
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort(new Error(`Ended by ${signal}.`)));
  const { signal } = interruption;
  for (const part of options.parts) {
    await takeThePlace(signal);
    const made: Made = { stacks: [], servers: [] };
    try {
      say(`Everything of this benchmark lies in ${DIRECTORY}.`);
      const write = async (text: string): Promise<void> => {
        if (!options.writes) return;
        await writeFile(DOCUMENT, withPart(await readFile(DOCUMENT, 'utf8').catch(() => ''), part, text));
        say(`Written to ${DOCUMENT}.`);
      };
      console.log(`\n${await MEASURE[part](options, made, { write, signal })}`);
    } catch (error) {
      const why: unknown = signal.aborted ? signal.reason : error;
      say(why instanceof Error ? why.message : String(why));
      return signal.aborted ? 130 : 1;
    } finally {
      say('Cleaning up: the stack stops, servers and their files are removed.');
      for (const stack of made.stacks) await stack.stop();
      for (const server of made.servers) await (await server.catch(() => null))?.destroy();
      await leaveThePlace();
    }
  }
  return 0;
}

const MEASURE: Readonly<Record<Part, (options: Options, made: Made, measuring: Measuring) => Promise<string>>> = {
  images: measureImages,
  increments: measureIncrements,
  data: measureData,
  rules: measureRules,
  judging: measureJudging,
};

const nbdVersion = async (signal: AbortSignal): Promise<string> => `virtnbdbackup ${(await run(signal, 'virtnbdbackup', '--version')).trim()}`;
const today = (): string => new Date().toISOString().slice(0, 10);

async function measureImages(options: Options, made: Made, { write, signal }: Measuring): Promise<string> {
  const { rounds: count, mode } = options;
  const stack = new Stack(signal);
  made.stacks.push(stack);
  say('Modosu starts.');
  await stack.start();
  say('A server with a disk of random data is made.');
  const making = makeServer(signal);
  made.servers.push(making);
  const server = await making;
  await stack.declareServer();
  const machine = await describeMachine(server.domainType, await nbdVersion(signal), signal);
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

async function measureIncrements({ rounds: count }: Options, made: Made, { write, signal }: Measuring): Promise<string> {
  const stack = new Stack(signal);
  made.stacks.push(stack);
  say('Modosu starts.');
  await stack.start();
  const make = (options?: Parameters<typeof makeServer>[1]): Promise<GuestServer> => {
    const making = makeServer(signal, options);
    made.servers.push(making);
    return making;
  };
  say('Two servers with the same random data are made, the second with a far larger disk.');
  const narrow = await make();
  const wide = await make({ name: WIDE_DOMAIN, diskBytes: WIDE_DISK_BYTES });
  const machine = await describeMachine(narrow.domainType, await nbdVersion(signal), signal);
  say('Whole images are taken, which incremental ones can continue.');
  const increments = await Increments.begin(stack, { narrow, wide }, signal);
  const rounds: IncrementRound[] = [];
  let text = '';
  for (let round = 1; round <= count; round += 1) {
    say(`Round ${round} of ${count}`);
    rounds.push(await increments.measure({ round, say: (line) => say(`  ${line}`) }));
    text = incrementReport(rounds, { machine, date: today() });
    await write(text);
  }
  return text;
}

async function measureData({ rounds: count, sizes, idleWaitMs }: Options, made: Made, { write, signal }: Measuring): Promise<string> {
  say('A server with files and a database of random data is made.');
  const making = DataGuest.make(sizes, signal);
  made.servers.push(making.then(({ server }) => server));
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

async function measureRules({ rounds: count }: Options, _made: Made, { write, signal }: Measuring): Promise<string> {
  const rounds: RulesRound[] = [];
  for (let round = 1; round <= count; round += 1) {
    say(`Round ${round} of ${count}`);
    signal.throwIfAborted();
    rounds.push(measureRulesRound());
  }
  const text = rulesReport(rounds, { date: today() });
  await write(text);
  return text;
}

async function measureJudging({ rounds: count }: Options, _made: Made, { write, signal }: Measuring): Promise<string> {
  say('An estate of 500 servers with 2,000 relations is written to a PostgreSQL.');
  const bench = await JudgingBench.begin();
  try {
    const rounds: JudgingRound[] = [];
    for (let round = 1; round <= count; round += 1) {
      say(`Round ${round} of ${count}`);
      signal.throwIfAborted();
      rounds.push(await bench.measure());
    }
    const text = judgingReport(rounds, { date: today() });
    await write(text);
    return text;
  } finally {
    await bench.close();
  }
}

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);

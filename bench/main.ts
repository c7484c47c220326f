import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatDuration } from '../src/contracts/format';
import type { GuestServer } from '../test/guests/guest-server';
import { describeMachine } from './machine';
import { DIRECTORY, leaveThePlace, takeThePlace } from './place';
import { BY_HAND, report } from './report';
import { measureRound, type Round } from './rounds';
import { makeServer } from './server';
import { Stack } from './stack';

/**
 * `npm run bench [-- --rounds N]`: a full online backup and a restore of one disk, against QEMU alone and against virtnbdbackup, in one run on this machine. Writes
 * docs/BENCHMARKS.md. Own state directory, port and domain name; everything is removed at the end, also after Ctrl-C.
 */
const DOCUMENT = join(__dirname, '..', '..', 'docs', 'BENCHMARKS.md');
const MODES = ['online', 'offline'] as const;
const startedAt = performance.now();
const say = (text: string): void => console.log(`${formatDuration((performance.now() - startedAt) / 1000).padStart(12)}  ${text}`);

interface Options {
  readonly rounds: number;
  /** `offline` measures the other way to take an image; nothing is written then. */
  readonly mode: (typeof MODES)[number];
}

function readOptions(): Options {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, mode: { type: 'string', default: 'online' } } });
  const rounds = Number(values.rounds);
  const mode = MODES.find((known) => known === values.mode);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100 || mode === undefined) throw new Error('Usage: npm run bench [-- --rounds 1..100] [--mode online|offline]');
  return { rounds, mode };
}

async function main(): Promise<number> {
  const options = readOptions();
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort(new Error(`Ended by ${signal}.`)));
  const { signal } = interruption;

  await takeThePlace(signal);
  const stack = new Stack(signal);
  /** A promise, so that cleaning up also finds a server that is just being made. */
  let making: Promise<GuestServer> | null = null;
  try {
    say(`Everything of this benchmark lies in ${DIRECTORY}. Modosu starts.`);
    await stack.start();
    say('A server with a disk of random data is made.');
    making = makeServer(signal);
    const server = await making;
    await stack.declareServer();
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round += 1) {
      say(`Round ${round} of ${options.rounds}`);
      rounds.push(await measureRound({ stack, server, mode: options.mode, signal, say: (text) => say(`  ${text}`) }));
    }
    const text = report(rounds, { machine: await describeMachine(server.domainType, signal), date: new Date().toISOString().slice(0, 10), mode: options.mode });
    console.log(`\n${text}`);
    if (options.mode === 'online') {
      await writeFile(DOCUMENT, `${text}\n${BY_HAND}\n${await writtenByHand()}`);
      say(`Written to ${DOCUMENT}.`);
    }
    return 0;
  } catch (error) {
    const why: unknown = signal.aborted ? signal.reason : error;
    say(why instanceof Error ? why.message : String(why));
    return signal.aborted ? 130 : 1;
  } finally {
    say('Cleaning up: the stack stops, the server and its files are removed.');
    await stack.stop();
    await (await making?.catch(() => null))?.destroy();
    await leaveThePlace();
  }
}

async function writtenByHand(): Promise<string> {
  const present = await readFile(DOCUMENT, 'utf8').catch(() => '');
  return present.split(`${BY_HAND}\n`)[1] ?? '';
}

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);

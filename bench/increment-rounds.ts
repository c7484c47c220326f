import { DEFAULT_MAX_INCREMENTS } from '../src/contracts/policy';
import type { RunView } from '../src/contracts/run';
import type { GuestServer } from '../test/guests/guest-server';
import { changeDisk, patternOf } from './change';
import { NbdLine, PushLine, requireIncrement, type Side } from './increment-peers';
import { calm } from './machine';
import { DOMAIN, WIDE_DOMAIN } from './place';
import { DISK_BYTES, presentDisk } from './server';
import type { Stack } from './stack';
import { busySeconds } from './statistics';

/** Of the second server: as much data, on a disk sixteen times as large. */
export const WIDE_DISK_BYTES = 16 * DISK_BYTES;

export interface ModosuIncrement extends Side {
  readonly run: RunView;
}

/** Everything one round has measured. */
export interface IncrementRound {
  readonly narrow: { readonly modosu: ModosuIncrement; readonly push: Side; readonly nbd: Side };
  readonly wide: { readonly modosu: ModosuIncrement; readonly push: Side };
  /** Sides that began although the machine was busy with something else. */
  readonly disturbed: number;
}

export interface IncrementRoundOptions {
  /** From 1 on; who goes first changes from round to round. */
  readonly round: number;
  readonly say: (text: string) => void;
}

/** A server, and what it is called in the installation. */
interface Subject {
  readonly name: string;
  readonly server: GuestServer;
  readonly push: PushLine;
}

const NARROW = 'narrow';
const WIDE = 'wide';

/** Three lines of incremental images on the server, two on the one with the large disk. */
export class Increments {
  private changes = 0;

  private constructor(
    private readonly stack: Stack,
    private readonly narrow: Subject,
    private readonly wide: Subject,
    private readonly nbd: NbdLine,
    private readonly signal: AbortSignal,
  ) {}

  /** Begins all but Modosu's line. */
  static async begin(stack: Stack, servers: { readonly narrow: GuestServer; readonly wide: GuestServer }, signal: AbortSignal): Promise<Increments> {
    await stack.declareServers([
      { name: NARROW, domain: DOMAIN },
      { name: WIDE, domain: WIDE_DOMAIN },
    ]);
    const nbd = await NbdLine.begin(servers.narrow, signal);
    const narrow = { name: NARROW, server: servers.narrow, push: await PushLine.begin(servers.narrow, DISK_BYTES, signal) };
    const wide = { name: WIDE, server: servers.wide, push: await PushLine.begin(servers.wide, WIDE_DISK_BYTES, signal) };
    return new Increments(stack, narrow, wide, nbd, signal);
  }

  /** Each side once, one after the other, each after a change and on a calm machine. */
  async measure({ round, say }: IncrementRoundOptions): Promise<IncrementRound> {
    const { narrow, wide, nbd, stack } = this;
    // A chain that is long enough ends with a whole image: it must not come in the middle of what is measured.
    if (round % DEFAULT_MAX_INCREMENTS === 1) {
      for (const { name } of [narrow, wide]) await stack.backup('online', { full: true, server: name });
    }
    let disturbed = 0;
    const side = async <T extends Side>({ server }: Subject, what: string, work: () => Promise<T>): Promise<T> => {
      await changeDisk(server, patternOf(this.changes++), this.signal);
      if (!(await calm([await presentDisk(server, this.signal)], this.signal))) disturbed += 1;
      const result = await work();
      say(`${what}: ${result.seconds.toFixed(2)} s`);
      return result;
    };
    const modosu = async (subject: Subject, what: string): Promise<ModosuIncrement> => {
      const increment = await side(subject, `${what}, Modosu`, () => this.modosu(subject));
      say(`  ${increment.run.steps.map((step) => `${step.key} ${busySeconds([step]).toFixed(2)}`).join(', ')}`);
      return increment;
    };
    const [ours, push, theirs, oursWide, pushWide] = await oneByOne<[ModosuIncrement, Side, Side, ModosuIncrement, Side]>(
      [
        () => modosu(narrow, 'incremental'),
        () => side(narrow, 'incremental, bare push', () => narrow.push.increment()),
        () => side(narrow, 'incremental, virtnbdbackup', () => nbd.increment()),
        () => modosu(wide, 'incremental of the large disk'),
        () => side(wide, 'incremental of the large disk, bare push', () => wide.push.increment()),
      ],
      round % 2 === 1 ? 'forwards' : 'backwards',
    );
    return { narrow: { modosu: ours, push, nbd: theirs }, wide: { modosu: oursWide, push: pushWide }, disturbed };
  }

  private async modosu({ name }: Subject): Promise<ModosuIncrement> {
    const { run, wallSeconds } = await this.stack.backup('online', { server: name });
    if (run.recoveryPointId === null) throw new Error('The backup has made no recovery point.');
    if ((await this.stack.recoveryPoint(run.recoveryPointId)).parentId === null) {
      const why = run.steps.find(({ key }) => key === 'basis')?.detail?.['fullBecause'];
      throw new Error(`The image of ${name} is whole, it does not count: ${typeof why === 'string' ? why : 'nobody says why'}.`);
    }
    return { run, seconds: wallSeconds, writtenBytes: await requireIncrement(await this.stack.imageOf(run.recoveryPointId)) };
  }
}

/** Results in the order of the list, whichever way it was gone through. */
async function oneByOne<T extends readonly unknown[]>(works: { readonly [K in keyof T]: () => Promise<T[K]> }, order: 'forwards' | 'backwards'): Promise<T> {
  const results: unknown[] = [];
  const indices = [...works.keys()];
  for (const index of order === 'forwards' ? indices : indices.reverse()) results[index] = await works[index]?.();
  return results as unknown as T;
}

import { rm } from 'node:fs/promises';
import type { DataSelection } from '../src/contracts/data';
import { FENCE_NAMESPACE } from '../src/hypervisors/libvirt/domains/fence-xml';
import { AT, DATABASE_SET, FILES_SET, SEED_SET, type DataGuest } from './data-guest';
import { BareData } from './data-peers';
import { becomesIdle } from './machine';
import { DOMAIN, PLACE } from './place';
import { run, virsh } from './programs';
import { Stack, type Carried } from './stack';
import { busySeconds } from './statistics';

/** The same work by Modosu and by hand. */
export interface Pair {
  readonly modosu: Carried;
  /** Seconds. */
  readonly bare: number;
}

export interface DataRound {
  readonly files: { readonly backup: Pair; readonly restore: Pair };
  readonly database: { readonly backup: Pair; readonly restore: Pair };
  /** Sides that began although the machine was busy with something else. */
  readonly disturbed: number;
}

export interface DataRoundOptions {
  readonly guest: DataGuest;
  /** Who goes first changes from round to round. */
  readonly round: number;
  readonly idleWaitMs: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Told of each stack, so that it is stopped whatever happens. */
  readonly onStack: (stack: Stack) => void;
}

interface Half {
  readonly dataSet: string;
  readonly selection: DataSelection;
  readonly bareBackup: (bare: BareData) => Promise<number>;
  readonly bareRestore: (bare: BareData) => Promise<number>;
  /** Brings the guest to where a restore is wanted. */
  readonly lose: (guest: DataGuest) => Promise<void>;
  readonly require: (guest: DataGuest) => Promise<void>;
}

const FILES: Half = {
  dataSet: FILES_SET.name,
  selection: { kind: 'files', paths: [], replace: false },
  bareBackup: (bare) => bare.backupFiles(),
  bareRestore: (bare) => bare.restoreFiles(),
  lose: (guest) => guest.loseFiles(),
  require: (guest) => guest.requireFiles(AT.uploads),
};

const DATABASE: Half = {
  dataSet: DATABASE_SET.name,
  selection: { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true },
  bareBackup: (bare) => bare.backupDatabase(),
  bareRestore: (bare) => bare.restoreDatabase(),
  // A database that went wrong is there: it has to be kept.
  lose: () => Promise.resolve(),
  require: (guest) => guest.requireRows('shop'),
};

/** Files, then the database; each in an installation of its own, whose repository is empty. */
export async function measureDataRound(options: DataRoundOptions): Promise<DataRound> {
  const files = await measureHalf(FILES, options);
  const database = await measureHalf(DATABASE, options);
  return { files: files.pairs, database: database.pairs, disturbed: files.disturbed + database.disturbed };
}

async function measureHalf(
  half: Half,
  { guest, round, idleWaitMs, signal, say, onStack }: DataRoundOptions,
): Promise<{ readonly pairs: DataRound['files']; readonly disturbed: number }> {
  const stack = new Stack(signal);
  onStack(stack);
  await stack.start();
  await stack.declareServer([SEED_SET, FILES_SET, DATABASE_SET]);
  const { serverId } = (await stack.backupData(SEED_SET.name)).run;
  const bare = await BareData.make(guest, serverId, signal);

  let disturbed = 0;
  const side = async <T>(what: string, work: () => Promise<T>, seconds: (result: T) => number): Promise<T> => {
    await guest.forget();
    await run(signal, 'sync');
    for (const { path } of guest.server.disks) await run(signal, 'dd', `if=${path}`, 'iflag=nocache', 'count=0', 'status=none');
    if (!(await becomesIdle(signal, idleWaitMs))) disturbed += 1;
    const result = await work();
    say(`${half.dataSet}, ${what}: ${seconds(result).toFixed(2)} s`);
    return result;
  };
  const pair = async (what: string, modosu: () => Promise<Carried>, byHand: () => Promise<number>): Promise<Pair> => {
    const ours = async (): Promise<Carried> => {
      const carried = await side(`${what}, Modosu`, modosu, ({ wallSeconds }) => wallSeconds);
      say(`  ${carried.run.steps.map((step) => `${step.key} ${busySeconds([step]).toFixed(2)}`).join(', ')}`);
      return carried;
    };
    const theirs = async (): Promise<number> => {
      const seconds = await side(`${what}, bare`, byHand, (took) => took);
      await bare.tidy();
      return seconds;
    };
    if (round % 2 === 1) return { modosu: await ours(), bare: await theirs() };
    const seconds = await theirs();
    return { modosu: await ours(), bare: seconds };
  };

  const backup = await pair(
    'backup',
    () => stack.backupData(half.dataSet),
    () => half.bareBackup(bare),
  );
  await half.lose(guest);
  const plan = await stack.planData(half.dataSet, half.selection);
  const restore = await pair(
    'restore',
    () => stack.restore(plan),
    () => half.bareRestore(bare),
  );
  await half.require(guest);
  if (restore.modosu.run.allowedActions.includes('confirm')) await stack.confirm(restore.modosu.run.id);

  await bare.remove();
  await stack.stop();
  await rm(PLACE.state, { recursive: true, force: true });
  // The next installation begins to count its runs anew, and the server's mark says that higher ones have been there: it would be fenced off.
  await virsh(signal, 'metadata', '--domain', DOMAIN, '--uri', FENCE_NAMESPACE, '--live', '--config', '--remove');
  return { pairs: { backup, restore }, disturbed };
}

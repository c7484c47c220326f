import { stat } from 'node:fs/promises';
import type { RunView } from '../src/contracts/run';
import type { BackupMode } from '../src/contracts/workflows';
import { waitForAgent, type GuestServer } from '../test/guests/guest-server';
import { calm } from './machine';
import { workerMemoryDuring, type MemoryUse } from './memory';
import { barePush, convert, nbdBackup, NBD_DATA, nbdRestore, requireWritten } from './peers';
import { presentDisk } from './server';
import type { Carried, Stack } from './stack';
import { busySeconds } from './statistics';

export interface ModosuSide extends Carried {
  readonly memory: MemoryUse;
}

/** Everything one round has measured, in seconds where not said otherwise. */
export interface Round {
  readonly backup: { readonly modosu: ModosuSide; readonly push: number; readonly nbd: number };
  readonly restore: { readonly modosu: ModosuSide; readonly copySeconds: number; readonly convert: number; readonly nbd: number };
  readonly imageBytes: number;
  /** Sides that began although the machine was busy with something else. */
  readonly disturbed: number;
}

export interface RoundOptions {
  readonly stack: Stack;
  readonly server: GuestServer;
  readonly mode: BackupMode;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** One round: each side once, one after the other, each on a calm machine. */
export async function measureRound({ stack, server, mode, signal, say }: RoundOptions): Promise<Round> {
  let disturbed = 0;
  const onCalmMachine = async <T>(what: string, source: string, work: () => Promise<T>, seconds: (result: T) => number): Promise<T> => {
    if (!(await calm([source], signal))) disturbed += 1;
    const result = await work();
    say(`${what}: ${seconds(result).toFixed(2)} s`);
    return result;
  };
  const itself = (seconds: number): number => seconds;
  const wall = ({ wallSeconds }: ModosuSide): number => wallSeconds;

  const disk = await presentDisk(server, signal);
  const modosuBackup = await onCalmMachine('backup, Modosu', disk, () => watched(() => stack.backup(mode, { full: true })), wall);
  const { recoveryPointId } = modosuBackup.run;
  if (recoveryPointId === null) throw new Error('The backup has made no recovery point.');
  const imagePath = await stack.imageOf(recoveryPointId);
  await requireWritten(imagePath);
  if (mode === 'offline') await waitForAgent(server.uuid, 180_000);
  const push = await onCalmMachine('backup, bare push', disk, () => barePush(server, signal), itself);
  const nbd = await onCalmMachine('backup, virtnbdbackup', disk, () => nbdBackup(server, signal), itself);

  const plan = await stack.plan(recoveryPointId);
  const modosuRestore = await onCalmMachine('restore, Modosu', imagePath, () => watched(() => stack.restore(plan)), wall);
  const copySeconds = copyingSeconds(modosuRestore.run);
  say(`  of which copying and checking the disk: ${copySeconds.toFixed(2)} s`);
  await requireWritten(await presentDisk(server, signal));
  const converted = await onCalmMachine('restore, qemu-img convert', imagePath, () => convert(imagePath, signal), itself);
  const nbdRestored = await onCalmMachine('restore, virtnbdrestore', NBD_DATA, () => nbdRestore(signal), itself);
  // The replaced volume is of no use any more, and five rounds of them would fill a small machine.
  if (modosuRestore.run.allowedActions.includes('confirm')) await stack.confirm(modosuRestore.run.id);

  return {
    backup: { modosu: modosuBackup, push, nbd },
    restore: { modosu: modosuRestore, copySeconds, convert: converted, nbd: nbdRestored },
    imageBytes: (await stat(imagePath)).size,
    disturbed,
  };
}

async function watched(work: () => Promise<Carried>): Promise<ModosuSide> {
  const { result, memory } = await workerMemoryDuring(work);
  return { ...result, memory };
}

const copyingSeconds = ({ steps }: RunView): number => busySeconds(steps.filter(({ key }) => key.startsWith('copy:')));

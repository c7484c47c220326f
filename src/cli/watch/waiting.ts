import { setTimeout as pause } from 'node:timers/promises';
import { ModosuError } from '../../contracts/errors';
import type { RestorePlanView } from '../../contracts/plan';
import type { RunView } from '../../contracts/run';
import type { TransferView } from '../../contracts/offsite-copies';
import type { VerificationView } from '../../contracts/verification';
import type { BackupSetView } from '../../contracts/backup-set';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { formatDuration } from '../../contracts/format';
import { backupSetProgress } from '../output/backup-sets';
import { progressOf } from '../output/queued-work';
import { followRun } from './follow-run';
import { patientGet } from './patience';
import { PlanWaits } from './plan-waits';
import { RunReporter } from './run-reporter';

/** Ctrl-C while waiting: only the waiting ends. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export interface WaitOptions {
  /** Null: as long as it takes. */
  readonly timeoutMs: number | null;
  /** Where waiting for a run ends although the run has not. */
  readonly stopsAt?: (run: RunView) => boolean;
}

export interface WaitWords {
  readonly timedOut: ModosuError;
  readonly interrupted: Interrupted;
}

/** Runs `work` until it ends, the time is up (`WAIT_TIMED_OUT`) or somebody presses Ctrl-C (`Interrupted`). */
export async function waitWithin<T>(io: CliIo, { timeoutMs }: WaitOptions, words: WaitWords, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const forget = io.onInterrupt(() => stop.abort(words.interrupted));
  const timer = timeoutMs === null ? undefined : setTimeout(() => stop.abort(words.timedOut), timeoutMs);
  try {
    return await work(stop.signal);
  } catch (error) {
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    forget();
  }
}

export const waitedFor = ({ timeoutMs }: WaitOptions): string => formatDuration((timeoutMs ?? 0) / 1000);

/** Follows a run to its end, or to where `stopsAt` says, and prints its steps as lines. */
export async function waitForRun(
  io: CliIo,
  client: ApiClient,
  runId: string,
  print: (text: string) => void,
  note: (text: string) => void,
  options: WaitOptions,
): Promise<RunView> {
  const goesOn = `The run goes on by itself; follow it with \`modosu run watch ${runId}\`.`;
  const words: WaitWords = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `Run ${runId} has not ended within ${waitedFor(options)}.`, { hint: goesOn }),
    interrupted: new Interrupted(`Interrupted. ${goesOn}`),
  };
  const reporter = new RunReporter(print, io.now);
  const ticking = setInterval(() => reporter.tick(), 1000);
  try {
    return await waitWithin(io, options, words, (signal) =>
      followRun(client, runId, {
        signal,
        goesOn,
        stopsAt: options.stopsAt,
        onRun: (run) => reporter.see(run),
        onBroken: (why) => note(`${why} The run goes on by itself; connecting again.`),
      }),
    );
  } finally {
    clearInterval(ticking);
  }
}

const PLAN_POLL_MS = 300;

/** Waits until a plan is made, or could not be made; says what that waits for. */
export async function waitForPlan(io: CliIo, client: ApiClient, planId: string, note: (text: string) => void, options: WaitOptions): Promise<RestorePlanView> {
  const words: WaitWords = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `Plan ${planId} has not been made within ${waitedFor(options)}.`, {
      hint: 'Planning changes nothing on the server. Check with `modosu doctor` that a worker serves its hypervisor, then plan again.',
    }),
    interrupted: new Interrupted('Interrupted. Planning changes nothing on the server; plan again when you need the plan.'),
  };
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn: `Planning goes on by itself; see \`modosu restore show ${planId}\`.` });
    const waits = new PlanWaits(note, io.now);
    for (;;) {
      const plan = await get<RestorePlanView>(`/v1/restore-plans/${encodeURIComponent(planId)}`);
      if (plan.state !== 'planning') return plan;
      waits.see(plan.retrying);
      await pause(PLAN_POLL_MS, undefined, { signal });
    }
  });
}

const VERIFICATION_POLL_MS = 500;
const VERIFICATION_TELL_MS = 5_000;

/** Waits until a verification has ended, however it did; says what it waits for, and how far it is. */
export function waitForVerification(
  io: CliIo,
  client: ApiClient,
  verificationId: string,
  note: (text: string) => void,
  options: WaitOptions,
): Promise<VerificationView> {
  const goesOn = `It goes on by itself; see \`modosu verification show ${verificationId}\`.`;
  const what = { subject: `Verification ${verificationId}`, goesOn, path: `/v1/verifications/${encodeURIComponent(verificationId)}`, verb: 'read' };
  return waitForEnd<VerificationView>(io, client, what, note, options);
}

/** The same of a transfer. */
export function waitForTransfer(io: CliIo, client: ApiClient, transferId: string, note: (text: string) => void, options: WaitOptions): Promise<TransferView> {
  const goesOn = `It goes on by itself; see \`modosu offsite show ${transferId}\`.`;
  const what = { subject: `Transfer ${transferId}`, goesOn, path: `/v1/offsite/transfers/${encodeURIComponent(transferId)}`, verb: 'moved' };
  return waitForEnd<TransferView>(io, client, what, note, options);
}

async function waitForEnd<View extends Pick<VerificationView, 'finishedAt' | 'waitsFor' | 'doneBytes' | 'totalBytes'>>(
  io: CliIo,
  client: ApiClient,
  { subject, goesOn, path, verb }: { readonly subject: string; readonly goesOn: string; readonly path: string; readonly verb: string },
  note: (text: string) => void,
  options: WaitOptions,
): Promise<View> {
  const words: WaitWords = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `${subject} has not ended within ${waitedFor(options)}.`, { hint: goesOn }),
    interrupted: new Interrupted(`Interrupted. ${goesOn}`),
  };
  let told = '';
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn });
    for (;;) {
      const value = await get<View>(path);
      if (value.finishedAt !== null) return value;
      const progress = progressOf(value);
      const text = value.waitsFor === null ? (progress === null ? '' : `${verb} ${progress}`) : `waits: ${value.waitsFor}`;
      if (text !== '' && text !== told && performance.now() - toldAtMs >= VERIFICATION_TELL_MS) {
        [told, toldAtMs] = [text, performance.now()];
        note(text);
      }
      await pause(VERIFICATION_POLL_MS, undefined, { signal });
    }
  });
}

const SET_POLL_MS = 500;

/** Waits until the last run of a backup set has ended, however it did; says when one of them has got on. */
export async function waitForBackupSet(
  io: CliIo,
  client: ApiClient,
  backupSetId: string,
  note: (text: string) => void,
  options: WaitOptions,
): Promise<BackupSetView> {
  const goesOn = `It goes on by itself; see \`modosu backup-set show ${backupSetId}\`.`;
  const words: WaitWords = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `Backup set ${backupSetId} has not ended within ${waitedFor(options)}.`, { hint: goesOn }),
    interrupted: new Interrupted(`Interrupted. ${goesOn}`),
  };
  let told = '';
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn });
    for (;;) {
      const value = await get<BackupSetView>(`/v1/backup-sets/${encodeURIComponent(backupSetId)}`);
      if (value.state !== 'running') return value;
      const text = backupSetProgress(value);
      if (text !== told) note(text);
      told = text;
      await pause(SET_POLL_MS, undefined, { signal });
    }
  });
}

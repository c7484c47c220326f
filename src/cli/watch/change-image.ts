import { setTimeout as pause } from 'node:timers/promises';
import type { ChangeView } from '../../contracts/change';
import type { DueBackupView } from '../../contracts/due-backup';
import { ModosuError } from '../../contracts/errors';
import type { BackupMode } from '../../contracts/workflows';
import { isFinal, type RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { patientGet, type Get } from './patience';
import { Interrupted, waitedFor, waitWithin, type WaitOptions, type WaitWords } from './waiting';

const POLL_MS = 500;

/**
 * Waits until a generation contains the change; says what its image waits for, and which run takes it. A run that fails ends the waiting (`RUN_FAILED`): the
 * next image of the server contains the change, too. Where the server has gone back to a time before it, and where no image comes by itself it is not waited for (`IMAGE_NOT_AWAITED`).
 */
export async function waitForChangeImage(
  io: CliIo,
  client: ApiClient,
  { id, serverId, completedAt }: Pick<ChangeView, 'id' | 'serverId' | 'completedAt'>,
  note: (text: string) => void,
  options: WaitOptions,
): Promise<ChangeView> {
  const goesOn = `It goes on by itself; see \`modosu change show ${id}\`.`;
  const words: WaitWords = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `No image contains change ${id} within ${waitedFor(options)}.`, { hint: goesOn }),
    interrupted: new Interrupted(`Interrupted. ${goesOn}`),
  };
  let told = '';
  const tell = (text: string): void => {
    if (text !== told) note(text);
    told = text;
  };
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn });
    for (;;) {
      const due = await dueSince(get, serverId, completedAt);
      const run = due?.runId == null ? null : await get<RunView>(`/v1/runs/${encodeURIComponent(due.runId)}`);
      // Read after the run: what a run that has ended left is seen.
      const value = await get<ChangeView>(`/v1/changes/${encodeURIComponent(id)}`);
      if (value.recoveryPointId !== null) return value;
      // What was imaged since was the server without it, and its run may well have succeeded.
      if (value.imageComes === null && value.inServer !== 'yes') throw notAwaited(value);
      const hasEnded = run !== null && isFinal(run.state);
      if (hasEnded && run.state !== 'succeeded') {
        throw new ModosuError('RUN_FAILED', `Run ${run.id}, which was to take the image, is ${run.state}.`, {
          hint: `See \`modosu run show ${run.id}\`; then \`modosu backup image ${run.serverName} --mode ${modeOf(value)} --reason TEXT\`.`,
        });
      }
      if ((due === null || hasEnded) && value.imageComes !== 'by-itself') throw notAwaited(value);
      if (run !== null) tell(`Run ${run.id} takes the image.`);
      else if (due?.waitsFor != null) tell(`The image waits: ${due.waitsFor}.`);
      else if (due !== null) tell(`The image is taken at ${due.notBefore}: until then further changes may join it.`);
      else tell(NOT_WRITTEN_DOWN);
      await pause(POLL_MS, undefined, { signal });
    }
  });
}

const NOT_WRITTEN_DOWN =
  'The image is not yet among the backups that are due: a worker writes it down within half a minute. Where it does not: `modosu doctor`.';

const modeOf = ({ imageComes }: ChangeView): BackupMode => (imageComes === 'with-schedule' ? 'offline' : 'online');

/** What people do who want an image that nobody takes because of the change. */
export const takeByHand = (change: ChangeView): string => `\`modosu backup image ${change.serverName} --mode ${modeOf(change)} --reason TEXT\``;

function notAwaited(change: ChangeView): ModosuError {
  const { id, serverName } = change;
  if (change.imageComes === 'with-schedule') {
    return new ModosuError(
      'IMAGE_NOT_AWAITED',
      `Change ${id} is complete. No image is taken because of it: server "${serverName}" is imaged offline, with its schedule.`,
      {
        hint: `The next image of the schedule contains it; see \`modosu change show ${id}\`. To have one now, which stops the server: ${takeByHand(change)}.`,
      },
    );
  }
  if (change.inServer === 'yes') {
    return new ModosuError('IMAGE_NOT_AWAITED', `Change ${id} is complete, but no image of server "${serverName}" is asked for because of it any more.`, {
      hint: `The next image of the server contains it; see \`modosu change show ${id}\`. To have one now: ${takeByHand(change)}.`,
    });
  }
  return new ModosuError(
    'IMAGE_NOT_AWAITED',
    `Change ${id} is complete, but server "${serverName}" has gone back to a time before it: no image is taken because of it.`,
    {
      hint: `Make the change again as a change of its own: \`modosu change open ${serverName} --title TEXT\`.`,
    },
  );
}

/** What was due before the change was complete was due for something else, and its run may have ended long ago. */
async function dueSince(get: Get, server: string, completedAt: string | null): Promise<DueBackupView | null> {
  const { items } = await get<{ readonly items: readonly DueBackupView[] }>('/v1/due-backups', { server, limit: 20 });
  const sinceMs = completedAt === null ? Number.NEGATIVE_INFINITY : Date.parse(completedAt);
  return items.find(({ kind, state, dueAt }) => kind === 'image' && (state === 'waiting' || state === 'started') && Date.parse(dueAt) >= sinceMs) ?? null;
}

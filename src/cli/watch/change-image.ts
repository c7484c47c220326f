import { setTimeout as pause } from 'node:timers/promises';
import type { ChangeView } from '../../contracts/change';
import type { DueBackupView } from '../../contracts/due-backup';
import { ModosuError } from '../../contracts/errors';
import { isFinal, type RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { Interrupted, waitedFor, waitWithin, type WaitOptions, type WaitWords } from './waiting';

const POLL_MS = 500;

/**
 * Waits until a generation contains the change; says what its image waits for, and which run takes it. A run that fails ends the waiting (`RUN_FAILED`): the
 * next image of the server contains the change, too.
 */
export async function waitForChangeImage(
  io: CliIo,
  client: ApiClient,
  { id, serverId }: Pick<ChangeView, 'id' | 'serverId'>,
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
    for (;;) {
      const due = await newestDue(client, serverId, signal);
      const run = due?.runId == null ? null : (await client.get<RunView>(`/v1/runs/${encodeURIComponent(due.runId)}`, {}, signal)).value;
      // Read after the run: what a run that has ended left is seen.
      const { value } = await client.get<ChangeView>(`/v1/changes/${encodeURIComponent(id)}`, {}, signal);
      if (value.recoveryPointId !== null) return value;
      if (run !== null && isFinal(run.state)) {
        throw new ModosuError('RUN_FAILED', `Run ${run.id}, which was to take the image, is ${run.state}.`, {
          hint: `See \`modosu run show ${run.id}\`; then \`modosu backup image ${run.serverName} --reason TEXT\`.`,
        });
      }
      if (run !== null) tell(`Run ${run.id} takes the image.`);
      else if (due?.waitsFor != null) tell(`The image waits: ${due.waitsFor}.`);
      else if (due !== null) tell(`The image is taken at ${due.notBefore}: until then further changes may join it.`);
      await pause(POLL_MS, undefined, { signal });
    }
  });
}

async function newestDue(client: ApiClient, server: string, signal: AbortSignal): Promise<DueBackupView | null> {
  const { value } = await client.get<{ readonly items: readonly DueBackupView[] }>('/v1/due-backups', { server, limit: 20 }, signal);
  return value.items.find(({ kind, state }) => kind === 'image' && (state === 'waiting' || state === 'started')) ?? null;
}

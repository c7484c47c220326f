import { setTimeout as pause } from 'node:timers/promises';
import { ModosuError } from '../../contracts/errors';
import type { RestoreSetView } from '../../contracts/restore-set';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { restoreSetProgress } from '../output/restore-sets';
import { patientGet } from './patience';
import { Interrupted, waitedFor, waitWithin, type WaitOptions, type WaitWords } from './waiting';

const POLL_MS = 500;

/** Waits until a set is as it is waited for; says when one of its servers has got on. */
export async function waitForRestoreSet(
  io: CliIo,
  client: ApiClient,
  restoreSetId: string,
  note: (text: string) => void,
  isThere: (set: RestoreSetView) => boolean,
  options: WaitOptions,
): Promise<RestoreSetView> {
  const goesOn = `It goes on by itself; see \`modosu restore-set show ${restoreSetId}\`.`;
  const words: WaitWords = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `Restore set ${restoreSetId} has not come so far within ${waitedFor(options)}.`, { hint: goesOn }),
    interrupted: new Interrupted(`Interrupted. ${goesOn}`),
  };
  let told = '';
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn });
    for (;;) {
      const value = await get<RestoreSetView>(`/v1/restore-sets/${encodeURIComponent(restoreSetId)}`);
      if (isThere(value)) return value;
      const text = restoreSetProgress(value);
      if (text !== told) note(text);
      told = text;
      await pause(POLL_MS, undefined, { signal });
    }
  });
}

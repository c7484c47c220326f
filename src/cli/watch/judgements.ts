import { setTimeout as pause } from 'node:timers/promises';
import type { PageOf } from '../../contracts/api/common';
import { ModosuError } from '../../contracts/errors';
import type { JudgementView } from '../../contracts/judgement';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { patientGet } from './patience';
import { Interrupted, waitedFor, waitWithin, type WaitOptions } from './waiting';

const POLL_MS = 1_000;
const TELL_MS = 5_000;

/** Waits until nothing is asked for any more, of one server or of all; says now and then how many are left. */
export function waitForJudgements(
  io: CliIo,
  client: ApiClient,
  { path, server }: { readonly path: string; readonly server: string | undefined },
  note: (text: string) => void,
  options: WaitOptions,
): Promise<void> {
  const goesOn = 'It goes on by itself; see `modosu relation judgement`.';
  const words = {
    timedOut: new ModosuError('WAIT_TIMED_OUT', `Judging has not ended within ${waitedFor(options)}.`, { hint: goesOn }),
    interrupted: new Interrupted(`Interrupted. ${goesOn}`),
  };
  let toldAtMs = performance.now();
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn });
    for (;;) {
      const { items } = await get<PageOf<JudgementView>>(path, { server });
      const left = items.filter(({ isAsked }) => isAsked).length;
      if (left === 0) return;
      if (performance.now() - toldAtMs >= TELL_MS) {
        toldAtMs = performance.now();
        note(`${left} of ${items.length} are still to be judged`);
      }
      await pause(POLL_MS, undefined, { signal });
    }
  });
}

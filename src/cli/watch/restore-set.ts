import { setTimeout as pause } from 'node:timers/promises';
import { ModosuError } from '../../contracts/errors';
import type { RestorePlanView } from '../../contracts/plan';
import type { RestoreSetView } from '../../contracts/restore-set';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { restoreSetProgress } from '../output/restore-sets';
import { plain } from '../output/text';
import { patientGet } from './patience';
import { PlanWaits } from './plan-waits';
import { Interrupted, waitedFor, waitWithin, type WaitOptions, type WaitWords } from './waiting';

const POLL_MS = 500;
/** At the plans that are being made: nobody needs to know sooner that one waits. */
const LOOK_MS = 3_000;

/** Waits until a set is as it is waited for; says when one of its servers has got on, and what the making of its plans waits for. */
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
  const plans = new Map<string, PlanWaits>();
  let lookedAtMs = performance.now();
  return waitWithin(io, options, words, async (signal) => {
    const get = patientGet(io, client, { signal, goesOn });
    for (;;) {
      const value = await get<RestoreSetView>(`/v1/restore-sets/${encodeURIComponent(restoreSetId)}`);
      if (isThere(value)) return value;
      const text = restoreSetProgress(value);
      if (text !== told) note(text);
      told = text;
      if (performance.now() - lookedAtMs >= LOOK_MS) {
        lookedAtMs = performance.now();
        for (const { planId, planState, serverName } of value.members) {
          if (planId === null || planState !== 'planning') continue;
          const waits = plans.get(planId) ?? new PlanWaits((said) => note(`${plain(serverName)}: ${said}`), io.now);
          plans.set(planId, waits);
          waits.see((await get<RestorePlanView>(`/v1/restore-plans/${encodeURIComponent(planId)}`)).retrying);
        }
      }
      await pause(POLL_MS, undefined, { signal });
    }
  });
}

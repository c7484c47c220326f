import { isCancellation } from '@temporalio/workflow';
import type { OldDisk } from '../../src/contracts/plan';
import type { ServerInspection } from '../../src/contracts/server';
import type { RunInput } from '../../src/contracts/workflows';
import { catalogue, type Calls } from './activities';
import { summarise, tolerated } from './errors';
import type { Runbook, StepBody } from './runbook';

/** Steps and ways back that several runbooks share, for what is done to a server. */

/** From here on no older run can write to the server. */
export async function takeServer(book: Runbook, { server, undo }: Calls, input: RunInput): Promise<void> {
  await book.step('fence', { do: () => server.takeFence(input), undo: () => undo.releaseFence(input) });
}

/**
 * Gives the server back at the end of a run that has reached its aim. A fence that stays is no harm, the next run's is higher: what went wrong is
 * returned for the step's detail instead of failing the run.
 */
export const giveServerBack = ({ server }: Pick<Calls, 'server'>, input: RunInput): Promise<{ readonly fenceProblem?: string }> =>
  tolerated('fenceProblem', server.releaseFence(input));

/** The job has ended well: only its guard's record is left. What cannot be forgotten now is found by the janitor. */
export const forgetGuard = ({ server }: Pick<Calls, 'server'>, input: RunInput): Promise<{ readonly guardProblem?: string }> =>
  tolerated('guardProblem', server.cancelOnlineBackup(input));

/** The images are published. What is left on the hypervisor although it could go costs it a little, and goes after the next backup. */
export const settleImages = ({ server }: Pick<Calls, 'server'>, input: RunInput): Promise<{ readonly guardProblem?: string }> =>
  tolerated('guardProblem', server.settleOnlineBackup(input));

/** Asked to shut down, or with its power cut. */
export type WayToStop = 'ask-guest' | 'cut-power';

/** How a server is stopped that is to be replaced: a guest whose agent does not answer would not hear that it is asked. */
export const wayToStop = (present: Pick<ServerInspection, 'agent'> | null): WayToStop => (present?.agent.state === 'answering' ? 'ask-guest' : 'cut-power');

/**
 * Stops the server. `wasOn`: it is started again when the run is undone, once it is certain that it is off: a guest that was asked to stop may do so at any
 * moment.
 */
export async function stopServer(
  book: Runbook,
  { server, undo }: Calls,
  input: RunInput,
  { how, wasOn }: { readonly how: WayToStop; readonly wasOn: boolean },
): Promise<void> {
  let isOff = false;
  await book.step('stop', {
    do: async () => {
      await (how === 'ask-guest' ? server.shutDown(input) : server.powerOff(input));
      isOff = true;
    },
    ...(wasOn ? { undo: () => (isOff ? undo.start(input) : undo.startAfterShutdown(input)) } : {}),
  });
}

/** Whether a server as it was found has to be on again when the run is undone. Null: it is gone. */
export const isOn = (present: Pick<ServerInspection, 'powerState'> | null): boolean => present !== null && present.powerState !== 'off';

/** How a server was found, for the detail of a step. */
export const surveyDetail = ({ present }: { readonly present: ServerInspection | null }): Readonly<{ powerState: string; agent: string }> => ({
  powerState: present?.powerState ?? 'gone',
  agent: present?.agent.state ?? 'gone',
});

/** From the request to now, to a tenth: what a recovery has taken, measured. */
export const secondsSince = (acceptedAt: string): number => Math.round((Date.now() - Date.parse(acceptedAt)) / 100) / 10;

/** The volumes and the definition from before the swap are the server's again; once it runs with them the catalogue says so. Nothing swapped: nothing. */
export const revertsSwap = ({ undo }: Pick<Calls, 'undo'>, input: RunInput): Required<Pick<StepBody<unknown>, 'undo' | 'recordUndo'>> => ({
  undo: () => undo.revertSwap(input),
  recordUndo: () => catalogue.revertWayBack(input.runId),
});

/**
 * A restored server that has been proven is not given up because one more disk could not be plugged in: the old volume is kept in any case, and what went
 * wrong is returned for the step's detail.
 */
export async function attachOldDisk(
  { server }: Pick<Calls, 'server'>,
  input: RunInput,
  disk: OldDisk,
): Promise<{ readonly attachedAs?: string; readonly notAttached?: string }> {
  try {
    return { attachedAs: (await server.attachOldDisk(input, disk)).target };
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    return { notAttached: summarise(thrown).message };
  }
}

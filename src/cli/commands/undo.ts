import { ModosuError } from '../../contracts/errors';
import type { RestorePlanView } from '../../contracts/plan';
import { isFinal, type RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import { idSegment, type CliContext } from '../context';
import type { Printer } from '../output/printer';
import { runText } from '../output/runs';
import { acceptedOf, acceptsAnything, type AcceptanceFlags } from './acceptance';
import { waitOptions, type WaitFlags } from './options';
import { PLAN_TIMEOUT_MS, showMadePlan } from './plans';

/** Nobody here knows whether Temporal answers: the API takes a cancel in any case. */
export const CANCEL_IS_WRITTEN = 'The cancel is written down: the run hears of it within seconds, or as soon as Temporal is back.';

export interface UndoFlags extends WaitFlags, AcceptanceFlags {
  readonly plan?: string;
  readonly confirm?: string;
  readonly reason?: string;
}

/** `run undo`: what it means depends on how far the run is. */
export async function undoRun(context: CliContext, printer: Printer, id: string, options: UndoFlags): Promise<void> {
  if ((options.plan === undefined) !== (options.confirm === undefined)) {
    throw new ModosuError('USAGE', '--plan and --confirm belong together.', { hint: 'Without both, the plan of the undo is made and shown.' });
  }
  if (options.plan === undefined && acceptsAnything(options)) {
    throw new ModosuError('USAGE', '--override, --override-reason and --acknowledge-unknown go with --plan.', {
      hint: 'Read the plan of the undo first; it says what blocks and what is not known.',
    });
  }
  const accepted = acceptedOf(options);
  const client = await context.client();
  const { value: run } = await client.get<RunView>(`/v1/runs/${idSegment('run', id)}`);
  if (!isFinal(run.state)) return undoOpenRun(context, printer, client, run, options);
  if (options.plan !== undefined) return carryOut(context, printer, client, run, options.plan, options, accepted);
  const { value: making } = await client.post<RestorePlanView>(`/v1/runs/${idSegment('run', id)}/undo-plans`, undefined);
  return showMadePlan(context, printer, client, making.id, options.timeout ?? PLAN_TIMEOUT_MS);
}

/** Before go-live a restore undoes itself, and an undo up to its end: it is cancelled, and there is nothing to plan. */
async function undoOpenRun(context: CliContext, printer: Printer, client: ApiClient, run: RunView, options: UndoFlags): Promise<void> {
  if (run.kind === 'backup-image' || run.kind === 'backup-data' || run.kind === 'confirm') {
    throw new ModosuError('WAY_BACK_NOT_FOUND', `Run ${run.id} (${run.kind}) replaces nothing: there is nothing to undo.`, {
      hint: `To stop it: \`modosu run cancel ${run.id}\`.`,
    });
  }
  if ((run.kind === 'restore-server' || run.kind === 'restore-data') && run.wayBack !== null && run.wayBack.wentLiveAt !== null) {
    if (run.waitingFor === 'sign-off-live') {
      throw new ModosuError('SERVER_BUSY', `Run ${run.id} has gone live and waits for a sign-off.`, {
        hint: `Sign it off (\`modosu run sign-off ${run.id} --reason TEXT\`); when it has ended, undo it: a plan shows what would be lost.`,
        context: { runId: run.id },
      });
    }
    throw new ModosuError('SERVER_BUSY', `Run ${run.id} has ${run.kind === 'restore-data' ? 'put the data in place' : 'gone live'} and is about to end.`, {
      hint: `Wait for its end (\`modosu run watch ${run.id}\`), then undo it again: a plan shows what would be lost.`,
      context: { runId: run.id },
    });
  }
  if (options.plan !== undefined) {
    throw new ModosuError('USAGE', `Run ${run.id} is still open: undoing it is cancelling it, without a plan.`, {
      hint: `Use \`modosu run undo ${run.id} --reason TEXT\`.`,
    });
  }
  const { value: cancelled } = await client.post<RunView>(`/v1/runs/${run.id}/cancel`, { reason: requireReason(options) });
  printer.note(
    `Run ${run.id} is still open: it is cancelled and puts back what it has changed.${run.kind === 'undo' ? '' : ' Nothing is lost before go-live.'}`,
  );
  printer.note(CANCEL_IS_WRITTEN);
  if (options.wait !== true) {
    printer.data(cancelled, () => runText(cancelled, printer, context.io.now()));
    return;
  }
  const ended = await context.waitFor(printer, client, run.id, { ...waitOptions(options), stopsAt: () => false });
  // Being cancelled is what was asked for.
  if (ended.state !== 'succeeded') return context.conclude(printer, ended, 'cancelled');
  printer.data(ended, () => runText(ended, printer, context.io.now()));
  throw new ModosuError('RUN_FINISHED', `Run ${run.id} had come too far: it ended before the cancel reached it.`, {
    hint: `Undo it with a plan: \`modosu run undo ${run.id}\`.`,
  });
}

async function carryOut(
  context: CliContext,
  printer: Printer,
  client: ApiClient,
  run: RunView,
  planId: string,
  options: UndoFlags,
  accepted: object,
): Promise<void> {
  const reason = requireReason(options);
  const path = `/v1/restore-plans/${idSegment('plan', planId)}`;
  const { value: plan } = await client.get<RestorePlanView>(path);
  if (plan.scenario !== 'undo' || (plan.body?.scenario === 'undo' && plan.body.undoes.runId !== run.id)) {
    throw new ModosuError('USAGE', `Plan ${plan.id} is not the plan of an undo of run ${run.id}.`, { hint: `Make one: \`modosu run undo ${run.id}\`.` });
  }
  const { value: begun } = await client.post<RunView>(`${path}/run`, { reason, confirm: options.confirm, ...accepted });
  await context.finish(printer, client, begun, options.wait === true, waitOptions(options));
}

function requireReason({ reason }: UndoFlags): string {
  if (reason === undefined) {
    throw new ModosuError('USAGE', 'This changes the server and needs a reason.', { hint: 'Add --reason TEXT; it goes into the audit.' });
  }
  return reason;
}

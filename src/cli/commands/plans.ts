import { ModosuError } from '../../contracts/errors';
import type { ApiClient } from '../api-client';
import type { CliContext } from '../context';
import { EXIT } from '../exit-codes';
import { blocks, planText } from '../output/plans';
import type { Printer } from '../output/printer';
import { waitForPlan } from '../watch/waiting';

export const PLAN_TIMEOUT_MS = 10 * 60_000;

/**
 * Waits until a plan is made and prints it. One with blocking findings ends the command with its code; one that could not be made throws what was in the way.
 */
export async function showMadePlan(context: CliContext, printer: Printer, client: ApiClient, planId: string, timeoutMs: number): Promise<void> {
  const plan = await waitForPlan(context.io, client, planId, (text) => printer.note(text), { timeoutMs });
  if (plan.error !== null) throw ModosuError.fromSummary(plan.error);
  const planned = plan.body;
  if (planned === null) throw new ModosuError('PLAN_FAILED', `Plan ${plan.id} ended without a result.`);
  printer.data(plan, () => planText(plan, planned, printer, context.io.now()));
  if (!blocks(planned)) return;
  printer.note('This plan has blocking findings; it does not run as it is.');
  context.exitCode = EXIT.planBlocked;
}

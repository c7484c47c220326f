import { activityInfo, asyncLocalStorage } from '@temporalio/activity';

/** Whether this code runs inside an activity; unit tests call activities without Temporal. */
const inActivity = (): boolean => asyncLocalStorage.getStore() !== undefined;

/** The server whose run this is: its id stands in the workflow id (`server/<id>`). */
export function serverOfRun(): { readonly serverId?: string } {
  const workflowId = inActivity() ? activityInfo().workflowExecution?.workflowId : undefined;
  return workflowId?.startsWith('server/') === true ? { serverId: workflowId.slice('server/'.length) } : {};
}

export const attempt = (): { readonly attempt?: number } => (inActivity() ? { attempt: activityInfo().attempt } : {});

/** Activities are called with a run's id or with its input, first. */
export function runOf([first]: readonly unknown[]): { readonly runId?: string } {
  if (typeof first === 'string' && first.startsWith('run_')) return { runId: first };
  if (typeof first === 'object' && first !== null && 'runId' in first && typeof first.runId === 'string') return { runId: first.runId };
  return {};
}

/** Which try of a call that Temporal tries again when it fails for a reason that may pass; null: the last one, or no activity that people see the tries of. */
export function repeatableAttempt(): number | null {
  if (!inActivity()) return null;
  const { attempt: tried, isLocal, retryPolicy } = activityInfo();
  const most = retryPolicy?.maximumAttempts ?? 0;
  return isLocal || (most > 0 && tried >= most) ? null : tried;
}

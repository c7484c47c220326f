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

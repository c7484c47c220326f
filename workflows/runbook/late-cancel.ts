import { CancellationScope, patched } from '@temporalio/workflow';
import { planning } from './activities';

/** Since a cancel that is written down and has not arrived yet is heard before what cannot be undone. It was before go-live only, at first. */
const CANCEL_BEFORE_GO_LIVE = 'cancel-before-go-live';

/**
 * The last moment for a cancel. One that was written down while Temporal was away may be on its way: it is waited for, and ends the run as ever. Called once in
 * a run, right before what cannot be undone any more.
 */
export async function hearLateCancel(runId: string): Promise<void> {
  if (patched(CANCEL_BEFORE_GO_LIVE) && (await planning.isCancelRequested(runId))) await CancellationScope.current().cancelRequested;
}

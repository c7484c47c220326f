import { isCancellation } from '@temporalio/workflow';
import type { ServerActivities } from '../../src/contracts/activities';
import type { OldDisk } from '../../src/contracts/plan';
import type { RunInput } from '../../src/contracts/workflows';
import { summarise } from './errors';

/**
 * A restored server that has been proven is not given up because one more disk could not be plugged in: the old volume is kept in any case, and what went wrong is returned for the step's detail.
 */
export async function attachOldDisk(server: Pick<ServerActivities, 'attachOldDisk'>, input: RunInput, disk: OldDisk): Promise<{ readonly attachedAs?: string; readonly notAttached?: string }> {
  try {
    return { attachedAs: (await server.attachOldDisk(input, disk)).target };
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    return { notAttached: summarise(thrown).message };
  }
}

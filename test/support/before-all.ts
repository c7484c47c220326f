import { sweepBrokenOff } from './owned-directory';

/** Once before each run of jest (`globalSetup`): what a run that was killed has left would be in the way of this one. */
export default async function beforeAll(): Promise<void> {
  const swept = await sweepBrokenOff();
  if (swept.length > 0) console.log(`Removed what tests that were broken off had left in ${swept.join(', ')}`);
}

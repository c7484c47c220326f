import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { OffsiteActivities } from '../src/contracts/activities/repositories';
import { ModosuError } from '../src/contracts/errors';
import type { TransferInput, TransferOutcome, TransferPoint } from '../src/contracts/offsite-copies';
import { catalogue, offsiteCalls } from './runbook/activities';
import { seenTwice } from './runbook/damage';
import { summarise } from './runbook/errors';
import { oneByOne, type Moved } from './runbook/runbook';

/** Of one check: the others have their turn the next time. */
const MOST_READ = 100;

/**
 * Moves recovery points to an off-site repository or back, checks what lies there, or removes it. Changes nothing of a server: it holds no lock, and is simply
 * begun again when it was lost.
 */
export async function offsiteTransfer(input: TransferInput): Promise<void> {
  const calls = offsiteCalls(input.hypervisor);
  const outcome = await WORK[input.kind](input, calls).then(
    (): TransferOutcome => ({ state: 'succeeded', error: null }),
    (thrown: unknown): TransferOutcome => ({ state: isCancellation(thrown) ? 'cancelled' : 'failed', error: summarise(thrown, 'transfer') }),
  );
  await CancellationScope.nonCancellable(async () => {
    // What cannot be removed now is in nobody's way, and gone with the next fetch.
    if (input.kind === 'fetch' && outcome.state !== 'succeeded') await calls.discardOffsite(input).catch(() => undefined);
    await catalogue.finishTransfer(input.transferId, outcome);
  });
}

type Work = (input: TransferInput, calls: OffsiteActivities) => Promise<void>;

const copy: Work = (input, calls) =>
  each(input, async (point, moved) => catalogue.recordCopied(input.transferId, point.recoveryPointId, await calls.copyOffsite(input, point, moved)));

const fetch: Work = (input, calls) =>
  each(input, async (point, moved) => {
    const fetched = await calls.fetchOffsite(input, point, moved);
    if (fetched !== null) await catalogue.recordFetched(input.transferId, point.recoveryPointId, fetched);
  });

const forget: Work = (input, calls) => calls.forgetOffsite(input);

/** What should be there is; what it needs is; a part of the bytes is what was written. Where something is damaged, copies are read by themselves. */
const check: Work = async (input, calls) => {
  const { missing, there } = await calls.listOffsite(input);
  for (const id of missing) {
    await catalogue.recordCopyDamaged(input.transferId, id, { code: 'RECOVERY_POINT_INCOMPLETE', message: `It is not in ${input.offsite} any more.` });
  }
  const damage = await seenTwice(() => calls.checkOffsite(input));
  if (damage === null) {
    if (missing.length === 0) return;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `${missing.length} copies are not in ${input.offsite} any more.`);
  }
  for (const id of there.slice(0, MOST_READ)) {
    const own = await seenTwice(() => calls.readOffsite(input, id));
    if (own !== null) await catalogue.recordCopyDamaged(input.transferId, id, own);
  }
  throw ModosuError.fromSummary(damage);
};

const WORK: Readonly<Record<TransferInput['kind'], Work>> = { copy, fetch, check, forget };

/** What others build on comes first. */
const each = ({ points }: TransferInput, move: (point: TransferPoint, moved: Moved) => Promise<void>): Promise<void> =>
  oneByOne(points, ({ sizeBytes }) => sizeBytes, move);

import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { OffsiteActivities } from '../src/contracts/activities';
import { ModosuError, type ErrorSummary } from '../src/contracts/errors';
import type { TransferInput, TransferOutcome, TransferPoint } from '../src/contracts/offsite-copies';
import { isDamage } from '../src/domain/verification/verification';
import { catalogue, offsiteCalls } from './runbook/activities';
import { summarise } from './runbook/errors';

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
    (thrown: unknown): TransferOutcome => ({ state: isCancellation(thrown) ? 'cancelled' : 'failed', error: problem(thrown) }),
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
  const damage = await damageOf(() => calls.checkOffsite(input));
  if (damage === null) {
    if (missing.length === 0) return;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `${missing.length} copies are not in ${input.offsite} any more.`);
  }
  for (const id of there.slice(0, MOST_READ)) {
    const own = await damageOf(() => calls.readOffsite(input, id));
    if (own !== null) await catalogue.recordCopyDamaged(input.transferId, id, own);
  }
  throw ModosuError.fromSummary(damage);
};

const WORK: Readonly<Record<TransferInput['kind'], Work>> = { copy, fetch, check, forget };

/** One after the other: what others build on comes first. */
async function each(
  { points }: TransferInput,
  move: (point: TransferPoint, moved: { readonly before: number; readonly total: number }) => Promise<void>,
): Promise<void> {
  const total = points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let before = 0;
  for (const point of points) {
    await move(point, { before, total });
    before += point.sizeBytes;
  }
}

/** Null: it went well. Damage is believed when it is seen twice. */
async function damageOf(work: () => Promise<void>): Promise<ErrorSummary | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return null;
    } catch (thrown) {
      if (isCancellation(thrown)) throw thrown;
      const error = summarise(thrown);
      if (!isDamage(error)) throw thrown;
      if (attempt === 2) return error;
    }
  }
}

const problem = (thrown: unknown): ErrorSummary =>
  isCancellation(thrown) ? new ModosuError('RUN_CANCELLED', 'The transfer was cancelled.').summary() : summarise(thrown);

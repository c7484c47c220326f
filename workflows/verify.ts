import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { VerificationActivities } from '../src/contracts/activities';
import { ModosuError, type ErrorSummary } from '../src/contracts/errors';
import type { VerificationInput } from '../src/contracts/verification';
import { isDamage, outcomeOf } from '../src/domain/verification/verification';
import { catalogue, verifications } from './runbook/activities';
import { summarise } from './runbook/errors';

/**
 * Reads stored recovery points again, and writes down what that says about them. Changes nothing in a repository and nothing of a server: it holds no lock,
 * and is simply begun again when it was lost.
 */
export async function verify(input: VerificationInput): Promise<void> {
  const { verificationId } = input;
  const error = await problemOf(() => read(input, verifications(input.hypervisor)));
  await CancellationScope.nonCancellable(() =>
    catalogue.finishVerification(verificationId, error === null ? { state: 'passed', error: null } : outcomeOf(error)),
  );
}

function read(input: VerificationInput, calls: VerificationActivities): Promise<void> {
  if (input.recoveryPointId === null) return readDataOfServer(input, calls);
  return withVerdict(input, input.recoveryPointId, () =>
    input.kind === 'image' ? readImages(input, calls) : calls.readData(input, input.recoveryPointId ?? ''),
  );
}

async function readImages(input: VerificationInput, calls: VerificationActivities): Promise<void> {
  const images = await calls.openForVerification(input);
  const total = images.reduce((sum, { image }) => sum + image.sizeBytes, 0);
  let before = 0;
  for (const image of images) {
    await calls.readImage(input, image, { before, total });
    before += image.image.sizeBytes;
  }
}

/** Where the repository of a server is damaged, every recovery point is read by itself: those that do not need what is damaged stay usable. */
async function readDataOfServer(input: VerificationInput, calls: VerificationActivities): Promise<void> {
  const damage = await problemOf(() => twice(() => calls.checkData(input)));
  if (damage === null) return;
  if (!isDamage(damage)) throw ModosuError.fromSummary(damage);
  const damaged: string[] = [];
  for (const recoveryPointId of await calls.listUsableData(input)) {
    const error = await problemOf(() => withVerdict(input, recoveryPointId, () => calls.readData(input, recoveryPointId)));
    if (error === null) continue;
    // What could not be read for another reason is not known: then the whole of it was not carried out.
    if (!isDamage(error)) throw ModosuError.fromSummary(error);
    damaged.push(recoveryPointId);
  }
  const which =
    damaged.length === 0
      ? 'No recovery point in the catalogue needs what is damaged.'
      : `Damaged: ${damaged.slice(0, 20).join(', ')}${damaged.length > 20 ? ` and ${damaged.length - 20} more` : ''}.`;
  throw new ModosuError('RECOVERY_POINT_CORRUPT', `${damage.message} ${which}`);
}

/** What was read says something about this recovery point. */
async function withVerdict({ verificationId }: VerificationInput, recoveryPointId: string, work: () => Promise<void>): Promise<void> {
  const error = await problemOf(() => twice(work));
  if (error === null || isDamage(error)) await catalogue.recordVerdict(verificationId, recoveryPointId, error?.message ?? null);
  if (error !== null) throw ModosuError.fromSummary(error);
}

/** Damage is believed for good: it is said only of what was read wrong a second time, too. */
async function twice(work: () => Promise<void>): Promise<void> {
  const error = await problemOf(work);
  if (error === null) return;
  if (!isDamage(error)) throw ModosuError.fromSummary(error);
  await work();
}

/** Null: it went well. */
async function problemOf(work: () => Promise<void>): Promise<ErrorSummary | null> {
  try {
    await work();
    return null;
  } catch (thrown) {
    return isCancellation(thrown) ? new ModosuError('RUN_CANCELLED', 'The verification was cancelled.').summary() : summarise(thrown);
  }
}

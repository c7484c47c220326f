import { CancellationScope, sleep } from '@temporalio/workflow';
import type { VerificationActivities } from '../src/contracts/activities/repositories';
import { ModosuError, type ErrorSummary } from '../src/contracts/errors';
import type { VerificationInput, VerificationOutcome } from '../src/contracts/verification';
import { bootOutcomeOf, saysNotBooted } from '../src/domain/verification/boot-proof';
import { damageOf, isDamage, outcomeOf } from '../src/domain/verification/verification';
import { boots, catalogue, verifications } from './runbook/activities';
import { seenTwice } from './runbook/damage';
import { summarise } from './runbook/errors';
import { oneByOne } from './runbook/runbook';

const PASSED: VerificationOutcome = { state: 'passed', error: null };
/** Of one damaged server, in one verification: the others have their turn, and what is left is read the next time. */
const MOST_READ = 100;

/**
 * Reads stored recovery points again, or boots an image, and writes down what that says about them. Changes nothing in a repository and nothing of a server: it
 * holds no lock, and is simply begun again when it was lost.
 */
export async function verify(input: VerificationInput): Promise<void> {
  const { hypervisor } = input;
  const isBoot = input.method === 'boot';
  const outcome = await (isBoot ? boot(input, boots(hypervisor)) : read(input, verifications(hypervisor))).catch((thrown: unknown) =>
    (isBoot ? bootOutcomeOf : outcomeOf)(problem(thrown)),
  );
  await CancellationScope.nonCancellable(() => catalogue.finishVerification(input.verificationId, outcome));
}

async function read(input: VerificationInput, calls: VerificationActivities): Promise<VerificationOutcome> {
  const { recoveryPointId, kind } = input;
  if (recoveryPointId === null) return readDataOfServer(input, calls);
  await withVerdict(input, recoveryPointId, () => (kind === 'image' ? readImages(input, calls) : calls.readData(input, recoveryPointId)));
  return PASSED;
}

/**
 * One that did not come up is booted again before anybody is told: a host that was busy is no reason to send for people at night. Files that were read wrong on
 * the way say something about the recovery point; that it does not come up says nothing about its bytes.
 */
async function boot(input: VerificationInput, calls: Pick<VerificationActivities, 'proveBoot'>): Promise<VerificationOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { ...PASSED, boot: await calls.proveBoot(input) };
    } catch (thrown) {
      const error = problem(thrown);
      if (saysNotBooted(error) && attempt === 1) continue;
      const damage = damageOf(error);
      if (damage !== null && input.recoveryPointId !== null) {
        await catalogue.recordVerdict(input.verificationId, input.recoveryPointId, damage);
      }
      throw ModosuError.fromSummary(error);
    }
  }
}

async function readImages(input: VerificationInput, calls: VerificationActivities): Promise<void> {
  const images = await calls.openForVerification(input);
  await oneByOne(
    images,
    ({ image }) => image.sizeBytes,
    (image, moved) => calls.readImage(input, image, moved),
  );
}

/**
 * What should be there is; what it needs is; and a part of the bytes is what was written. Where something is damaged, recovery points are read by themselves:
 * those that do not need it stay usable.
 */
async function readDataOfServer(input: VerificationInput, calls: VerificationActivities): Promise<VerificationOutcome> {
  const { found, readBefore, missing, returned } = await calls.listData(input);
  for (const { recoveryPointId, why } of missing) {
    await catalogue.recordVerdict(input.verificationId, recoveryPointId, { code: 'RECOVERY_POINT_INCOMPLETE', message: why });
  }
  for (const recoveryPointId of returned.slice(0, MOST_READ)) {
    await problemOf(() => withVerdict(input, recoveryPointId, () => calls.readData(input, recoveryPointId)));
  }

  const damage = await seenTwice(
    () => calls.checkData(input),
    () => sleep('5 s'),
  );
  const lost = missing.length === 0 ? '' : `${missing.length} recovery point(s) are missing: ${some(missing.map(({ recoveryPointId }) => recoveryPointId))}.`;
  if (damage === null) {
    if (lost === '') return { ...PASSED, found };
    return { state: 'failed', error: new ModosuError('RECOVERY_POINT_INCOMPLETE', lost).summary(), found };
  }
  // Damage that was known the last time needs only those looked at that have come since.
  const known = new Set(input.knownDamage?.startsWith(damage.message) === true ? readBefore : []);
  const unread = found.filter((id) => !known.has(id));
  const outcome = await readEach(input, calls, unread.slice(0, MOST_READ));
  const left = unread.length > MOST_READ ? `${unread.length - MOST_READ} are still to be read.` : '';
  const words = [damage.message, outcome, left, lost].filter((text) => text !== '').join(' ');
  return { state: 'failed', error: new ModosuError('RECOVERY_POINT_CORRUPT', words).summary() };
}

/** What it has found, in a sentence. */
async function readEach(input: VerificationInput, calls: VerificationActivities, ids: readonly string[]): Promise<string> {
  const damaged: string[] = [];
  for (const id of ids) {
    const error = await problemOf(() => withVerdict(input, id, () => calls.readData(input, id)));
    if (error === null) continue;
    if (error.code === 'RUN_CANCELLED') throw ModosuError.fromSummary(error);
    if (!isDamage(error)) {
      return `Not all recovery points could be read to know which of them need it (${error.code}). ${damaged.length === 0 ? '' : `Damaged: ${some(damaged)}.`}`.trim();
    }
    damaged.push(id);
  }
  if (damaged.length > 0) return `Damaged: ${some(damaged)}.`;
  return 'No usable recovery point that was read needs it.';
}

const MOST_NAMED = 20;
const some = (ids: readonly string[]): string =>
  `${ids.slice(0, MOST_NAMED).join(', ')}${ids.length > MOST_NAMED ? ` and ${ids.length - MOST_NAMED} more` : ''}`;

/** What was read says something about this recovery point. Damage is believed: it is said only of what was read wrong a second time, too. */
async function withVerdict({ verificationId }: VerificationInput, recoveryPointId: string, work: () => Promise<void>): Promise<void> {
  const error = await seenTwice(work);
  await catalogue.recordVerdict(verificationId, recoveryPointId, error === null ? null : damageOf(error));
  if (error !== null) throw ModosuError.fromSummary(error);
}

/** Null: it went well. */
async function problemOf(work: () => Promise<void>): Promise<ErrorSummary | null> {
  try {
    await work();
    return null;
  } catch (thrown) {
    return problem(thrown);
  }
}

const problem = (thrown: unknown): ErrorSummary => summarise(thrown, 'verification');

import type { CatalogueActivities, RunOutcome, StepRecord } from '../src/contracts/activities/catalogue';
import type { FetchedPoint, MadeCopy, TransferOutcome } from '../src/contracts/offsite-copies';
import type { StateBefore, WayBackFacts } from '../src/contracts/way-back';
import type { Damage, VerificationOutcome } from '../src/contracts/verification';
import type { ActivityDependencies } from './dependencies';
import { recordDue } from './record-due';
import { serverOfRun } from './log-fields';

const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000);

/** Short writes to PostgreSQL; see `CatalogueActivities`. */
export class CatalogueWrites implements CatalogueActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  async startRun(runId: string): Promise<void> {
    await this.deps.catalog.startRun(runId);
  }

  async recordSteps(runId: string, steps: readonly StepRecord[]): Promise<void> {
    for (const step of steps) {
      await this.deps.catalog.recordStep(runId, step);
      this.deps.log.info({ runId, ...serverOfRun(), step: step.key, state: step.state, code: step.error?.code }, `${step.title}: ${step.state}`);
    }
  }

  async finishRun(runId: string, outcome: RunOutcome): Promise<void> {
    await this.deps.catalog.finishRun(runId, outcome);
    this.deps.log.info({ runId, ...serverOfRun(), state: outcome.state, code: outcome.error?.code }, `run ${outcome.state}`);
  }

  async markDamaged(recoveryPointId: string, why: string, of?: Omit<Damage, 'message'>): Promise<void> {
    await this.deps.catalog.markRecoveryPoint(recoveryPointId, 'damaged', why, of);
  }

  async openWayBack(runId: string, facts: WayBackFacts, before: StateBefore): Promise<void> {
    await this.deps.catalog.openWayBack(runId, facts, before, inDays(this.deps.wayBackDays));
  }

  async takeWayBack(runId: string, ofRunId: string, facts: WayBackFacts, before: StateBefore): Promise<void> {
    await this.deps.catalog.takeWayBack(runId, ofRunId, facts, before, inDays(this.deps.wayBackDays));
  }

  async revertWayBack(runId: string): Promise<void> {
    await this.deps.catalog.revertWayBack(runId);
  }

  async closeWayBack(runId: string, ofRunId: string): Promise<void> {
    await this.deps.catalog.closeWayBack(runId, ofRunId);
  }

  async recordApplied(runId: string, changeIds: readonly string[], by: string): Promise<void> {
    await this.deps.catalog.recordApplied(runId, changeIds, by);
  }

  async recordGoLive(runId: string): Promise<void> {
    await this.deps.catalog.recordGoLive(runId);
  }

  async recordVerdict(verificationId: string, recoveryPointId: string, damage: Damage | null): Promise<void> {
    await this.deps.catalog.recordVerdict(verificationId, recoveryPointId, damage);
    if (damage !== null) this.deps.log.error({ verificationId, recoveryPointId, damage }, 'a recovery point is damaged');
  }

  async recordCopied(transferId: string, recoveryPointId: string, made: MadeCopy): Promise<void> {
    await this.deps.catalog.recordCopied(transferId, recoveryPointId, made);
    this.deps.log.info({ transferId, recoveryPointId, sizeBytes: made.sizeBytes }, 'a recovery point was copied off-site');
  }

  async recordFetched(transferId: string, recoveryPointId: string, fetched: FetchedPoint): Promise<void> {
    await this.deps.catalog.recordFetched(transferId, recoveryPointId, fetched);
    this.deps.log.info({ transferId, recoveryPointId }, 'a recovery point was fetched from its copy');
  }

  async recordCopyDamaged(transferId: string, recoveryPointId: string, why: { readonly code: string; readonly message: string }): Promise<void> {
    await this.deps.catalog.recordCopyDamaged(transferId, recoveryPointId, why);
    this.deps.log.error({ transferId, recoveryPointId, code: why.code, why: why.message }, 'a copy is not what was copied');
  }

  async finishTransfer(transferId: string, outcome: TransferOutcome): Promise<void> {
    await this.deps.catalog.finishTransfer(transferId, outcome);
    const { state, error } = outcome;
    const fields = { transferId, state, code: error?.code };
    if (state === 'failed') this.deps.log.warn({ ...fields, why: error?.message }, 'a transfer has failed');
    else this.deps.log.info(fields, `transfer ${state}`);
  }

  async finishVerification(verificationId: string, outcome: VerificationOutcome): Promise<void> {
    await this.deps.catalog.finishVerification(verificationId, outcome);
    this.deps.log.info({ verificationId, state: outcome.state, code: outcome.error?.code }, `verification: ${outcome.state}`);
  }

  async recordDueBackups(): Promise<number> {
    return recordDue(this.deps);
  }
}

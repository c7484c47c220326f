import type { Catalog } from '../../src/catalog/catalog';
import { accessContract } from './catalog.access.contract';
import { changeContract } from './catalog.change.contract';
import { decommissionContract } from './catalog.decommission.contract';
import { backupSetContract } from './catalog.backup-set.contract';
import { decisionContract } from './catalog.decision.contract';
import { chainContract } from './catalog.chain.contract';
import { dataContract } from './catalog.data.contract';
import { generationContract } from './catalog.generation.contract';
import { figuresContract } from './catalog.figures.contract';
import { inventoryContract } from './catalog.inventory.contract';
import { markerContract } from './catalog.marker.contract';
import { judgementContract } from './catalog.judgement.contract';
import { offsiteContract } from './catalog.offsite.contract';
import { planContract } from './catalog.plan.contract';
import { runContract } from './catalog.run.contract';
import { copiesContract } from './catalog.copies.contract';
import { alertContract } from './catalog.alert.contract';
import { scheduleContract } from './catalog.schedule.contract';
import { relationContract } from './catalog.relation.contract';
import { retentionContract } from './catalog.retention.contract';
import { restoreSetContract } from './catalog.restore-set.contract';
import { verificationContract } from './catalog.verification.contract';
import { wayBackContract } from './catalog.way-back.contract';
import { wayBackRequestsContract } from './catalog.way-back-requests.contract';

/** A catalogue without any content, with a clock that the test sets. */
export interface CatalogUnderTest {
  readonly catalog: Catalog;
  /** Advances its clock. Starts at 2026-03-01T00:00:00Z. */
  advance(milliseconds: number): void;
  dispose(): Promise<void>;
}

export const CLOCK_START = Date.UTC(2026, 2, 1);

/** A clock that stands until it is advanced. */
export function testClock(): { readonly now: () => Date; readonly advance: (milliseconds: number) => void } {
  let time = CLOCK_START;
  return {
    now: () => new Date(time),
    advance: (milliseconds) => {
      time += milliseconds;
    },
  };
}

/** What every implementation of the catalogue must do. */
export function catalogContract(name: string, make: () => Promise<CatalogUnderTest>): void {
  describe(`Catalog: ${name}`, () => {
    let subject: CatalogUnderTest;
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.dispose());

    it('answers the check', async () => {
      await expect(subject.catalog.check()).resolves.toBeUndefined();
    });
    inventoryContract(() => subject);
    scheduleContract(() => subject);
    relationContract(() => subject);
    judgementContract(() => subject);
    changeContract(() => subject);
    generationContract(() => subject);
    markerContract(() => subject);
    alertContract(() => subject);
    verificationContract(() => subject);
    retentionContract(() => subject);
    decommissionContract(() => subject);
    offsiteContract(() => subject);
    chainContract(() => subject);
    copiesContract(() => subject);
    planContract(() => subject);
    runContract(() => subject);
    backupSetContract(() => subject);
    restoreSetContract(() => subject);
    wayBackContract(() => subject);
    wayBackRequestsContract(() => subject);
    decisionContract(() => subject);
    dataContract(() => subject);
    figuresContract(() => subject);
    accessContract(() => subject);
  });
}

import { verifyAuditChain } from '../../src/audit/audit-chain';
import type { Catalog } from '../../src/catalog/catalog';
import { readSequenceCursor, rowsToRead, sequenceCursor, toPage } from '../../src/catalog/cursor';
import type { FakeGround } from './fake-catalog-ground';

/** The audit, in memory. */
export class FakeAudit {
  constructor(private readonly ground: FakeGround) {}

  record: Catalog['audit'] = async (entry) => {
    this.ground.reach();
    this.ground.append(entry);
  };

  list: Catalog['listAudit'] = async ({ runId }, page) => {
    this.ground.reach();
    const after = readSequenceCursor('audit', page.cursor);
    const rows = this.ground.entries.filter((entry) => entry.seq > after && (runId === undefined || entry.runId === runId));
    return toPage(
      rows.slice(0, rowsToRead(page)),
      page,
      (entry) => entry,
      ({ seq }) => sequenceCursor('audit', seq),
    );
  };

  verify: Catalog['verifyAudit'] = async () => {
    this.ground.reach();
    return verifyAuditChain(async (afterSeq) => this.ground.entries.filter(({ seq }) => seq > afterSeq).slice(0, 1000));
  };
}

import type { AuditEvent } from '../audit/append-audit';
import { storableText } from '../audit/storable';
import { isModosuError } from '../contracts/errors';
import type { Decommissioning } from '../contracts/server';
import { protectionEnd } from '../domain/retention/decommissioning';
import type { DecommissionServerRequest, ServerRecord } from './catalog';
import type { DecommissionedColumns } from './entities/inventory';

/** Servers out of service, between the rules (`domain/retention/decommissioning.ts`) and their columns. Pure. */

export const IN_SERVICE: DecommissionedColumns = {
  decommissionedAt: null,
  decommissionedBy: null,
  decommissionReason: null,
  keepDays: null,
  protectsUntil: null,
};

/** Null: it is in service. */
export const decommissioningOf = ({
  decommissionedAt: at,
  decommissionedBy: by,
  decommissionReason: reason,
  keepDays,
  protectsUntil,
}: DecommissionedColumns): Decommissioning | null =>
  at === null || by === null || reason === null || keepDays === null || protectsUntil === null
    ? null
    : { at: at.toISOString(), by, reason, keepDays, protectsUntil: protectsUntil.toISOString() };

export const decommissionedColumns = ({ actor, reason, keepDays }: DecommissionServerRequest, now: Date): DecommissionedColumns => ({
  decommissionedAt: now,
  decommissionedBy: storableText(actor, 256),
  decommissionReason: storableText(reason),
  keepDays,
  protectsUntil: protectionEnd(keepDays, now),
});

/** Somebody wanted it out of service, and was not let. */
const REFUSALS: ReadonlySet<string> = new Set(['SERVER_BUSY', 'CONFIRMATION_MISMATCH', 'SERVER_DECOMMISSIONED']);

/** The audit's entry for a refusal, or null when the error is not one. */
export function decommissionRefusal({ actor, serverId, reason, keepDays }: DecommissionServerRequest, error: unknown): AuditEvent | null {
  if (!isModosuError(error) || !REFUSALS.has(error.code)) return null;
  return {
    actor,
    action: 'server.decommission-refused',
    serverId,
    details: { code: error.code, message: error.message, reason: storableText(reason), keepDays },
  };
}

/** What the audit says of one that goes out of service. */
export const decommissionedDetails = (
  { name }: ServerRecord,
  { decommissionReason: reason, keepDays, protectsUntil }: DecommissionedColumns,
): Readonly<Record<string, unknown>> => ({ server: name, reason, keepDays, protectsUntil: protectsUntil?.toISOString() });

/** What the audit says of one that comes back. */
export const recommissionedDetails = ({ name }: ServerRecord, was: Decommissioning, reason: string): Readonly<Record<string, unknown>> => ({
  server: name,
  reason: storableText(reason),
  decommissionedAt: was.at,
  decommissionedBy: was.by,
  decommissionedFor: was.reason,
});

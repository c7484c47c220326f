import type { AuditEvent } from '../audit/append-audit';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import type { ErrorSummary } from '../contracts/errors';
import type { FetchedPoint, MadeCopy, TransferInput, TransferKind, TransferOutcome, TransferView } from '../contracts/offsite-copies';
import type { Policy } from '../contracts/policy';
import { chainToCopy, isCheckDue, nextCopy, outdatedCopies, pauseBeforeCopy, type NextCopy, type OffsitePoint } from '../domain/offsite/copies';
import { givesWay, heldBackBy } from '../domain/offsite/lanes';
import { requireCopyable, requireNotRemoving } from '../domain/offsite/movable';
import { newestWhole, requireCopied } from '../domain/offsite/whole-copies';
import type { Actor, Catalog, ServerRecord } from './catalog';
import type { OffsiteCopyRow, OffsiteRepositoryRow, OffsiteTransferRow, RecoveryPointRow } from './entities';
import {
  copyBegun,
  copyDamaged,
  copyMade,
  copyStopped,
  looked,
  newCopy,
  newTransfer,
  OFFSITE,
  offsitePoints,
  storedTransferOutcome,
  transferCancelledBefore,
  transferDetails,
  transferFinished,
  transferInput,
  transferNotFound,
  transferUses,
  transferView,
  type WantedTransfer,
} from './offsite-row';
import { offsiteNotConfigured } from '../contracts/not-declared';

/** What is off-site of the tables, and of those around them, inside one transaction. The catalogue in PostgreSQL and the one in memory have it each. */
export interface OffsiteTables {
  now(): Promise<Date>;
  /** By name. */
  repositories(): Promise<readonly OffsiteRepositoryRow[]>;
  saveRepository(row: OffsiteRepositoryRow): Promise<void>;
  copies(where: { readonly offsite?: string; readonly recoveryPointIds?: readonly string[] }): Promise<readonly OffsiteCopyRow[]>;
  saveCopy(row: OffsiteCopyRow): Promise<void>;
  /** Those that wait or run, oldest first. */
  openTransfers(): Promise<readonly OffsiteTransferRow[]>;
  /** The last check of a repository that has ended, and how many were carried out. */
  checks(offsite: string): Promise<{ readonly last: OffsiteTransferRow | null; readonly carriedOut: number }>;
  /** Locked; null: there is none. */
  transfer(id: string): Promise<OffsiteTransferRow | null>;
  addTransfer(row: OffsiteTransferRow): Promise<void>;
  saveTransfer(row: OffsiteTransferRow): Promise<void>;
  points(ids: readonly string[]): Promise<readonly RecoveryPointRow[]>;
  /** All of a server, also those that are deleted. */
  pointsOf(serverId: string): Promise<readonly RecoveryPointRow[]>;
  /** All on which it builds, and itself. */
  chainOf(id: string): Promise<readonly RecoveryPointRow[]>;
  server(id: string): Promise<ServerRecord>;
  policyOf(server: ServerRecord): Promise<Policy | null>;
  /** Servers in service whose policy has copies made. Copies of one that is out of service stay as they are. */
  protectedServers(): Promise<readonly { readonly server: ServerRecord; readonly policy: Policy }[]>;
  /** It lies where it lay, whole: it is usable again, and what builds on it. */
  setFetched(row: RecoveryPointRow, fetched: FetchedPoint, hold: { readonly reason: string; readonly by: string } | null, at: Date): Promise<void>;
  audit(event: AuditEvent): void;
}

/** A copy that no rule keeps can be had back for so long. */
const DELETED_KEPT_MS = 24 * 3_600_000;
/** What somebody has stopped, a policy begins again after this. */
const STOPPED_FOR_MS = 6 * 3_600_000;
const WHENEVER = new Date(8.64e15);

const refused = (code: string): boolean => code === 'OFFSITE_DELETE_REFUSED';

export async function requestTransfer(
  tables: OffsiteTables,
  {
    actor,
    reason,
    kind,
    recoveryPointId,
    offsite: named,
  }: { readonly actor: Actor; readonly reason: string; readonly kind: 'copy' | 'fetch'; readonly recoveryPointId: string; readonly offsite: string | null },
): Promise<TransferView> {
  const chain = rootFirst(await tables.chainOf(recoveryPointId), recoveryPointId);
  const target = chain.at(-1);
  if (target === undefined) throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no recovery point ${recoveryPointId} in the catalogue.`);
  const server = await tables.server(target.serverId);
  const offsite = named ?? (await tables.policyOf(server))?.offsite?.repository ?? null;
  if (offsite === null) {
    throw new ModosuError('REQUEST_INVALID', `The policy of server "${server.name}" names no off-site repository: say which one.`, {
      hint: '`modosu offsite list` shows those that are declared.',
    });
  }
  await requireOffsite(tables, offsite);
  const open = (await tables.openTransfers()).find((one) => one.kind === kind && one.offsite === offsite && one.recoveryPointId === recoveryPointId);
  if (open !== undefined) return transferView(open, server.name);
  const points = kind === 'copy' ? await chainMissing(tables, target, chain, offsite) : await chainToFetch(tables, chain, offsite);
  const row = newTransfer(
    { kind, offsite, serverId: server.id, recoveryPointId, points, hypervisor: server.hypervisor },
    { actor, reason },
    await tables.now(),
  );
  await tables.addTransfer(row);
  tables.audit({ actor, action: `offsite.${kind}-requested`, serverId: server.id, details: { ...transferDetails(row), reason: row.reason } });
  return transferView(row, server.name);
}

async function chainMissing(tables: OffsiteTables, target: RecoveryPointRow, chain: readonly RecoveryPointRow[], offsite: string): Promise<readonly string[]> {
  const points = offsitePoints(chain, await tables.copies({ recoveryPointIds: chain.map(({ id }) => id) }), offsite);
  const byId = new Map(points.map((point) => [point.id, point]));
  const missing = chain.filter(({ id }) => byId.get(id)?.copy?.state !== 'copied');
  requireCopyable(missing);
  const last = byId.get(target.id);
  const ids = last === undefined ? null : chainToCopy(last, byId, WHENEVER);
  if (ids === null) throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${target.id}, or what it builds on, is being copied already.`);
  if (ids.length > 0) return ids;
  throw new ModosuError('OFFSITE_ALREADY_COPIED', `Recovery point ${target.id} is copied to ${offsite} already, with all that it builds on.`, {
    context: { recoveryPointId: target.id, offsite },
  });
}

async function chainToFetch(tables: OffsiteTables, chain: readonly RecoveryPointRow[], offsite: string): Promise<readonly string[]> {
  requireNotRemoving(chain);
  const ids = chain.map(({ id }) => id);
  const lost = chain.filter(({ state, damageOrigin }) => state === 'deleted' || (state === 'damaged' && damageOrigin === null)).map(({ id }) => id);
  // Of the others nobody knows that they are lost; those that are not whole are asked for when it is seen.
  requireCopied([...new Set([...lost, ...ids.slice(-1)])], await tables.copies({ recoveryPointIds: ids }), offsite);
  return ids;
}

function rootFirst(rows: readonly RecoveryPointRow[], id: string): readonly RecoveryPointRow[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const chain: RecoveryPointRow[] = [];
  for (let row = byId.get(id); row !== undefined; row = byId.get(row.parentId ?? '')) chain.unshift(row);
  return chain;
}

export async function newestCopied(tables: OffsiteTables, serverId: string, offsite: string, until: string | null): ReturnType<Catalog['newestCopied']> {
  await requireOffsite(tables, offsite);
  const rows = await tables.pointsOf((await tables.server(serverId)).id);
  return newestWhole(rows, await tables.copies({ offsite, recoveryPointIds: rows.map(({ id }) => id) }), offsite, until);
}

/** Throws `OFFSITE_NOT_CONFIGURED`. */
export async function requireOffsite(tables: Pick<OffsiteTables, 'repositories'>, offsite: string): Promise<void> {
  if (!(await tables.repositories()).some(({ name }) => name === offsite)) throw offsiteNotConfigured(offsite);
}

export async function cancelTransfer(
  tables: OffsiteTables,
  { actor, id, reason }: { readonly actor: Actor; readonly id: string; readonly reason: string },
): Promise<TransferView> {
  const row = await requireTransfer(tables, id);
  if (row.finishedAt !== null) throw transferFinished(row);
  tables.audit({ actor, action: `offsite.${row.kind}-cancel-requested`, serverId: row.serverId, details: { transferId: id, reason: storableText(reason) } });
  const changed = row.state === 'running' ? { ...row, cancelRequested: true } : await ended(tables, row, transferCancelledBefore(actor, reason));
  await tables.saveTransfer(changed);
  return viewOf(tables, changed);
}

async function ended(tables: OffsiteTables, row: OffsiteTransferRow, outcome: TransferOutcome): Promise<OffsiteTransferRow> {
  return { ...row, ...storedTransferOutcome(outcome), finishedAt: await tables.now(), waitsFor: null };
}

export const requireTransfer = async (tables: OffsiteTables, id: string): Promise<OffsiteTransferRow> => {
  const row = await tables.transfer(id);
  if (row === null) throw transferNotFound(id);
  return row;
};

export const viewOf = async (tables: Pick<OffsiteTables, 'server'>, row: OffsiteTransferRow): Promise<TransferView> =>
  transferView(row, row.serverId === null ? null : (await tables.server(row.serverId)).name);

/** As `Catalog.startNextTransfer` says. The caller is the only one who does it now. */
export async function startNextTransfer(tables: OffsiteTables, which: 'asked' | 'any'): Promise<TransferInput | null> {
  const now = await tables.now();
  const repositories = new Map((await tables.repositories()).map((row) => [row.name, row]));
  const open = await tables.openTransfers();
  const runningIn = (name: string) => open.filter(({ offsite, state }) => offsite === name && state === 'running');
  const waiting = open.filter(({ state }) => state === 'waiting');
  for (const row of [...waiting.filter(({ kind }) => kind === 'fetch'), ...waiting.filter(({ kind }) => kind !== 'fetch')]) {
    const repository = repositories.get(row.offsite);
    if (repository === undefined) continue;
    const running = runningIn(row.offsite);
    const waitsFor = heldBackBy(row.kind, running, repository);
    if (waitsFor === null) return begin(tables, row, now);
    if (waitsFor !== row.waitsFor) await tables.saveTransfer({ ...row, waitsFor });
    await ask(tables, repository, now);
    if (row.kind !== 'fetch') continue;
    for (const id of givesWay(running)) {
      const other = running.find((one) => one.id === id);
      if (other?.cancelRequested === false) await tables.saveTransfer({ ...other, cancelRequested: true });
    }
  }
  if (which === 'asked') return null;
  const servers = await tables.protectedServers();
  for (const repository of repositories.values()) {
    const running = runningIn(repository.name);
    const free = (kind: TransferKind): boolean => heldBackBy(kind, running, repository) === null;
    if (repository.state === 'here' && !free('copy')) continue;
    const due = await dueCopy(tables, repository.name, servers, now);
    if (due !== null && !free('copy')) await ask(tables, repository, now);
    if (!free('copy')) continue;
    const wanted = due ?? (free('forget') ? await dueForget(tables, repository.name, now) : null) ?? (await dueCheck(tables, repository.name, servers, now));
    if (wanted === null) continue;
    const row = newTransfer(wanted, { actor: OFFSITE, reason: wanted.why }, now);
    await tables.addTransfer(row);
    return begin(tables, row, now);
  }
  return null;
}

/** It is away, and somebody waits for it: people are told to bring it. */
async function ask(tables: OffsiteTables, repository: OffsiteRepositoryRow, now: Date): Promise<void> {
  if (repository.state !== 'here' && repository.askedSince === null) await tables.saveRepository({ ...repository, askedSince: now });
}

async function begin(tables: OffsiteTables, row: OffsiteTransferRow, now: Date): Promise<TransferInput> {
  const begun: OffsiteTransferRow = { ...row, state: 'running', startedAt: now, waitsFor: null };
  await tables.saveTransfer(begun);
  if (row.kind === 'copy') {
    const copies = await tables.copies({ offsite: row.offsite, recoveryPointIds: row.points });
    for (const id of row.points) {
      const known = copies.find(({ recoveryPointId }) => recoveryPointId === id) ?? null;
      if (known?.state !== 'copied') await tables.saveCopy(copyBegun(known, id, row.offsite));
    }
  }
  tables.audit({ actor: row.requestedBy, action: `offsite.${row.kind}-started`, serverId: row.serverId, details: transferDetails(row) });
  return inputOf(tables, begun);
}

export async function inputOf(tables: Pick<OffsiteTables, 'points'>, row: OffsiteTransferRow): Promise<TransferInput> {
  const points = new Map((await tables.points(row.points)).map((point) => [point.id, point]));
  return transferInput(row, (id) => points.get(id));
}

type Due = WantedTransfer & { readonly why: string };
type Protected = readonly { readonly server: ServerRecord; readonly policy: Policy }[];

/** Of all servers the newest recovery point that is missing there. */
async function dueCopy(tables: OffsiteTables, name: string, servers: Protected, now: Date): Promise<Due | null> {
  let best: { readonly next: NextCopy; readonly due: Due } | null = null;
  for (const { server, policy } of servers) {
    const { offsite, timeZone } = policy;
    if (offsite === null || offsite.repository !== name) continue;
    const next = nextCopy(await pointsIn(tables, server.id, name), { offsite, timeZone, now });
    if (next === null || (best !== null && best.next.pointInTime >= next.pointInTime)) continue;
    const { recoveryPointId, chain } = next;
    const due = {
      kind: 'copy',
      offsite: name,
      serverId: server.id,
      recoveryPointId,
      points: chain,
      hypervisor: server.hypervisor,
      why: `policy ${policy.name}`,
    } as const;
    best = { next, due };
  }
  return best?.due ?? null;
}

export async function pointsIn(tables: OffsiteTables, serverId: string, offsite: string, uses?: ReadonlyMap<string, string>): Promise<readonly OffsitePoint[]> {
  const rows = await tables.pointsOf(serverId);
  return offsitePoints(rows, await tables.copies({ offsite, recoveryPointIds: rows.map(({ id }) => id) }), offsite, uses);
}

async function dueForget(tables: OffsiteTables, name: string, now: Date): Promise<Due | null> {
  if ((await goingFrom(tables, name, now)).length === 0) return null;
  // What has happened since they expired counts: others may have been found damaged, or not have arrived.
  await retireCopies(tables);
  const going = await goingFrom(tables, name, now);
  const hypervisor = await hypervisorOf(tables, going);
  if (hypervisor === null) return null;
  const points = going.map(({ recoveryPointId }) => recoveryPointId);
  return { kind: 'forget', offsite: name, serverId: null, recoveryPointId: null, points, hypervisor, why: 'no rule keeps them' };
}

/** Copies whose time is over. */
async function goingFrom(tables: OffsiteTables, name: string, now: Date): Promise<readonly OffsiteCopyRow[]> {
  return (await tables.copies({ offsite: name })).filter(
    ({ state, removedAt, deletedAt, nextAttemptAt, problem }) =>
      state === 'deleted' &&
      removedAt === null &&
      deletedAt !== null &&
      now.getTime() - deletedAt.getTime() >= DELETED_KEPT_MS &&
      !(nextAttemptAt !== null && nextAttemptAt > now) &&
      !refused(problem?.code ?? ''),
  );
}

async function dueCheck(tables: OffsiteTables, name: string, servers: Protected, now: Date): Promise<Due | null> {
  const everyDays = Math.min(
    ...servers.flatMap(({ policy }) => (policy.offsite?.repository === name && policy.verification !== null ? [policy.verification.everyDays] : [])),
  );
  if (!Number.isFinite(everyDays)) return null;
  const hypervisor = await hypervisorOf(
    tables,
    (await tables.copies({ offsite: name })).filter(({ state }) => state === 'copied'),
  );
  if (hypervisor === null) return null;
  const { last, carriedOut } = await tables.checks(name);
  const before = last === null || last.finishedAt === null ? null : { finishedAt: last.finishedAt, wasCarriedOut: wasCarriedOut(last) };
  if (!isCheckDue(before, now)) return null;
  const check = { readBefore: carriedOut, everyDays };
  return { kind: 'check', offsite: name, serverId: null, recoveryPointId: null, points: [], hypervisor, check, why: `all of it is read in ${everyDays} days` };
}

/** It has said something about bytes. */
export const wasCarriedOut = ({ state, error }: Pick<OffsiteTransferRow, 'state' | 'error'>): boolean =>
  state === 'succeeded' || (state === 'failed' && error?.code === 'RECOVERY_POINT_CORRUPT');

/** Any worker can do it: one that serves a server whose copies lie there. */
async function hypervisorOf(tables: OffsiteTables, copies: readonly OffsiteCopyRow[]): Promise<string | null> {
  const id = copies[0]?.recoveryPointId;
  if (id === undefined) return null;
  const [point] = await tables.points([id]);
  return point === undefined ? null : (await tables.server(point.serverId)).hypervisor;
}

export async function recordCopied(tables: OffsiteTables, transferId: string, recoveryPointId: string, made: MadeCopy): Promise<void> {
  const transfer = await requireTransfer(tables, transferId);
  const [known] = await tables.copies({ offsite: transfer.offsite, recoveryPointIds: [recoveryPointId] });
  if (transfer.finishedAt !== null || known === undefined || known.state === 'copied') return;
  await tables.saveCopy(copyMade(known, made));
  const [point] = await tables.points([recoveryPointId]);
  const { sizeBytes } = made;
  tables.audit({
    actor: transfer.requestedBy,
    action: 'recovery-point.copied',
    serverId: point?.serverId ?? null,
    details: { recoveryPointId, offsite: transfer.offsite, transferId, sizeBytes },
  });
}

export async function adoptCopy(tables: OffsiteTables, actor: Actor, offsite: string, recoveryPointId: string, found: MadeCopy): Promise<boolean> {
  await requireOffsite(tables, offsite);
  const [point] = await tables.points([recoveryPointId]);
  if (point === undefined) throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no recovery point ${recoveryPointId} in the catalogue.`);
  const [known] = await tables.copies({ offsite, recoveryPointIds: [recoveryPointId] });
  // One that was begun is proven by its transfer, which reads what lies here, too; a rebuild has made those that were under way wait.
  if (known !== undefined && (known.state !== 'waiting' || known.problem !== null)) return false;
  await tables.saveCopy(copyMade(known ?? newCopy(recoveryPointId, offsite), found));
  const { copiedAt, sizeBytes } = found;
  tables.audit({ actor, action: 'offsite.copy-adopted', serverId: point.serverId, details: { recoveryPointId, offsite, copiedAt, sizeBytes } });
  return true;
}

export async function recordFetched(tables: OffsiteTables, transferId: string, recoveryPointId: string, fetched: FetchedPoint): Promise<void> {
  const transfer = await requireTransfer(tables, transferId);
  const [point] = await tables.points([recoveryPointId]);
  if (transfer.finishedAt !== null || point === undefined) return;
  // Rules have let it go before: without somebody's word they would again, at once.
  const isKept = point.heldAt !== null || (point.state !== 'expired' && point.state !== 'deleted');
  const hold = isKept ? null : { reason: storableText(`fetched from ${transfer.offsite}: ${transfer.reason}`), by: transfer.requestedBy };
  await tables.setFetched(point, fetched, hold, await tables.now());
  tables.audit({
    actor: transfer.requestedBy,
    action: 'recovery-point.fetched',
    serverId: point.serverId,
    details: { recoveryPointId, offsite: transfer.offsite, transferId, was: point.state },
  });
}

export async function recordCopyDamaged(
  tables: OffsiteTables,
  transferId: string,
  recoveryPointId: string,
  why: { readonly code: string; readonly message: string },
): Promise<void> {
  const { offsite, finishedAt } = await requireTransfer(tables, transferId);
  const [known] = await tables.copies({ offsite, recoveryPointIds: [recoveryPointId] });
  if (finishedAt !== null || known?.state !== 'copied') return;
  await tables.saveCopy(copyDamaged(known, why));
  const [point] = await tables.points([recoveryPointId]);
  const message = storableText(why.message);
  tables.audit({
    actor: OFFSITE,
    action: 'offsite.copy-damaged',
    serverId: point?.serverId ?? null,
    details: { recoveryPointId, offsite, code: why.code, message },
  });
}

export async function finishTransfer(tables: OffsiteTables, id: string, outcome: TransferOutcome): Promise<void> {
  const row = await requireTransfer(tables, id);
  if (row.finishedAt !== null) return;
  const now = await tables.now();
  await tables.saveTransfer(await ended(tables, row, outcome));
  const { error, state } = outcome;
  if (error !== null && (error.code === 'OFFSITE_OFFLINE' || error.code === 'OFFSITE_UNREACHABLE')) await recordLook(tables, row.offsite, error, now);
  const copies = await tables.copies({ offsite: row.offsite, ...(row.kind === 'check' ? {} : { recoveryPointIds: row.points }) });
  for (const copy of copies) {
    const changed = copyAfter(row.kind, copy, outcome, now);
    if (changed !== null) await tables.saveCopy(changed);
  }
  const why = error === null ? {} : { code: error.code, message: storableText(error.message) };
  tables.audit({ actor: row.requestedBy, action: `offsite.${row.kind}-${state}`, serverId: row.serverId, details: { ...transferDetails(row), ...why } });
}

/** What the end of a transfer says of one copy; null: nothing. */
function copyAfter(kind: TransferKind, copy: OffsiteCopyRow, { state, error }: TransferOutcome, now: Date): OffsiteCopyRow | null {
  if (kind === 'copy' && copy.state === 'copying') {
    const stopped = copyStopped(copy, error, now);
    return state === 'cancelled' ? { ...stopped, nextAttemptAt: new Date(now.getTime() + STOPPED_FOR_MS) } : stopped;
  }
  if (kind === 'check' && state === 'succeeded' && copy.state === 'copied') return { ...copy, verifiedAt: now };
  if (kind !== 'forget' || copy.state !== 'deleted') return null;
  if (state === 'succeeded') return { ...copy, removedAt: now, nextAttemptAt: null, problem: null };
  // Its receipt may be gone already: it is not given back as whole any more (`retireCopies`).
  const attempts = copy.attempts + 1;
  if (state === 'cancelled' || error === null) return { ...copy, attempts };
  const problem = { code: error.code, message: storableText(error.message) };
  return { ...copy, attempts, nextAttemptAt: new Date(now.getTime() + pauseBeforeCopy(attempts)), problem };
}

export async function recordLook(tables: OffsiteTables, name: string, problem: ErrorSummary | null, now: Date): Promise<void> {
  const row = (await tables.repositories()).find((one) => one.name === name);
  if (row !== undefined) await tables.saveRepository({ ...row, ...looked(row, problem, now) });
}

/** As `Catalog.retireCopies` says. */
export async function retireCopies(tables: OffsiteTables): Promise<{ readonly expired: number; readonly returned: number }> {
  const now = await tables.now();
  const open = await tables.openTransfers();
  const going = new Set(open.filter(({ kind }) => kind === 'forget').flatMap(({ offsite, points }) => points.map((id) => `${offsite} ${id}`)));
  const done = { expired: 0, returned: 0 };
  for (const { server, policy } of await tables.protectedServers()) {
    const { offsite, timeZone } = policy;
    if (offsite === null) continue;
    const name = offsite.repository;
    const rows = await tables.pointsOf(server.id);
    const copies = await tables.copies({ offsite: name, recoveryPointIds: rows.map(({ id }) => id) });
    // What has only expired is judged again: a rule may have changed. What was begun to be removed is not: where it is wanted, it is copied again.
    const judged = copies.map((copy) => (isWholeStill(copy) ? { ...copy, state: 'copied' as const } : copy));
    const outdated = new Set(outdatedCopies(offsitePoints(rows, judged, name, transferUses(open)), { offsite, timeZone, now }));
    for (const copy of copies) {
      const id = copy.recoveryPointId;
      if (copy.state === 'copied' && outdated.has(id)) {
        await tables.saveCopy({ ...copy, state: 'deleted', deletedAt: now, attempts: 0, nextAttemptAt: null });
        done.expired += 1;
      } else if (isWholeStill(copy) && !outdated.has(id) && !going.has(`${name} ${id}`)) {
        await tables.saveCopy({ ...copy, state: 'copied', deletedAt: null, attempts: 0, nextAttemptAt: null, problem: null });
        done.returned += 1;
      } else continue;
      const action = copy.state === 'copied' ? 'offsite.copy-expired' : 'offsite.copy-returned';
      tables.audit({ actor: OFFSITE, action, serverId: server.id, details: { recoveryPointId: id, offsite: name, policy: policy.name } });
    }
  }
  return done;
}

/** No rule keeps it, and nobody has begun to remove it. */
const isWholeStill = ({ state, removedAt, attempts }: OffsiteCopyRow): boolean => state === 'deleted' && removedAt === null && attempts === 0;

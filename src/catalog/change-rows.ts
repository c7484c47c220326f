import { isDeepStrictEqual } from 'node:util';
import { storableText } from '../audit/storable';
import type { ChangeImage, ChangeView, GenerationChanges } from '../contracts/change';
import { ModosuError } from '../contracts/errors';
import type { Policy } from '../contracts/policy';
import type { RunKind } from '../contracts/run';
import { quoted } from '../contracts/text';
import { holds, type RegisteredChange } from '../domain/changes/contained';
import { imagesAfterChange } from '../domain/schedules/due';
import type { OpenChangeRequest, ServerRecord } from './catalog';
import type { ChangesToImage } from './due-backup-row';
import type { AppliedChangeRow, ConfigurationChangeRow } from './entities';

/** Configuration changes between the port and their rows. Pure. */

export const newChange = (id: string, request: OpenChangeRequest, server: Pick<ServerRecord, 'lineageId'>, now: Date): ConfigurationChangeRow => ({
  id,
  serverId: request.serverId,
  title: storableText(request.title, 500),
  ticket: request.ticket === null ? null : storableText(request.ticket, 256),
  author: storableText(request.author ?? request.actor, 256),
  applyAgain: request.applyAgain,
  externalId: request.externalId,
  state: 'open',
  openedAt: now,
  openedBy: storableText(request.actor, 256),
  openedOn: server.lineageId,
  completedAt: null,
  completedBy: null,
  cancelledAt: null,
  cancelledBy: null,
  cancelReason: null,
});

/** The tool that has named a change says it again: the same is the same, another thing under its name is refused. Throws `CHANGE_EXISTS`. */
export function requireSameChange(known: ConfigurationChangeRow, asked: ConfigurationChangeRow): void {
  const said = ({ title, ticket, applyAgain }: ConfigurationChangeRow) => ({ title, ticket, applyAgain });
  if (isDeepStrictEqual(said(known), said(asked))) return;
  throw new ModosuError('CHANGE_EXISTS', `Change ${known.id} has the external id ${quoted(known.externalId)} already, and says otherwise.`, {
    context: { changeId: known.id, state: known.state },
  });
}

/** `already`: it is complete, and stays as it is. Throws `CHANGE_CLOSED`. */
export function requireCompletable(row: ConfigurationChangeRow): 'open' | 'already' {
  if (row.state === 'cancelled') throw closed(row);
  return row.state === 'completed' ? 'already' : 'open';
}

/** The same for one that is to be cancelled. */
export function requireCancellable(row: ConfigurationChangeRow): 'open' | 'already' {
  if (row.state === 'completed') throw closed(row);
  return row.state === 'cancelled' ? 'already' : 'open';
}

/** Which of two states of the disks it was made on, nobody could say. Throws `SERVER_GOES_BACK`. */
export function requireNoJourney(server: ServerRecord, holder: { readonly runId: string; readonly kind: RunKind } | null): void {
  if (holder === null || (holder.kind !== 'restore-server' && holder.kind !== 'undo')) return;
  throw new ModosuError(
    'SERVER_GOES_BACK',
    `Server "${server.name}" is being taken back in time by run ${holder.runId}: whether the change is still there is not known.`,
    {
      context: { runId: holder.runId, server: server.name },
    },
  );
}

/**
 * It was begun on disks that the server has left since: what was done of it then is not on those that it has now, and nobody could say how much of it is.
 *
 * @param isKnownLine whether it is known how the server came to the disks that it has now
 * @param madeAgain whether somebody says that it was made from the beginning on these
 * @throws CHANGE_INTERRUPTED
 */
export function requireUninterrupted(
  { id, openedOn }: ConfigurationChangeRow,
  server: Pick<ServerRecord, 'name' | 'lineageId'>,
  isKnownLine: boolean,
  madeAgain: boolean,
): void {
  if (madeAgain || !isKnownLine || openedOn === server.lineageId) return;
  throw new ModosuError(
    'CHANGE_INTERRUPTED',
    `Change ${id} was begun on other disks than server "${server.name}" has now: the server has gone back in time meanwhile, and what had been done of the change is not there, or only a part of it.`,
    {
      hint: `The change stays open. Make it again from the beginning, then \`modosu change complete ${id} --made-again\` (\`madeAgain\` in the API and in a message of a tool); or \`modosu change cancel ${id} --reason TEXT\`.`,
      context: { changeId: id, server: server.name },
    },
  );
}

const closed = ({ id, state, completedAt, cancelledAt }: ConfigurationChangeRow): ModosuError =>
  new ModosuError('CHANGE_CLOSED', `Change ${id} has been ${state} since ${(completedAt ?? cancelledAt)?.toISOString() ?? 'some time'}.`, {
    context: { changeId: id, state },
  });

export const changeNotFound = (id: string): ModosuError =>
  new ModosuError('CHANGE_NOT_FOUND', `There is no configuration change ${quoted(id)}.`, { context: { changeId: id } });

const MINUTE_MS = 60_000;

/** Where it is complete now, and until when others may join its image. */
export const appliedRow = (
  changeId: string,
  server: Pick<ServerRecord, 'lineageId' | 'policy'>,
  policies: readonly Policy[],
  { by, runId, at }: { readonly by: string; readonly runId: string | null; readonly at: Date },
): AppliedChangeRow => {
  const minutes = policies.find(({ name }) => name === server.policy)?.image?.coalesceChangesMinutes ?? 0;
  return {
    changeId,
    lineageId: server.lineageId,
    appliedAt: at,
    appliedBy: storableText(by, 256),
    runId,
    imageNotBefore: new Date(at.getTime() + minutes * MINUTE_MS),
    recoveryPointId: null,
    generation: null,
  };
};

export const registeredChange = (row: ConfigurationChangeRow, applied: readonly AppliedChangeRow[]): RegisteredChange => ({
  id: row.id,
  title: row.title,
  ticket: row.ticket,
  state: row.state,
  openedAt: row.openedAt,
  openedOn: row.openedOn,
  applied: applied.filter(({ changeId }) => changeId === row.id).map(({ lineageId, appliedAt }) => ({ lineageId, at: appliedAt })),
});

/**
 * @param now what its server holds now
 * @param isImageSpent whether the image that was asked for because of the changes of its server was not taken, so that none is asked for any more
 */
export function changeView(
  row: ConfigurationChangeRow,
  applied: readonly AppliedChangeRow[],
  server: Pick<ServerRecord, 'name' | 'policy' | 'decommissioned'>,
  policies: readonly Policy[],
  now: GenerationChanges,
  isImageSpent: boolean,
): ChangeView {
  const [first] = applied
    .filter(({ changeId, generation }) => changeId === row.id && generation !== null)
    .sort((a, b) => (a.generation ?? 0) - (b.generation ?? 0));
  const inServer = holds(now, row.id);
  const policy = policies.find(({ name }) => name === server.policy) ?? null;
  const imageComes = (): ChangeImage | null => {
    if (first !== undefined || server.decommissioned !== null) return null;
    if (row.state !== 'open' && !(row.state === 'completed' && inServer === 'yes')) return null;
    if (!imagesAfterChange(policy)) return 'with-schedule';
    return row.state === 'completed' && isImageSpent ? null : 'by-itself';
  };
  return {
    id: row.id,
    serverId: row.serverId,
    serverName: server.name,
    title: row.title,
    ticket: row.ticket,
    author: row.author,
    applyAgain: row.applyAgain,
    externalId: row.externalId,
    state: row.state,
    openedAt: row.openedAt.toISOString(),
    openedBy: row.openedBy,
    completedAt: row.completedAt?.toISOString() ?? null,
    completedBy: row.completedBy,
    cancelledAt: row.cancelledAt?.toISOString() ?? null,
    cancelledBy: row.cancelledBy,
    cancelReason: row.cancelReason,
    generation: first?.generation ?? null,
    recoveryPointId: first?.recoveryPointId ?? null,
    inServer,
    imageComes: imageComes(),
  };
}

/** Of changes that are complete on the line their server has, and in no image: what an image is due for. Null: there are none. */
export function toImage(uncontained: readonly (Pick<AppliedChangeRow, 'appliedAt' | 'imageNotBefore'> & { readonly title: string })[]): ChangesToImage | null {
  if (uncontained.length === 0) return null;
  const inOrder = [...uncontained].sort((a, b) => a.appliedAt.getTime() - b.appliedAt.getTime() || (a.title < b.title ? -1 : 1));
  return {
    at: new Date(Math.max(...inOrder.map(({ appliedAt }) => appliedAt.getTime()))),
    notBefore: new Date(Math.min(...inOrder.map(({ imageNotBefore }) => imageNotBefore.getTime()))),
    titles: inOrder.map(({ title }) => title),
  };
}

/** What the audit says of its completion. */
export const completedDetails = (
  row: ConfigurationChangeRow,
  server: Pick<ServerRecord, 'lineageId'>,
  madeAgain: boolean,
): Readonly<Record<string, unknown>> => ({
  ...changeDetails(row),
  lineageId: server.lineageId,
  ...(madeAgain ? { madeAgain } : {}),
});

/** What the audit says about one. */
export const changeDetails = ({ id, title, ticket, author, externalId }: ConfigurationChangeRow): Readonly<Record<string, unknown>> => ({
  changeId: id,
  title,
  ticket,
  author,
  externalId,
});

import type { EntityManager } from 'typeorm';
import type { CatalogCopyPlace, CatalogCopyState } from '../contracts/catalog-copy';
import { ModosuError } from '../contracts/errors';
import { hypervisorNotConfigured, repositoryNotConfigured } from '../contracts/not-declared';
import { NO_PROTECTION } from '../contracts/protection';
import type { AdoptedServer, Catalog, ServerRecord } from './catalog';
import type { Database } from './database';
import { CatalogCopyEntity, HypervisorEntity, LineageEntity, OffsiteRepositoryEntity, RepositoryEntity, ServerEntity, type CatalogCopyRow } from './entities';
import type { SharedNow } from './shared-now';

type CatalogCopyMethods = Pick<Catalog, 'takeCatalogCopyTurn' | 'recordCatalogCopy' | 'catalogCopies' | 'adoptServer'>;

/** A copy is made this often although nothing has happened: whoever looks at its date sees that the work goes on. */
export const COPY_AT_LEAST_EVERY_MS = 86_400_000;
/** All that its images say of a server; the rest is as in an estate that says nothing of it, until one is applied. */
export const adoptedServer = ({ name, ...identity }: AdoptedServer): ServerRecord => ({
  ...identity,
  name,
  domainName: name,
  policy: null,
  stopTimeoutSeconds: 120,
  agentTimeoutSeconds: 300,
  protection: NO_PROTECTION,
  decommissioned: null,
});

/** Whether the newest copy lacks something, or is old, and the last attempt was a while ago. `seq` is the newest entry of the audit. */
export function isCopyDue(
  row: CatalogCopyRow | undefined,
  { at, everyMs, seq }: { readonly at: Date; readonly everyMs: number; readonly seq: number },
): boolean {
  if (row === undefined) return true;
  // A time of trial that lies ahead was written by a clock that was wrong.
  if (Math.abs(at.getTime() - row.triedAt.getTime()) < everyMs) return false;
  const isOld = row.copiedAt === null || Math.abs(at.getTime() - row.copiedAt.getTime()) >= COPY_AT_LEAST_EVERY_MS;
  return isOld || row.problem !== null || (row.auditSeq ?? 0) < seq;
}

const isSame = (a: CatalogCopyPlace, b: CatalogCopyPlace): boolean => a.kind === b.kind && a.name === b.name;

const rowsByPlace =
  (rows: readonly CatalogCopyRow[]) =>
  ({ kind, name }: CatalogCopyPlace): CatalogCopyRow | undefined =>
    rows.find((row) => row.kind === kind && row.repository === name);

async function declaredPlaces(manager: EntityManager): Promise<readonly CatalogCopyPlace[]> {
  const images = await manager.find(RepositoryEntity, { order: { name: 'ASC' } });
  const offsites = await manager.find(OffsiteRepositoryEntity, { order: { name: 'ASC' } });
  return [...images.map(({ name }) => ({ kind: 'image' as const, name })), ...offsites.map(({ name }) => ({ kind: 'offsite' as const, name }))];
}

const HEAD = `SELECT coalesce(max(seq), 0)::float8 AS seq FROM audit_entry`;
const BEHIND_SINCE = `SELECT at FROM audit_entry WHERE seq > $1 ORDER BY seq LIMIT 1`;

/** How far the copies of the catalogue are, and what comes back of it without one. */
export function catalogCopyStore(database: Database, now: () => Date, sharedNow: SharedNow): CatalogCopyMethods {
  return {
    takeCatalogCopyTurn: (everyMs, reachable) =>
      database.transaction(async ({ manager }) => {
        const at = await sharedNow(manager);
        const [{ seq }] = (await manager.query(HEAD)) as [{ readonly seq: number }];
        // Whoever asks at the same time sees what the first one has taken.
        await manager.query('LOCK TABLE catalog_copy IN SHARE ROW EXCLUSIVE MODE');
        const row = rowsByPlace(await manager.find(CatalogCopyEntity));
        const due = (await declaredPlaces(manager)).find((place) => reachable.some((one) => isSame(one, place)) && isCopyDue(row(place), { at, everyMs, seq }));
        if (due === undefined) return null;
        await manager.upsert(CatalogCopyEntity, { kind: due.kind, repository: due.name, triedAt: at }, ['kind', 'repository']);
        return due;
      }),

    recordCatalogCopy: ({ kind, name }, outcome) =>
      database.transaction(async ({ manager }) => {
        const changes = 'problem' in outcome ? { problem: outcome.problem } : { ...outcome, problem: null };
        await manager.update(CatalogCopyEntity, { kind, repository: name }, changes);
      }),

    catalogCopies: () =>
      database.read(async (manager) => {
        const rowOf = rowsByPlace(await manager.find(CatalogCopyEntity));
        const states: CatalogCopyState[] = [];
        for (const place of await declaredPlaces(manager)) {
          const row = rowOf(place);
          const [behind] = (await manager.query(BEHIND_SINCE, [row?.auditSeq ?? 0])) as readonly { readonly at: Date | null }[];
          states.push({
            ...place,
            copiedAt: row?.copiedAt?.toISOString() ?? null,
            auditSeq: row?.auditSeq ?? null,
            behindSince: behind?.at?.toISOString() ?? null,
            problem: row?.problem == null ? null : { ...row.problem, at: row.triedAt.toISOString() },
          });
        }
        return states;
      }),

    adoptServer: (actor, server) =>
      database.transaction(async ({ manager, audit }) => {
        const { id, name, uuid, hypervisor, repository, lineageId } = server;
        const newLine = async (): Promise<void> => {
          await manager
            .createQueryBuilder()
            .insert()
            .into(LineageEntity)
            .values({ id: lineageId, serverId: id, runId: null, startedAt: now() })
            .orIgnore()
            .execute();
        };
        const known = await manager.findOne(ServerEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
        if (known !== null) {
          if (known.lineageId === lineageId) return 'known';
          await newLine();
          await manager.update(ServerEntity, { id }, { lineageId });
          audit({ actor, action: 'server.adopted', serverId: id, details: { name: known.name, lineageId, lineageBefore: known.lineageId } });
          return 'known';
        }
        if (!(await manager.existsBy(HypervisorEntity, { name: hypervisor }))) throw hypervisorNotConfigured(hypervisor);
        if (!(await manager.existsBy(RepositoryEntity, { name: repository }))) throw repositoryNotConfigured(repository);
        const [other] = await manager.find(ServerEntity, { where: [{ name }, { hypervisor, uuid }] });
        if (other !== undefined) throw adoptionConflict(server, other);
        const { decommissioned: _inService, ...columns } = adoptedServer(server);
        await manager.insert(ServerEntity, { ...columns, policySince: null, createdAt: now() });
        await newLine();
        audit({ actor, action: 'server.adopted', serverId: id, details: { name, uuid, hypervisor, repository, lineageId } });
        return 'added';
      }),
  };
}

export const adoptionConflict = (
  { id, name, uuid }: { readonly id: string; readonly name: string; readonly uuid: string },
  other: { readonly id: string; readonly name: string },
): ModosuError =>
  new ModosuError(
    'ESTATE_CONFLICT',
    `Recovery points of server "${name}" (${id}, UUID ${uuid}) were found, but its name or its UUID is that of server "${other.name}" (${other.id}).`,
    {
      hint: 'They belong to a server that was removed and declared anew. Their files stay where they are.',
      context: { serverId: id, otherServerId: other.id },
    },
  );

import { In, type EntityManager } from 'typeorm';
import { storableObject } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { nightOccasion, type Judgement, type JudgementFacts, type JudgementView, type StoredState } from '../contracts/judgement';
import type { Finding, FindingSeverity } from '../contracts/plan';
import type { SideReadings } from '../contracts/reading';
import { SKEW_MS } from '../domain/clock-skew';
import { isInTheWay, lastNight } from '../domain/relations/comeback';
import { isJudged } from '../domain/relations/judge-estate';
import type { ServerRecord } from './catalog';
import type { JudgementCatalog } from './port/judgements';
import type { Database } from './database';
import { requireInService } from '../domain/retention/decommissioning';
import { MarkerReadingEntity, NightlyJudgementEntity, RecoveryPointMarkersEntity, type NightlyJudgementRow } from './entities';
import { readRelations, requireServer } from './inventory-store';
import { sideReadings } from './marker-store';
import { noRecoveryPoint } from './recovery-point-store';
import type { SharedNow } from './shared-now';

export function judgementStore(database: Database, sharedNow: SharedNow): JudgementCatalog {
  return {
    askForNightly: async (hourUtc) => {
      // Asked twice a minute by each worker, mostly in vain: first without a transaction.
      const due = await database.read(async (manager) => dueByNight(manager, await sharedNow(manager), hourUtc));
      if (due.length > 0) await database.transaction(async ({ manager }) => ask(manager, due, await sharedNow(manager), 'night'));
      return database.read(async (manager) => (await askedServers(manager)).length);
    },

    askForJudgement: ({ actor, serverId }) =>
      database.transaction(async ({ manager, audit }) => {
        const now = await sharedNow(manager);
        const judged = await judgedServers(manager);
        const asked = serverId === null ? judged : [await requireJudged(manager, serverId, judged)];
        await ask(
          manager,
          asked.map(({ id }) => id),
          now,
          'person',
        );
        audit({ actor, action: 'judgement.requested', serverId, details: { servers: asked.map(({ name }) => name) } });
        return views(manager, asked);
      }),

    dueJudgements: (atMost) =>
      database.read(async (manager) => {
        const begunAt = await sharedNow(manager);
        const asked = await askedServers(manager);
        return { begunAt: begunAt.toISOString(), serverIds: asked.slice(0, atMost), areMore: asked.length > atMost };
      }),

    storedStates: (serverIds) => database.read((manager) => storedStates(manager, serverIds)),

    recordJudgements: (begunAt, judged) =>
      database.transaction(async ({ manager }) => {
        const now = await sharedNow(manager);
        const last = [...new Map(judged.map(({ serverId, judgement }) => [serverId, judgement])).entries()].sort(([one], [other]) => (one < other ? -1 : 1));
        const found = last.flatMap(([serverId, judgement]) => (judgement === null ? [] : [{ serverId, ...judgement, findings: storedFindings(judgement) }]));
        await manager.query(RECORD, [
          found.map(({ serverId }) => serverId),
          found.map(({ recoveryPointId }) => recoveryPointId),
          found.map(({ worst }) => worst),
          found.map(({ findings }) => JSON.stringify(findings)),
          now,
        ]);
        await manager.query('UPDATE nightly_judgement SET asked_at = NULL WHERE server_id = ANY($1) AND asked_at <= $2', [
          last.map(([serverId]) => serverId),
          begunAt,
        ]);
      }),

    listJudgements: ({ serverId } = {}) =>
      database.read(async (manager) => {
        if (serverId !== undefined) await requireServer(manager, serverId);
        return views(
          manager,
          (await judgedServers(manager)).filter(({ id }) => serverId === undefined || id === serverId),
        );
      }),
  };
}

interface JudgedServerRow {
  readonly id: string;
  readonly name: string;
}

/** In service, with a usable image, and with relations that say anything of its going back (`isJudged`). */
const JUDGED = `server.decommissioned_at IS NULL
  AND server.name IN (SELECT relation.server FROM relation WHERE relation.profile IS NOT NULL OR relation.type <> 'depends-on'
    UNION SELECT peer->>'server' FROM relation CROSS JOIN jsonb_array_elements(relation.peers) AS peer WHERE relation.type <> 'depends-on')
  AND EXISTS (SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.kind = 'image' AND point.state = 'usable')`;

const judgedServers = async (manager: EntityManager): Promise<readonly JudgedServerRow[]> =>
  (await manager.query(`SELECT id, name FROM server WHERE ${JUDGED} ORDER BY name`)) as readonly JudgedServerRow[];

/** A judgement from a time to come was made by a clock that was wrong: it is made again. */
async function dueByNight(manager: EntityManager, now: Date, hourUtc: number): Promise<readonly string[]> {
  const rows = (await manager.query(
    `SELECT server.id FROM server LEFT JOIN nightly_judgement AS judged ON judged.server_id = server.id
    WHERE ${JUDGED} AND judged.asked_at IS NULL AND CASE WHEN judged.judged_at IS NULL
      THEN EXISTS (SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.kind = 'image' AND point.state = 'usable' AND point.published_at <= $1)
      ELSE judged.judged_at < $1 OR judged.judged_at > $2 END ORDER BY server.name`,
    [lastNight(now, hourUtc), new Date(now.getTime() + SKEW_MS)],
  )) as readonly { readonly id: string }[];
  return rows.map(({ id }) => id);
}

/** Somebody who asks wants a judgement that begins after that, also where one is asked for already; the night is content with that one. */
async function ask(manager: EntityManager, serverIds: readonly string[], now: Date, by: 'person' | 'night'): Promise<void> {
  await manager.query(
    `INSERT INTO nightly_judgement (server_id, asked_at) SELECT id, $2 FROM unnest($1::text[]) AS asked (id) ORDER BY id
    ON CONFLICT (server_id) DO UPDATE SET asked_at = excluded.asked_at${by === 'night' ? ' WHERE nightly_judgement.asked_at IS NULL' : ''}`,
    [serverIds, now],
  );
}

async function askedServers(manager: EntityManager): Promise<readonly string[]> {
  const rows = (await manager.query(
    `SELECT server.id FROM nightly_judgement AS judged JOIN server ON server.id = judged.server_id
    WHERE judged.asked_at IS NOT NULL AND ${JUDGED} ORDER BY judged.asked_at, server.name`,
  )) as readonly { readonly id: string }[];
  return rows.map(({ id }) => id);
}

async function requireJudged(manager: EntityManager, serverId: string, judged: readonly JudgedServerRow[]): Promise<JudgedServerRow> {
  const found = judged.find(({ id }) => id === serverId);
  if (found !== undefined) return found;
  const server = await requireServer(manager, serverId);
  throw whyNotJudged(server, isJudged(await readRelations(manager), server.name));
}

/** Why nothing can be said of whether this server would come back. */
export function whyNotJudged(server: ServerRecord, hasRelations: boolean): ModosuError {
  requireInService(server);
  if (hasRelations) return noRecoveryPoint(server);
  return new ModosuError(
    'NOTHING_TO_JUDGE',
    `Server "${server.name}" is in no relation that says whether others would accept it: there is nothing to judge it by.`,
    {
      context: { serverId: server.id, server: server.name },
    },
  );
}

async function views(manager: EntityManager, servers: readonly JudgedServerRow[]): Promise<readonly JudgementView[]> {
  const rows = await manager.findBy(NightlyJudgementEntity, { serverId: In(servers.map(({ id }) => id)) });
  const byId = new Map(rows.map((row) => [row.serverId, row]));
  return servers.map(({ id, name }) => judgementView(id, name, byId.get(id)));
}

export function judgementView(serverId: string, serverName: string, row: NightlyJudgementRow | undefined): JudgementView {
  const { askedAt = null, recoveryPointId = null, judgedAt = null, worst = null, worstSince = null, findings = null } = row ?? {};
  const isJudged = judgedAt !== null && worst !== null && worstSince !== null && findings !== null;
  return {
    serverId,
    serverName,
    isAsked: askedAt !== null,
    judged: isJudged ? { recoveryPointId, worst, findings, judgedAt: judgedAt.toISOString(), since: worstSince.toISOString() } : null,
  };
}

/** A guest has a part in their texts. Evidence is for people: more than some lines nobody reads. */
export const storedFindings = ({ findings }: Judgement): readonly Finding[] =>
  findings.map((finding) => storableObject({ ...finding, evidence: finding.evidence.slice(0, MOST_EVIDENCE) }) as unknown as Finding);

const MOST_EVIDENCE = 40;

/** Since when it is as severe as this is kept from night to night. */
const RECORD = `INSERT INTO nightly_judgement AS known (server_id, recovery_point_id, judged_at, worst, worst_since, findings)
  SELECT id, point, $5::timestamptz, worst, $5::timestamptz, findings::jsonb FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS judged (id, point, worst, findings)
  ON CONFLICT (server_id) DO UPDATE SET recovery_point_id = excluded.recovery_point_id, judged_at = excluded.judged_at, worst = excluded.worst,
  worst_since = CASE WHEN known.worst = excluded.worst THEN known.worst_since ELSE excluded.worst_since END, findings = excluded.findings`;

async function storedStates(manager: EntityManager, serverIds: readonly string[]): Promise<readonly StoredState[]> {
  const images = (await manager.query(
    `SELECT DISTINCT ON (server_id) server_id AS "serverId", id, point_in_time AS "pointInTime" FROM recovery_point
    WHERE server_id = ANY($1) AND kind = 'image' AND state = 'usable' ORDER BY server_id, point_in_time DESC, generation DESC`,
    [serverIds],
  )) as readonly { readonly serverId: string; readonly id: string; readonly pointInTime: Date }[];
  const captured = new Map(
    (await manager.findBy(RecoveryPointMarkersEntity, { recoveryPointId: In(images.map(({ id }) => id)) })).map((row) => [row.recoveryPointId, row.markers]),
  );
  const present = new Map<string, SideReadings[]>();
  for (const row of await manager.findBy(MarkerReadingEntity, { occasion: In(images.map(({ serverId }) => nightOccasion(serverId))) })) {
    present.set(row.occasion, [...(present.get(row.occasion) ?? []), sideReadings(row)]);
  }
  return images.map(({ serverId, id, pointInTime }) => ({
    serverId,
    recoveryPointId: id,
    pointInTime: pointInTime.toISOString(),
    captured: captured.get(id) ?? [],
    present: present.get(nightOccasion(serverId)) ?? [],
  }));
}

/** What of all judgements protection is judged by: without evidence, and only what is in the way. */
export async function readJudgementFacts(manager: EntityManager): Promise<readonly JudgementFacts[]> {
  const rows = (await manager.query(
    `SELECT server.id AS "serverId", judged.asked_at AS "askedAt", judged.recovery_point_id AS "recoveryPointId", judged.judged_at AS "judgedAt", judged.worst,
      judged.worst_since AS since, (
        SELECT coalesce(jsonb_agg(finding - 'evidence'), '[]') FROM jsonb_array_elements(judged.findings) AS finding
        WHERE finding->>'severity' NOT IN ('ok', 'warn')
      ) AS findings
    FROM server LEFT JOIN nightly_judgement AS judged ON judged.server_id = server.id WHERE ${JUDGED} ORDER BY server.id`,
  )) as readonly FactsRow[];
  return rows.map(({ serverId, askedAt, recoveryPointId, judgedAt, worst, since, findings }) => ({
    serverId,
    askedAt: askedAt?.toISOString() ?? null,
    judged:
      judgedAt === null || worst === null || since === null
        ? null
        : { recoveryPointId, worst, judgedAt: judgedAt.toISOString(), since: since.toISOString(), findings: findings.filter(isInTheWay) },
  }));
}

interface FactsRow {
  readonly serverId: string;
  readonly askedAt: Date | null;
  readonly recoveryPointId: string | null;
  readonly judgedAt: Date | null;
  readonly worst: FindingSeverity | null;
  readonly since: Date | null;
  readonly findings: NonNullable<JudgementFacts['judged']>['findings'];
}

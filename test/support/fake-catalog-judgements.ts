import type { AuditEvent } from '../../src/audit/append-audit';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { NightlyJudgementRow, RecoveryPointRow } from '../../src/catalog/entities';
import { judgementView, storedFindings, whyNotJudged } from '../../src/catalog/judgement-store';
import { nightOccasion, type JudgementFacts } from '../../src/contracts/judgement';
import type { Relation } from '../../src/contracts/relation';
import { isAhead } from '../../src/domain/clock-skew';
import { isJudged } from '../../src/domain/relations/judge-estate';
import { isInTheWay, lastNight } from '../../src/domain/relations/comeback';

interface World {
  readonly now: () => Date;
  readonly server: (serverId: string) => ServerRecord;
  /** By name. */
  readonly servers: () => readonly ServerRecord[];
  readonly relations: () => readonly Relation[];
  readonly points: (serverId: string) => readonly RecoveryPointRow[];
  readonly markersOf: Catalog['markersOf'];
  readonly readingsOf: Catalog['readingsOf'];
  readonly append: (event: AuditEvent) => void;
}

/** Judgements of newest images, in memory. */
export class FakeJudgements {
  private readonly rows = new Map<string, NightlyJudgementRow>();

  constructor(private readonly world: World) {}

  askForNightly: Catalog['askForNightly'] = async (hourUtc) => {
    const now = this.world.now();
    const night = lastNight(now, hourUtc);
    for (const { id } of this.judged()) {
      const { askedAt = null, judgedAt = null } = this.rows.get(id) ?? {};
      const isDue = judgedAt === null ? this.images(id).some(({ publishedAt }) => publishedAt <= night) : judgedAt < night || isAhead(judgedAt, now);
      if (askedAt === null && isDue) this.ask(id, now);
    }
    return this.asked().length;
  };

  askForJudgement: Catalog['askForJudgement'] = async ({ actor, serverId }) => {
    const asked = this.judged().filter(({ id }) => serverId === null || id === serverId);
    if (serverId !== null && asked.length === 0) {
      const server = this.world.server(serverId);
      throw whyNotJudged(server, this.isConcerned(server));
    }
    for (const { id } of asked) this.ask(id, this.world.now());
    this.world.append({ actor, action: 'judgement.requested', serverId, details: { servers: asked.map(({ name }) => name) } });
    return asked.map(({ id, name }) => judgementView(id, name, this.rows.get(id)));
  };

  due: Catalog['dueJudgements'] = async (atMost) => {
    const asked = this.asked();
    return { begunAt: this.world.now().toISOString(), serverIds: asked.slice(0, atMost), areMore: asked.length > atMost };
  };

  states: Catalog['storedStates'] = async (serverIds) =>
    Promise.all(
      serverIds.flatMap((serverId) => {
        const [newest] = this.images(serverId).toSorted(
          (a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (b.generation ?? 0) - (a.generation ?? 0),
        );
        return newest === undefined ? [] : [this.state(serverId, newest)];
      }),
    );

  record: Catalog['recordJudgements'] = async (begunAt, judged) => {
    for (const { serverId, judgement } of judged) {
      const known = this.rows.get(serverId) ?? NOTHING(serverId);
      const now = this.world.now();
      const worstSince = judgement !== null && known.worst === judgement.worst ? known.worstSince : now;
      const { recoveryPointId, worst } = judgement ?? {};
      this.rows.set(serverId, {
        ...known,
        ...(judgement === null ? {} : { recoveryPointId: recoveryPointId ?? null, worst, worstSince, judgedAt: now, findings: storedFindings(judgement) }),
        askedAt: known.askedAt !== null && known.askedAt.getTime() <= Date.parse(begunAt) ? null : known.askedAt,
      });
    }
  };

  list: Catalog['listJudgements'] = async ({ serverId } = {}) => {
    if (serverId !== undefined) this.world.server(serverId);
    return this.judged()
      .filter(({ id }) => serverId === undefined || id === serverId)
      .map(({ id, name }) => judgementView(id, name, this.rows.get(id)));
  };

  facts(): readonly JudgementFacts[] {
    return this.judged()
      .map(({ id, name }): JudgementFacts => {
        const { judged } = judgementView(id, name, this.rows.get(id));
        return {
          serverId: id,
          askedAt: this.rows.get(id)?.askedAt?.toISOString() ?? null,
          judged: judged === null ? null : { ...judged, findings: judged.findings.filter(isInTheWay).map(({ evidence: _, ...finding }) => finding) },
        };
      })
      .sort((a, b) => (a.serverId < b.serverId ? -1 : 1));
  }

  private async state(serverId: string, { id, pointInTime }: RecoveryPointRow) {
    const [captured, present] = await Promise.all([this.world.markersOf(id), this.world.readingsOf(nightOccasion(serverId))]);
    return { serverId, recoveryPointId: id, pointInTime: pointInTime.toISOString(), captured, present };
  }

  private judged(): readonly ServerRecord[] {
    return this.world.servers().filter((server) => server.decommissioned === null && this.isConcerned(server) && this.images(server.id).length > 0);
  }

  private isConcerned({ name }: ServerRecord): boolean {
    return isJudged(this.world.relations(), name);
  }

  private images(serverId: string): readonly RecoveryPointRow[] {
    return this.world.points(serverId).filter(({ kind, state }) => kind === 'image' && state === 'usable');
  }

  private ask(serverId: string, askedAt: Date): void {
    this.rows.set(serverId, { ...(this.rows.get(serverId) ?? NOTHING(serverId)), askedAt });
  }

  private asked(): readonly string[] {
    return this.judged()
      .map(({ id }) => ({ id, askedAt: this.rows.get(id)?.askedAt ?? null }))
      .flatMap(({ id, askedAt }) => (askedAt === null ? [] : [{ id, atMs: askedAt.getTime() }]))
      .toSorted((a, b) => a.atMs - b.atMs)
      .map(({ id }) => id);
  }
}

const NOTHING = (serverId: string): NightlyJudgementRow => ({
  serverId,
  askedAt: null,
  recoveryPointId: null,
  judgedAt: null,
  worst: null,
  worstSince: null,
  findings: null,
});

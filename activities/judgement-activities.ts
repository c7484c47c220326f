import type { JudgedCounts, JudgementActivities } from '../src/contracts/activities/relations';
import type { DueJudgements } from '../src/contracts/judgement';
import { cleanWords } from '../src/contracts/text';
import { judgeEstate, type JudgedServer } from '../src/domain/relations/judge-estate';
import type { ActivityDependencies } from './dependencies';
import { Relations } from './relations';

/** In one execution of the workflow: its history holds what every one of their peers was asked. */
const MOST_AT_ONCE = 200;

/** Judging newest images before they are needed; see `JudgementActivities`. */
export class JudgementCalls implements JudgementActivities {
  constructor(private readonly deps: Pick<ActivityDependencies, 'catalog' | 'profiles' | 'log'>) {}

  async dueJudgements(): Promise<DueJudgements> {
    return this.deps.catalog.dueJudgements(MOST_AT_ONCE);
  }

  async judgeStored({ begunAt, serverIds }: Parameters<JudgementActivities['judgeStored']>[0]): Promise<JudgedCounts> {
    const { catalog, log } = this.deps;
    const judged = await judgedNow(this.deps, serverIds, new Date());
    const byServer = new Map(judged.map(({ serverId, ...judgement }) => [serverId, judgement]));
    await catalog.recordJudgements(
      begunAt,
      serverIds.map((serverId) => ({ serverId, judgement: byServer.get(serverId) ?? null })),
    );
    for (const { serverId, recoveryPointId, worst } of judged) {
      if (worst === 'block') log.warn({ serverId, recoveryPointId }, 'a server could not come back alone: its peers would not accept its newest image');
    }
    const count = (severity: JudgedServer['worst']): number => judged.filter(({ worst }) => worst === severity).length;
    return { judged: judged.length, block: count('block'), unknown: count('unknown') };
  }

  async recordUnjudged({ begunAt, serverId, why }: Parameters<JudgementActivities['recordUnjudged']>[0]): Promise<void> {
    const finding = {
      code: 'JUDGEMENT_FAILED',
      severity: 'unknown' as const,
      message: `Whether its peers would accept it could not be found out (${why.code}): ${cleanWords(why.message, 500)}`,
      remedy: why.hint,
      evidence: [],
    };
    await this.deps.catalog.recordJudgements(begunAt, [{ serverId, judgement: { recoveryPointId: null, worst: 'unknown', findings: [finding] } }]);
  }
}

/** What rules make of what is stored of these servers. */
export async function judgedNow(
  deps: Pick<ActivityDependencies, 'catalog' | 'profiles'>,
  serverIds: readonly string[],
  now: Date,
): Promise<readonly JudgedServer[]> {
  const { catalog } = deps;
  const [servers, relations, profiles, states] = await Promise.all([
    catalog.listServers(),
    catalog.listRelations(),
    new Relations(deps).profiles(),
    catalog.storedStates(serverIds),
  ]);
  return judgeEstate(
    { servers: servers.map(({ id, name, decommissioned }) => ({ id, name, isDecommissioned: decommissioned !== null })), relations, profiles },
    states,
    now,
  );
}

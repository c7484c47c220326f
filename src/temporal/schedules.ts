import { ScheduleNotFoundError, ScheduleOverlapPolicy, type ScheduleOptions, type ScheduleUpdateOptions } from '@temporalio/client';
import { isModosuError } from '../contracts/errors';
import { CONTROL_TASK_QUEUE } from '../contracts/ids';
import { describeSchedule, type Policy } from '../contracts/policy';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { WORKFLOW_BACKUPS_DUE } from '../contracts/workflows';
import { cronOf } from '../domain/schedules/schedule';
import { sha256Of } from '../system/sha256';
import type { TemporalClient } from './client';

/**
 * The policies' schedules in Temporal. PostgreSQL holds what is declared and decides what is due; a schedule only knocks when its time comes. So it may be
 * lost, be late or knock twice: what was due meanwhile is found out when somebody looks next.
 */

export interface SchedulesReport {
  readonly created: readonly string[];
  readonly updated: readonly string[];
  readonly deleted: readonly string[];
  /** Those that somebody else has made in the same moment; whether to the same declaration, only the next comparison shows. */
  readonly met: readonly string[];
  /** Those that Temporal has refused, and why. What is due is found without them. */
  readonly refused: readonly string[];
}

const PREFIX = 'policy/';
/** Longer ago nobody needs to be told: whoever looks finds what is due. */
const CATCH_UP = '10 minutes';

interface Wanted {
  readonly id: string;
  /** Says what it is for, and by its last word which declaration it was made from. */
  readonly note: string;
  readonly options: ScheduleOptions;
}

/**
 * Makes Temporal's schedules those of the policies: creates, updates, deletes. Idempotent; schedules of others stay. A policy's own are updated only when their
 * declaration has changed. One that another worker makes at the same time is left as it is: to describe or change a schedule in its first moments takes Temporal
 * seconds (its questions wait for the schedule's first task), and the other has most likely made the same. Throws `TEMPORAL_UNAVAILABLE`.
 */
export async function syncSchedules(temporal: TemporalClient, policies: readonly Policy[]): Promise<SchedulesReport> {
  const report = { created: [] as string[], updated: [] as string[], deleted: [] as string[], met: [] as string[], refused: [] as string[] };
  const present = await presentSchedules(temporal);
  const wanted = policies.flatMap((policy) => (['image', 'data'] as const).flatMap((kind) => wantedSchedule(policy, kind) ?? []));
  for (const schedule of wanted) {
    const { id, note } = schedule;
    const is = present.get(id);
    if (is === note) continue;
    await attempted(report, id, async () => report[is === undefined ? await create(temporal, schedule) : await update(temporal, schedule)].push(id));
  }
  for (const id of present.keys()) {
    if (wanted.some((schedule) => schedule.id === id)) continue;
    await attempted(report, id, async () => void ((await remove(temporal, id)) && report.deleted.push(id)));
  }
  return report;
}

/** One that is refused keeps no other from being made; a Temporal that does not answer ends it all. */
async function attempted(report: { readonly refused: string[] }, id: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isModosuError(error)) throw error;
    report.refused.push(`${id}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Notes by id. The list may be some seconds old: what has been made meanwhile is met again. */
async function presentSchedules(temporal: TemporalClient): Promise<ReadonlyMap<string, string>> {
  return temporal.call(async (client) => {
    const present = new Map<string, string>();
    for await (const { scheduleId, state } of client.schedule.list()) if (scheduleId.startsWith(PREFIX)) present.set(scheduleId, state.note ?? '');
    return present;
  });
}

function wantedSchedule(policy: Policy, kind: RecoveryPointKind): Wanted | null {
  const of = policy[kind];
  if (of === null) return null;
  const id = `${PREFIX}${policy.name}/${kind}`;
  const spec = { cronExpressions: [cronOf(of.schedule)], timezone: policy.timeZone };
  const note = `${kind} backups of policy ${policy.name}: ${describeSchedule(of.schedule)} (${policy.timeZone}); ${sha256Of(JSON.stringify(spec)).slice(0, 12)}`;
  const options: ScheduleOptions = {
    scheduleId: id,
    spec,
    // Ids and names are readable for everybody who can reach Temporal; there is nothing else in it.
    action: {
      type: 'startWorkflow',
      workflowType: WORKFLOW_BACKUPS_DUE,
      workflowId: `backups-due/${policy.name}/${kind}`,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP },
    state: { note },
  };
  return { id, note, options };
}

async function create(temporal: TemporalClient, { options }: Wanted): Promise<'created' | 'met'> {
  return temporal.call(async (client) => {
    try {
      await client.schedule.create(options);
      return 'created';
    } catch (error) {
      if (error instanceof Error && error.name === 'ScheduleAlreadyRunning') return 'met';
      throw error;
    }
  });
}

async function update(temporal: TemporalClient, { id, options }: Wanted): Promise<'updated'> {
  await temporal.call((client) => client.schedule.getHandle(id).update((): ScheduleUpdateOptions => options as ScheduleUpdateOptions));
  return 'updated';
}

async function remove(temporal: TemporalClient, id: string): Promise<boolean> {
  return temporal.call(async (client) => {
    try {
      await client.schedule.getHandle(id).delete();
      return true;
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return false;
      throw error;
    }
  });
}

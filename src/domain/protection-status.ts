import { describeAge, formatDuration } from '../contracts/format';
import type { Policy } from '../contracts/policy';
import type { Breach, BreachCode, EstateStatus, LastBackupRun, ProtectedThing, ProtectionFacts, ServerProtection } from '../contracts/protection-status';
import type { BackupMode } from '../contracts/workflows';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { knownNextDue } from './schedules/schedule';

/**
 * Whether servers are protected as promised. Pure. Judged is what is there, never what should have run: a schedule that is silent, a worker that is away, a
 * backup that fails all look alike, because nothing new is there.
 */

export interface ProtectedServer {
  readonly id: string;
  readonly name: string;
  readonly policy: string | null;
  readonly dataSets: readonly string[];
}

/** What of a server of the inventory its protection is judged by. */
export const protectedServer = ({
  id,
  name,
  policy,
  protection,
}: Omit<ProtectedServer, 'dataSets'> & { readonly protection: { readonly dataSets: readonly { readonly name: string }[] } }): ProtectedServer => ({
  id,
  name,
  policy,
  dataSets: protection.dataSets.map((dataSet) => dataSet.name),
});

export function judgeProtection(
  servers: readonly ProtectedServer[],
  policies: readonly Policy[],
  facts: ProtectionFacts,
  now: Date,
): Omit<EstateStatus, 'repositories'> {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const index = indexOf(facts);
  const nextOf = nextTimes(policies, now);
  const judged = servers.map((server) => judgeServer(server, byName.get(server.policy ?? '') ?? null, index, nextOf, now));
  const breaches = judged.reduce((sum, server) => sum + server.breaches.length, 0);
  return { at: now.toISOString(), isProtected: breaches === 0, breaches, dueWaiting: facts.waiting.length, servers: judged };
}

type Index = ReturnType<typeof indexOf>;

const keyOf = (serverId: string, kind: RecoveryPointKind, dataSet: string | null = null): string => `${serverId} ${kind} ${dataSet ?? ''}`;

/** Ten thousand servers are looked up, not searched. */
const indexOf = ({ newest, lastRuns, waiting, recoverySeconds }: ProtectionFacts) => ({
  newest: new Map(newest.map((entry) => [keyOf(entry.serverId, entry.kind, entry.dataSet), entry])),
  lastRuns: new Map(lastRuns.map((run) => [keyOf(run.serverId, run.kind), run])),
  waiting: new Map(waiting.map((due) => [keyOf(due.serverId, due.kind), due])),
  recoverySeconds: new Map(recoverySeconds.map(({ serverId, seconds }) => [serverId, seconds])),
});

function nextTimes(policies: readonly Policy[], now: Date): (policy: Policy, kind: RecoveryPointKind) => string | null {
  const times = new Map(
    policies.flatMap((policy) =>
      (['image', 'data'] as const).map((kind) => {
        const of = policy[kind];
        const [next] = of === null ? [] : knownNextDue(of.schedule, policy.timeZone, now);
        return [`${policy.name} ${kind}`, next?.toISOString() ?? null] as const;
      }),
    ),
  );
  return ({ name }, kind) => times.get(`${name} ${kind}`) ?? null;
}

function judgeServer(
  server: ProtectedServer,
  policy: Policy | null,
  index: Index,
  nextOf: (policy: Policy, kind: RecoveryPointKind) => string | null,
  now: Date,
): ServerProtection {
  const things = [
    thingOf(server, 'image', null, policy, index, nextOf, now),
    ...server.dataSets.map((dataSet) => thingOf(server, 'data', dataSet, policy, index, nextOf, now)),
  ];
  const breaches =
    policy === null || asksForNothing(policy, server)
      ? [noPolicy(server)]
      : [
          ...things.flatMap((thing) => [breachOf(server, policy, thing, index, now) ?? [], notVerified(server, policy, thing, now)].flat()),
          ...tooSlow(server, policy, index),
        ];
  return { serverId: server.id, serverName: server.name, policy: server.policy, things, breaches };
}

function thingOf(
  { id }: ProtectedServer,
  kind: RecoveryPointKind,
  dataSet: string | null,
  policy: Policy | null,
  index: Index,
  nextOf: (policy: Policy, kind: RecoveryPointKind) => string | null,
  now: Date,
): ProtectedThing {
  const { newestAt = null, unverifiedSince = null } = index.newest.get(keyOf(id, kind, dataSet)) ?? {};
  const rpoHours = policy?.[kind]?.rpoHours ?? null;
  return {
    kind,
    dataSet,
    newestAt,
    unverifiedSince,
    ageSeconds: newestAt === null ? null : Math.round((now.getTime() - Date.parse(newestAt)) / 1000),
    rpoSeconds: rpoHours === null ? null : rpoHours * 3600,
    nextDueAt: policy === null ? null : nextOf(policy, kind),
    waitsFor: index.waiting.get(keyOf(id, kind))?.waitsFor ?? null,
    lastRun: lastRunOf(index.lastRuns.get(keyOf(id, kind))),
  };
}

const lastRunOf = (run: LastBackupRun | undefined): ProtectedThing['lastRun'] =>
  run === undefined ? null : { runId: run.runId, state: run.state, finishedAt: run.finishedAt, errorCode: run.errorCode };

function breachOf(server: ProtectedServer, policy: Policy, thing: ProtectedThing, index: Index, now: Date): Breach | null {
  const { kind, dataSet, newestAt, ageSeconds, rpoSeconds } = thing;
  if (policy[kind] === null) return null;
  const what = kind === 'image' ? 'image' : `recovery point of data set "${dataSet ?? ''}"`;
  const why = whyText(thing);
  const breach = (code: BreachCode, since: string | null, message: string): Breach => ({
    code,
    serverId: server.id,
    serverName: server.name,
    kind,
    dataSet,
    since,
    message: `${message}${why}`,
    hint: hintFor(server.name, thing, policy.image?.mode ?? 'online'),
  });
  if (newestAt === null) return breach('NO_RECOVERY_POINT', null, `Server "${server.name}" has no usable ${what}.`);
  const newest = index.newest.get(keyOf(server.id, kind, dataSet));
  // Said first: an image of disks that are not there any more may be young, and still lacks all that was written since they were swapped.
  if (kind === 'image' && newest?.newestOnLineAt == null) {
    return breach(
      'NOT_BACKED_UP_SINCE_RESTORE',
      null,
      `Server "${server.name}" was restored, or a restore undone, and there is no usable image of the disks it has now.`,
    );
  }
  if (rpoSeconds === null || ageSeconds === null || ageSeconds <= rpoSeconds) return null;
  const since = new Date(Date.parse(newestAt) + rpoSeconds * 1000).toISOString();
  return breach(
    'RPO_EXCEEDED',
    since,
    `The newest usable ${what} of server "${server.name}" is ${describeAge(newestAt, now)} old; promised are ${formatDuration(rpoSeconds)}.`,
  );
}

/** Whatever the reason: nothing looked, the repository was away, something else was read. */
function notVerified(
  { id, name }: ProtectedServer,
  { verification }: Policy,
  { kind, dataSet, unverifiedSince }: ProtectedThing,
  now: Date,
): readonly Breach[] {
  if (verification === null || unverifiedSince === null) return [];
  const since = Date.parse(unverifiedSince) + verification.withinHours * 3_600_000;
  if (now.getTime() <= since) return [];
  const what = kind === 'image' ? 'images' : `recovery points of data set "${dataSet ?? ''}"`;
  return [
    {
      code: 'NOT_VERIFIED',
      serverId: id,
      serverName: name,
      kind,
      dataSet,
      since: new Date(since).toISOString(),
      message: `The newest ${what} of server "${name}" have not been verified for ${describeAge(unverifiedSince, now)}; promised is to verify new ones within ${verification.withinHours} h.`,
      hint: `See what came of it: \`modosu verification list --server ${name}\`, and whether a worker runs: \`modosu doctor\`.`,
    },
  ];
}

/** What is known about why nothing newer is there. */
function whyText({ waitsFor, lastRun }: ProtectedThing): string {
  if (waitsFor !== null) return ` A backup is due and waits: ${waitsFor}.`;
  if (lastRun === null || lastRun.state === 'succeeded') return '';
  const code = lastRun.errorCode === null ? '' : ` (${lastRun.errorCode})`;
  return ` The last backup ${lastRun.state === 'failed' ? `failed${code}` : 'was cancelled'}: run ${lastRun.runId}.`;
}

function hintFor(name: string, { kind, lastRun }: ProtectedThing, mode: BackupMode): string {
  const again = kind === 'image' ? `modosu backup image ${name} --mode ${mode} --reason TEXT` : `modosu backup data ${name} --reason TEXT`;
  return lastRun !== null && lastRun.state === 'failed' ? `See \`modosu run show ${lastRun.runId}\`, then \`${again}\`.` : `Take one now: \`${again}\`.`;
}

const asksForNothing = ({ image, data }: Policy, { dataSets }: ProtectedServer): boolean => image === null && (data === null || dataSets.length === 0);

const noPolicy = (server: ProtectedServer): Breach => ({
  code: 'NO_POLICY',
  serverId: server.id,
  serverName: server.name,
  kind: null,
  dataSet: null,
  since: null,
  message:
    server.policy === null
      ? `Server "${server.name}" has no policy: nothing is backed up by itself.`
      : `Policy "${server.policy}" asks for nothing that server "${server.name}" has: nothing is backed up by itself.`,
  hint: 'Declare a policy with images, or with data of data sets that the server declares, name it in "policy" of the server, and apply.',
});

function tooSlow(server: ProtectedServer, { rtoMinutes }: Policy, index: Index): readonly Breach[] {
  const seconds = index.recoverySeconds.get(server.id);
  if (rtoMinutes === null || seconds === undefined || seconds <= rtoMinutes * 60) return [];
  return [
    {
      code: 'RTO_EXCEEDED',
      serverId: server.id,
      serverName: server.name,
      kind: null,
      dataSet: null,
      since: null,
      message: `The last measured restore of server "${server.name}" took ${formatDuration(seconds)}; promised are ${formatDuration(rtoMinutes * 60)}.`,
      hint: `See \`modosu run list --server ${server.name}\` for where the time went.`,
    },
  ];
}

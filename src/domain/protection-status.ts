import { describeAge, formatDuration } from '../contracts/format';
import { describeSchedule, type Policy } from '../contracts/policy';
import { namesOf } from '../contracts/text';
import type {
  Breach,
  BreachCode,
  EstateStatus,
  LastBackupRun,
  OffsitePlaceFacts,
  ProtectedThing,
  ProtectionFacts,
  ServerProtection,
} from '../contracts/protection-status';
import type { BackupMode } from '../contracts/workflows';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { comebackBreaches, comebackOf } from './relations/comeback';
import { knownNextDue } from './schedules/schedule';
import { bootOverdueSince } from './verification/boot-proof';

/**
 * Whether servers are protected as promised. Pure. Judged is what is there, never what should have run: a schedule that is silent, a worker that is away, a
 * backup that fails all look alike, because nothing new is there.
 */

export interface ProtectedServer {
  readonly id: string;
  readonly name: string;
  readonly policy: string | null;
  readonly dataSets: readonly string[];
  /** Of one that is out of service nothing is promised. */
  readonly isDecommissioned: boolean;
}

/** What of a server of the inventory its protection is judged by. */
export const protectedServer = ({
  id,
  name,
  policy,
  protection,
  decommissioned,
}: Omit<ProtectedServer, 'dataSets' | 'isDecommissioned'> & {
  readonly protection: { readonly dataSets: readonly { readonly name: string }[] };
  readonly decommissioned: object | null;
}): ProtectedServer => ({
  id,
  name,
  policy,
  dataSets: protection.dataSets.map((dataSet) => dataSet.name),
  isDecommissioned: decommissioned !== null,
});

/** Servers that are out of service are only counted. */
export function judgeProtection(
  servers: readonly ProtectedServer[],
  policies: readonly Policy[],
  facts: ProtectionFacts,
  now: Date,
): Omit<EstateStatus, 'repositories'> {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const index = indexOf(facts);
  const nextOf = nextTimes(policies, now);
  const inService = servers.filter(({ isDecommissioned }) => !isDecommissioned);
  const judged = inService.map((server) => judgeServer(server, byName.get(server.policy ?? '') ?? null, index, nextOf, now));
  const breaches = judged.reduce((sum, server) => sum + server.breaches.length, 0);
  return {
    at: now.toISOString(),
    isProtected: breaches === 0,
    breaches,
    dueWaiting: facts.waiting.length,
    decommissioned: servers.length - inService.length,
    servers: judged,
  };
}

type Index = ReturnType<typeof indexOf>;

const keyOf = (serverId: string, kind: RecoveryPointKind, dataSet: string | null = null): string => `${serverId} ${kind} ${dataSet ?? ''}`;

/** Ten thousand servers are looked up, not searched. */
const indexOf = ({ boots, changes, copies, judgements, offsite, newest, lastRuns, waiting, recoverySeconds }: ProtectionFacts) => ({
  judgements: new Map(judgements.map((facts) => [facts.serverId, facts])),
  changes: new Map(changes.map((unimaged) => [unimaged.serverId, unimaged])),
  boots: new Map(boots.map((evidence) => [evidence.serverId, evidence])),
  copies: new Map(copies.map((evidence) => [keyOf(evidence.serverId, evidence.kind, evidence.dataSet), evidence])),
  offsite: new Map(offsite.map((place) => [place.name, place])),
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
  const judged = index.judgements.get(server.id);
  const comeback = judged === undefined ? null : comebackOf(judged, now);
  const breaches = [
    ...notImaged(server, policy, index, now),
    ...comebackBreaches(server, comeback, now),
    ...(policy === null || asksForNothing(policy, server)
      ? [noPolicy(server)]
      : [
          ...things.flatMap((thing) =>
            [breachOf(server, policy, thing, index, now) ?? [], notVerified(server, policy, thing, now), notCopied(server, policy, thing, index, now)].flat(),
          ),
          ...notBooted(server, policy, index, now),
          ...tooSlow(server, policy, index),
        ]),
  ];
  const booted = index.boots.get(server.id)?.passed ?? null;
  return {
    serverId: server.id,
    serverName: server.name,
    policy: server.policy,
    things,
    booted,
    offsite: policy?.offsite?.repository ?? null,
    isOnSiteOnly: things.every(({ offsiteAt }) => offsiteAt === null),
    comeback,
    breaches,
  };
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
  const { newestAt: offsiteAt = null, uncopiedSince = null } = index.copies.get(keyOf(id, kind, dataSet)) ?? {};
  const rpoHours = policy?.[kind]?.rpoHours ?? null;
  return {
    kind,
    dataSet,
    newestAt,
    unverifiedSince,
    offsiteAt,
    uncopiedSince,
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
  const what = dataSet === null ? 'image' : `recovery point of data set "${dataSet}"`;
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
  const { newestOnLineAt = null } = index.newest.get(keyOf(server.id, kind, dataSet)) ?? {};
  // Said first: an image of disks that are not there any more may be young, and still lacks all that was written since they were swapped.
  // Data has no disks: there it is as young as the newest.
  if (newestOnLineAt === null) {
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

const recoveryPointsOf = (dataSet: string | null): string => (dataSet === null ? 'images' : `recovery points of data set "${dataSet}"`);

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
  return [
    {
      code: 'NOT_VERIFIED',
      serverId: id,
      serverName: name,
      kind,
      dataSet,
      since: new Date(since).toISOString(),
      message: `The newest ${recoveryPointsOf(dataSet)} of server "${name}" have not been verified for ${describeAge(unverifiedSince, now)}; promised is to verify new ones within ${verification.withinHours} h.`,
      hint: `See what came of it: \`modosu verification list --server ${name}\`, and whether a worker runs: \`modosu doctor\`.`,
    },
  ];
}

/** Whatever the reason: its medium is away, its copies fail, nothing copies. What has to be done is said as far as that is known. */
function notCopied(
  { id, name }: ProtectedServer,
  { offsite }: Policy,
  { kind, dataSet, uncopiedSince }: ProtectedThing,
  index: Index,
  now: Date,
): readonly Breach[] {
  if (offsite === null || uncopiedSince === null) return [];
  const since = Date.parse(uncopiedSince) + offsite.withinHours * 3_600_000;
  if (now.getTime() <= since) return [];
  const { problem = null } = index.copies.get(keyOf(id, kind, dataSet)) ?? {};
  const { why, hint } = whyNotCopied(offsite.repository, index.offsite.get(offsite.repository), problem, name);
  return [
    {
      code: 'NOT_COPIED_OFFSITE',
      serverId: id,
      serverName: name,
      kind,
      dataSet,
      since: new Date(since).toISOString(),
      message: `The newest ${recoveryPointsOf(dataSet)} of server "${name}" have not been copied to ${offsite.repository} for ${describeAge(uncopiedSince, now)}; promised is to copy new ones within ${offsite.withinHours} h.${why}`,
      hint,
    },
  ];
}

function whyNotCopied(
  repository: string,
  place: OffsitePlaceFacts | undefined,
  problem: { readonly code: string; readonly message: string } | null,
  serverName: string,
): { readonly why: string; readonly hint: string } {
  const look = `See \`modosu offsite list\` and \`modosu offsite transfers --server ${serverName}\`.`;
  if (place !== undefined && (place.state === 'offline' || place.state === 'unreachable')) {
    const seen = place.seenAt === null ? 'It was never seen' : `It was last seen at ${place.seenAt}`;
    const asked = place.askedForSince === null ? '' : `, and is asked for since ${place.askedForSince}`;
    const code = place.problem === null ? '' : ` (${place.problem.code})`;
    return place.state === 'offline'
      ? { why: ` ${seen}${asked}.`, hint: `Bring the medium of ${repository}, and connect and mount it: copying goes on by itself.` }
      : { why: ` ${repository} does not answer${code}. ${seen}${asked}.`, hint: look };
  }
  return { why: problem === null ? '' : ` The last attempt failed (${problem.code}): ${problem.message}`, hint: look };
}

/** An image that did not come up is known at once; one that nobody could boot, whatever the reason, when it was to be booted long ago. */
function notBooted({ id, name }: ProtectedServer, { timeZone, verification }: Policy, { boots }: Index, now: Date): readonly Breach[] {
  const evidence = boots.get(id);
  if (verification === null || verification.boot === null || evidence === undefined) return [];
  const { passed, failed, promisedSince } = evidence;
  const breach = (code: BreachCode, since: string, message: string, hint: string): readonly Breach[] => [
    { code, serverId: id, serverName: name, kind: 'image', dataSet: null, since, message, hint },
  ];
  if (failed !== null) {
    return breach(
      'BOOT_PROOF_FAILED',
      failed.at,
      `Image ${failed.recoveryPointId} of server "${name}" did not come up when it was booted for a proof (${failed.code}): ${failed.message}`,
      `See \`modosu verification show ${failed.verificationId}\`; once it is mended: \`modosu verify ${failed.recoveryPointId} --boot --reason TEXT\`.`,
    );
  }
  const after = new Date(Math.max(Date.parse(promisedSince), passed === null ? 0 : Date.parse(passed.at)));
  const since = bootOverdueSince(after, { schedule: verification.boot, timeZone }, verification.withinHours, now);
  if (since === null) return [];
  return breach(
    'BOOT_PROOF_OVERDUE',
    since.toISOString(),
    `${passed === null ? `No image of server "${name}" was ever booted for a proof` : `The last image of server "${name}" that was booted for a proof was so ${describeAge(passed.at, now)} ago`}; promised is ${describeSchedule(verification.boot)}.`,
    `See what came of it: \`modosu verification list --server ${name}\`, and whether a worker runs: \`modosu doctor\`.`,
  );
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

/** Long enough for a backup that has begun, and for one that waits for another. */
const CHANGE_GRACE_MS = 3_600_000;

/** Whoever has registered a change wants to come back to it. Where images are taken offline, the next one of the schedule has it. */
function notImaged({ id, name }: ProtectedServer, policy: Policy | null, { changes, waiting }: Index, now: Date): readonly Breach[] {
  const unimaged = changes.get(id);
  if (unimaged === undefined || policy?.image?.mode === 'offline') return [];
  const since = Date.parse(unimaged.since) + CHANGE_GRACE_MS;
  if (now.getTime() <= since) return [];
  const waitsFor = waiting.get(keyOf(id, 'image'))?.waitsFor ?? null;
  return [
    {
      code: 'CHANGE_NOT_IMAGED',
      serverId: id,
      serverName: name,
      kind: 'image',
      dataSet: null,
      since: new Date(since).toISOString(),
      message: `No image of server "${name}" contains what was changed ${describeAge(unimaged.since, now)} ago and more: ${namesOf(unimaged.titles)}.${waitsFor === null ? '' : ` An image is due and waits: ${waitsFor}.`}`,
      hint: `See what came of it: \`modosu run list --server ${name}\`; then take one: \`modosu backup image ${name} --mode online --reason TEXT\`.`,
    },
  ];
}

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

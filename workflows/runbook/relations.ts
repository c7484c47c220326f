import { isCancellation, sleep } from '@temporalio/workflow';
import type { AppliedChange, ReadingRequest } from '../../src/contracts/activities/relations';
import { ModosuError } from '../../src/contracts/errors';
import type { Finding, RestorePlanBody } from '../../src/contracts/plan';
import type { PlannedRelationStep, ProbeJob, ReadCounts, ReadingMoment, RunJudgement, StepProgram } from '../../src/contracts/reading';
import { hasStep, type NamedStep } from '../../src/contracts/step-keys';
import type { RestoreServerInput, UndoInput } from '../../src/contracts/workflows';
import { needsPeople, PEERS_AGAIN, PEERS_BEFORE, PEERS_LIVE, RULE_PROGRAM_SECONDS } from '../../src/domain/steps/relation-steps';
import { peerAsks, peerPrograms, relations, type Calls } from './activities';
import { summarise } from './errors';
import type { Runbook } from './runbook';

/** What a run asks the peers of its server, and what it does because of what they say. */

/** So many servers are asked at a time. */
const AT_ONCE = 8;

/** Asks all servers of these jobs, some at a time. What one of them does, or that nobody can ask it, is written down as its answer. */
export async function readAll(jobs: readonly ProbeJob[]): Promise<ReadCounts> {
  const rest = jobs.values();
  const counts: ReadCounts[] = [];
  const work = async (): Promise<void> => {
    for (const job of rest) counts.push(await readOne(job));
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, jobs.length) }, work));
  return { read: counts.reduce((sum, { read }) => sum + read, 0), failed: counts.reduce((sum, { failed }) => sum + failed, 0) };
}

/**
 * The same for an image of one of them: its peers first, and what it says itself last. Of two servers that are imaged together the follower is then read, by the run of
 * its leader, before the leader is: that it is ahead in what was read means that it is ahead.
 */
export async function readForImage(jobs: readonly ProbeJob[], serverId: string): Promise<ReadCounts> {
  const ofPeers = await readAll(jobs.filter(({ target }) => target.serverId !== serverId));
  const own = await readAll(jobs.filter(({ target }) => target.serverId === serverId));
  return { read: ofPeers.read + own.read, failed: ofPeers.failed + own.failed };
}

async function readOne(job: ProbeJob): Promise<ReadCounts> {
  try {
    return await peerAsks(job.target.hypervisor).readMarkers(job);
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    await relations.recordUnread(job, summarise(thrown));
    return { read: 0, failed: job.specs.length };
  }
}

/** Markers are read and written down for what follows. */
export const readFor = async (request: ReadingRequest): Promise<ReadCounts> => readAll(await relations.readingJobs(request));

/** Whether the plan was judged by rules at all. Of a set another one may have rules about this server. */
const isJudged = ({ relations: planned, restoreSet }: RestorePlanBody): boolean => (planned ?? []).length > 0 || restoreSet !== undefined;

/**
 * Right before the server is replaced: peers have moved on while people decided and bytes were copied. Throws `PLAN_STALE` for whatever is worse than the plan says.
 * Gives the steps that rules ask for, with what is known now.
 */
export async function recheckPeers(input: RestoreServerInput, plan: RestorePlanBody): Promise<readonly PlannedRelationStep[]> {
  if (!isJudged(plan)) return [];
  const { against, steps } = await judgeNow(input, 'recheck');
  if (against.length > 0) {
    throw new ModosuError('PLAN_STALE', `The peers are not any more as the plan found them: ${saidBy(against)} Nothing was replaced.`, {
      hint: `${remediesOf(against)} Then make a new plan.`.trim(),
      context: { findings: against.map(({ code }) => code) },
    });
  }
  return steps;
}

/** The same before an undo: since its plan, peers may have followed what is live. */
export async function recheckPeersOfUndo({ runId, serverId, planId }: UndoInput): Promise<void> {
  await readFor({ id: runId, serverId, moment: 'recheck' });
  const against = await relations.judgeUndo({ runId, planId });
  if (against.length === 0) return;
  throw new ModosuError('PLAN_STALE', `The peers are not any more as the plan found them: ${saidBy(against)} Nothing was changed.`, {
    hint: `${remediesOf(against)} Then make a new plan of the undo.`.trim(),
    context: { findings: against.map(({ code }) => code) },
  });
}

/**
 * What rules ask for in this part of the run on top of `planned`: a plan cannot know what the restored server says. What starts may not answer yet, so what is not known is
 * asked again for half a minute; then it asks for nothing, and is no proof either. `isPatient`: also as long as a member of a set is silent whose steps its own run asks for.
 */
export async function withStepsOf(
  moment: 'quarantine' | 'live',
  book: Runbook,
  input: RestoreServerInput,
  plan: RestorePlanBody,
  planned: readonly PlannedRelationStep[],
  isPatient: boolean,
): Promise<readonly PlannedRelationStep[]> {
  if (!asksFor(plan, moment) && !(isPatient && isProvenForOthers(plan, moment))) return planned;
  const { steps } = await untilWithin(
    () => ASKED_FOR_MS,
    () => judgeNow(input, moment),
    ({ against, isOpen = false }) => !(isPatient && isOpen) && !against.some(({ severity }) => severity === 'unknown'),
  );
  const all = withNew(planned, steps);
  // People are shown what they do now.
  await book.announce(all.filter(({ when }) => moment === 'live' || when === moment));
  return all;
}

const asksFor = ({ relations = [] }: RestorePlanBody, moment: 'quarantine' | 'live'): boolean => relations.some(({ asksIn = [] }) => asksIn.includes(moment));

/** The run of a set's later member asks for what rules of the earlier ones find about both: also where those alone declare a relation with it. */
const isProvenForOthers = (plan: RestorePlanBody, moment: 'quarantine' | 'live'): boolean =>
  moment === 'live' && plan.restoreSet !== undefined && hasStep(plan.steps, PEERS_LIVE.key);

const withNew = (known: readonly PlannedRelationStep[], found: readonly PlannedRelationStep[]): readonly PlannedRelationStep[] => [
  ...known,
  ...found.filter(({ key }) => !known.some((one) => one.key === key)),
];

/** What was proven before go-live. */
export interface ProvenBefore {
  /** With those that rules ask for after it, and that nobody had known of. */
  readonly steps: readonly PlannedRelationStep[];
  readonly warnings: readonly Finding[];
}

/**
 * Before go-live, with the server restored and kept from its peers. Throws `PEERS_REJECT`. `known`: all that rules have asked for so far. `isPatient`: as long as nothing
 * is known to be wrong it is asked for as long as after go-live. What is silent may just be restarting, and must not undo what has taken hours.
 */
export async function provePeersBefore(
  book: Runbook,
  input: RestoreServerInput,
  plan: RestorePlanBody,
  known: readonly PlannedRelationStep[],
  isPatient: boolean,
): Promise<ProvenBefore> {
  return proveBefore(book, input, plan, known, PEERS_BEFORE, { deadlineMs: QUARANTINE_PROOF_MS, silenceMs: isPatient ? LIVE_PROOF_MS : QUARANTINE_PROOF_MS });
}

/** The same for a server that has waited long for its approval. A peer that is just being restarted must not undo what has taken hours. */
export async function provePeersAgain(
  book: Runbook,
  input: RestoreServerInput,
  plan: RestorePlanBody,
  known: readonly PlannedRelationStep[],
): Promise<ProvenBefore> {
  return proveBefore(book, input, plan, known, PEERS_AGAIN, { deadlineMs: LIVE_PROOF_MS, silenceMs: LIVE_PROOF_MS });
}

async function proveBefore(
  book: Runbook,
  input: RestoreServerInput,
  plan: RestorePlanBody,
  known: readonly PlannedRelationStep[],
  { key, title }: NamedStep,
  deadlines: Pick<Proof, 'deadlineMs' | 'silenceMs'>,
): Promise<ProvenBefore> {
  if (!isJudged(plan) || !hasStep(plan.steps, PEERS_BEFORE.key)) return { steps: known, warnings: [] };
  const proof = { judge: () => judgeNow(input, 'quarantine'), moment: 'quarantine', runId: input.runId, ...deadlines, waitsFor: () => false } as const;
  const { steps, warnings = [] } = await book.step(key, { do: () => proveWithin(proof), detail: provenDetail }, title);
  const isLater = ({ relation, peer, when }: PlannedRelationStep): boolean =>
    when === 'live' && (plan.relations ?? []).some((one) => one.name === relation && one.peer === peer && (one.asksIn ?? []).includes('quarantine'));
  return { steps: withNew(known, steps.filter(isLater)), warnings };
}

/**
 * After go-live. Throws `PEERS_REJECT`: the server is live then, and its restore has not succeeded. What is only a warning may pass as well, and is waited for; not what was
 * so before go-live already (`before`; null: none of them is waited for), and not where others of a set wait for this one.
 */
export async function provePeersLive(book: Runbook, input: RestoreServerInput, plan: RestorePlanBody, before: readonly Finding[] | null): Promise<void> {
  if (!isJudged(plan) || !hasStep(plan.steps, PEERS_LIVE.key)) return;
  const isNew = ({ code, relation }: Finding): boolean =>
    !(before ?? []).some((known) => known.code === code && known.relation?.name === relation?.name && known.relation?.peer === relation?.peer);
  const waitsFor = before === null || plan.restoreSet !== undefined ? () => false : isNew;
  const proof = { judge: () => judgeNow(input, 'live'), moment: 'live', runId: input.runId, ...LIVE_DEADLINES, waitsFor } as const;
  await book.step('peers', { do: () => proveWithin(proof), detail: provenDetail });
}

/** After an undo. Throws `PEERS_REJECT`: the server is back and live then, and the undo has not succeeded. */
export async function provePeersOfUndo(book: Runbook, { runId, serverId, planId }: UndoInput): Promise<void> {
  const judgeUndone = async (): Promise<RunJudgement> => {
    await readFor({ id: runId, serverId, moment: 'live' });
    return relations.judgeUndone({ runId, planId });
  };
  const proof = { judge: judgeUndone, moment: 'live', runId, ...LIVE_DEADLINES, waitsFor: () => true } as const;
  await book.step('peers', { do: () => proveWithin(proof), detail: provenDetail });
}

const provenDetail = ({ judged, warnings = [] }: RunJudgement) => ({ judged, ...(warnings.length === 0 ? {} : { warnings: saidBy(warnings) }) });

/** A server that has just started answers a little later than its agent. */
const QUARANTINE_PROOF_MS = 30_000;
/** What is to be asked of it may still be starting, too. */
const ASKED_FOR_MS = 30_000;
/** Peers find a server again by trying now and then. */
const LIVE_PROOF_MS = 180_000;
const LIVE_DEADLINES = { deadlineMs: LIVE_PROOF_MS, silenceMs: LIVE_PROOF_MS } as const;
const AGAIN_AFTER_MS = 3_000;
const AGAIN_AT_MOST_MS = 20_000;

interface Proof {
  readonly judge: () => Promise<RunJudgement>;
  readonly moment: 'quarantine' | 'live';
  readonly runId: string;
  readonly deadlineMs: number;
  /** The same as long as everything that stands against it is only not known. */
  readonly silenceMs: number;
  /** Which warnings may pass, and are waited for. */
  readonly waitsFor: (warning: Finding) => boolean;
}

async function proveWithin({ judge, moment, runId, deadlineMs, silenceMs, waitsFor }: Proof): Promise<RunJudgement> {
  const isSilence = ({ against }: RunJudgement): boolean => against.length > 0 && against.every(({ severity }) => severity === 'unknown');
  const judgement = await untilWithin(
    (found) => (isSilence(found) ? silenceMs : deadlineMs),
    judge,
    ({ against, warnings = [] }) => against.length === 0 && !warnings.some(waitsFor),
  );
  if (judgement.against.length > 0) throw rejected(judgement.against, moment, runId);
  return judgement;
}

/** The first that is as wanted, or the last one before its deadline: how long it is asked again may depend on what was found. */
async function untilWithin(
  deadlineMs: (found: RunJudgement) => number,
  judge: () => Promise<RunJudgement>,
  isWanted: (judgement: RunJudgement) => boolean,
): Promise<RunJudgement> {
  const sinceMs = Date.now();
  for (let pauseMs = AGAIN_AFTER_MS; ; pauseMs = Math.min(2 * pauseMs, AGAIN_AT_MOST_MS)) {
    const judgement = await judge();
    if (isWanted(judgement) || Date.now() + pauseMs > sinceMs + deadlineMs(judgement)) return judgement;
    await sleep(pauseMs);
  }
}

async function judgeNow({ runId, serverId, planId }: RestoreServerInput, moment: Exclude<ReadingMoment, 'capture' | 'plan'>) {
  await readFor({ id: runId, serverId, moment, planId });
  return relations.judgeRun({ runId, planId, moment });
}

/** A rule need not have a remedy: what comes next is said in any case. */
const rejected = (against: readonly Finding[], moment: 'quarantine' | 'live', runId: string): ModosuError =>
  new ModosuError(
    'PEERS_REJECT',
    `${moment === 'live' ? 'The server is live, and does not work with its peers, as far as they say' : 'The restored server would not work with its peers'}: ${saidBy(against)}`,
    {
      hint: `${remediesOf(against)} ${moment === 'live' ? `The server stays live: mend that, or go back with \`modosu run undo ${runId}\`.` : 'What was replaced is put back: mend that, and plan again.'}`.trim(),
      context: { findings: against.map(({ code }) => code) },
    },
  );

const saidBy = (findings: readonly Finding[]): string => findings.map(({ code, message }) => `${code}: ${message}`).join(' ');
const remediesOf = (findings: readonly Finding[]): string => [...new Set(findings.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy])))].join(' ');

/**
 * Carries out what rules ask for in one part of the run by programs, and gives what is left for people: what has no program, and what a program has not done. `hasAgent`:
 * programs can be run in the restored server.
 */
export async function runRulePrograms(
  book: Runbook,
  { server }: Calls,
  input: RestoreServerInput,
  steps: readonly PlannedRelationStep[],
  hasAgent: boolean,
): Promise<readonly PlannedRelationStep[]> {
  const forPeople: PlannedRelationStep[] = [];
  for (const planned of steps) {
    const { argv } = planned;
    if (argv === null || needsPeople(planned, hasAgent)) {
      forPeople.push(planned);
      continue;
    }
    const program = { argv, timeoutSeconds: RULE_PROGRAM_SECONDS };
    const { isApplied } = await book.step(
      planned.key,
      {
        do: () => (planned.on === 'server' ? server.applyChange(input, program) : runInPeer(input, planned.peer, program)),
        detail: (applied) => ({ applied: applied.isApplied, evidence: applied.evidence }),
      },
      planned.title,
    );
    if (!isApplied) forPeople.push(planned);
  }
  return forPeople;
}

/** That nothing can be run in another server undoes nothing of this one: people do it. */
async function runInPeer({ planId }: RestoreServerInput, peer: string, program: StepProgram): Promise<AppliedChange> {
  const target = (await relations.peersOf(planId)).find(({ serverName }) => serverName === peer);
  if (target === undefined) return { isApplied: false, evidence: `${peer} is not in the catalogue any more` };
  try {
    return await peerPrograms(target.hypervisor).runInPeer(target, program);
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    const { code, message } = summarise(thrown);
    return { isApplied: false, evidence: `${code}: ${message}` };
  }
}

/** What people have signed off shows as done, by them. */
export async function markSignedOff(
  book: Runbook,
  steps: readonly PlannedRelationStep[],
  by: { readonly actor: string; readonly reason: string },
): Promise<void> {
  for (const { key, title } of steps) {
    await book.step(key, { do: () => Promise.resolve(), detail: () => ({ signedOffBy: by.actor, reason: by.reason }) }, title);
  }
}

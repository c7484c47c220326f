import { patched } from '@temporalio/workflow';
import type { Decision } from '../src/contracts/activities/planning';
import { keptDisksOf, type RestorePlanBody, type RestoreSurvey } from '../src/contracts/plan';
import type { PlannedRelationStep } from '../src/contracts/reading';
import type { DecisionKind } from '../src/contracts/run';
import { hasStep, type NamedStep } from '../src/contracts/step-keys';
import type { DataRestoreItem, RestoreServerInput, RunResult } from '../src/contracts/workflows';
import { stateNow, staleness } from '../src/domain/planning/restore-planning';
import { itemKey } from '../src/domain/steps/data-steps';
import { SIGN_OFF_LIVE, withProofAgain } from '../src/domain/steps/relation-steps';
import { programOf, SIGN_OFF } from '../src/domain/steps/restore-steps';
import { catalogue, planning, type Calls } from './runbook/activities';
import { setCredentials } from './runbook/credentials';
import { markIfDamaged } from './runbook/damage';
import { leftBehind, placedDetail } from './runbook/data';
import { hearLateCancel } from './runbook/late-cancel';
import { loadPlanOf, requireUnchanged } from './runbook/plan';
import { allTheSame, carryOut, type Runbook, type StepBody } from './runbook/runbook';
import {
  markSignedOff,
  provePeersAgain,
  provePeersBefore,
  provePeersLive,
  recheckPeers,
  runRulePrograms,
  withStepsOf,
  type ProvenBefore,
} from './runbook/relations';
import { attachOldDisk, giveServerBack, isOn, revertsSwap, secondsSince, stopServer, surveyDetail, takeServer, wayToStop } from './runbook/server';

/** Since a run asks what was changed on purpose since its plan. Asked once in a run: its looks must not differ in it. */
const CHANGES_SINCE_PLAN = 'changes-since-plan';
/** Since peers are asked again after a long wait for approval, and warnings after go-live are waited for. */
const PROOF_IN_FULL = 'proof-in-full';
/** Since peers that are silent before go-live are given as long as after it. */
const PATIENT_PROOF = 'patient-proof';
/** Since a server in which people have worked until they signed off is started, and has to answer, before anything more is asked of it. */
const UP_AFTER_SIGN_OFF = 'up-after-sign-off';

/**
 * Brings a server back from an image recovery point. New volumes are written and checked beside the old ones while the server is left alone; only then is it
 * stopped, its volumes swapped by one define, and started in quarantine: its production links are down. There it has to answer, gets the data that was saved
 * after the image, and has to pass its health checks. Then it goes live. Until that moment every step can be undone, and nothing is lost by it (a data disk
 * that the plan keeps is the same file throughout); afterwards the old volumes and the old definition stay as the way back.
 */
export async function restoreServer(input: RestoreServerInput): Promise<RunResult> {
  return carryOut(input, async (book, calls) => {
    const { host, lateHost, server, transfer, undo } = calls;
    const plan = await loadPlanOf('server', input);
    const asksForChanges = patched(CHANGES_SINCE_PLAN);
    const provesInFull = patched(PROOF_IN_FULL);
    const isPatient = patched(PATIENT_PROOF);
    await book.announce(provesInFull && input.hold ? withProofAgain(plan.steps) : plan.steps);
    await book.step('check', { do: () => surveyAsPlanned(plan, host, asksForChanges), detail: surveyDetail });

    await takeServer(book, calls, input);

    for (const { target, newPath } of plan.volumes) {
      await book.step(`copy:${target}`, {
        do: () => transfer.copyDiskToVolume(input, plan, target).catch((thrown: unknown) => markIfDamaged(plan.recoveryPoint.id, thrown)),
        undo: () => undo.discardVolumes(input, plan),
        detail: () => ({ newPath, verified: true }),
      });
    }
    if (plan.nvramNewPath !== null) await book.step('nvram', { do: () => lateHost.restoreNvram(input, plan), undo: () => undo.discardVolumes(input, plan) });

    // Copying may have taken hours: how the server is stopped depends on how it is now.
    const { present, rules } = await book.step('recheck', {
      do: async () => ({ ...(await surveyAsPlanned(plan, lateHost, asksForChanges)), rules: await recheckPeers(input, plan) }),
      detail: surveyDetail,
    });
    const notNeeded = (plan.relationSteps ?? []).filter(({ key }) => !rules.some((rule) => rule.key === key));
    await book.skip(
      notNeeded.map(({ key }) => key),
      NOT_ASKED_FOR,
    );
    if (present !== null) await stopServer(book, calls, input, { how: wayToStop(present), wasOn: isOn(present) });
    await book.step('swap', {
      do: async () => {
        const swapped = await server.swapVolumes(input, plan);
        await catalogue.openWayBack(input.runId, swapped.kept, stateNow(present));
        return swapped;
      },
      ...revertsSwap(calls, input),
      detail: ({ generationId }) => ({ generationId, linksDown: plan.quarantinedMacs.length }),
    });
    await book.step('start', { do: () => server.start(input), undo: () => undo.powerOff(input) });
    const waitsForAgent = hasStep(plan.steps, 'agent');
    if (waitsForAgent) await book.step('agent', { do: () => server.waitForAgent(input) });
    // Nothing of it needs an undo: until go-live the old volumes come back as they were.
    for (const { item } of plan.data ?? []) await restoreDataInto(book, calls, input, item);
    const passwords = await setCredentials(book, input, plan);
    const asked = provesInFull ? await withStepsOf('quarantine', book, input, plan, rules, isPatient) : rules;
    const run: RunOfRestore = { book, calls, input, plan, hasAgent: waitsForAgent, provesInFull, isPatient };
    const waited = await doWhatIsMissing(run, asked, passwords);
    for (const check of plan.healthChecks) {
      await book.step(`health:${check.name}`, { do: () => server.checkHealth(input, check), detail: (passed) => passed });
    }
    let proven = await provePeersBefore(book, input, plan, asked, isPatient);
    for (const disk of plan.oldDisks ?? []) {
      await book.step(`attach:${disk.target}`, { do: () => attachOldDisk(calls, input, disk), detail: (attached) => attached });
    }
    const recoverySeconds = Math.max(0, secondsSince(input.acceptedAt) - waited.seconds);
    book.result({ recoveryPointId: plan.recoveryPoint.id, recoverySeconds, ...(plan.loss === undefined ? {} : { lostSeconds: plan.loss.seconds }) });

    // The point of approval. After it the restored server stays, whatever happens, and a cancel comes too late: others may have written to it.
    const approval = input.hold ? await book.decision('go-live') : null;
    if (approval !== null) {
      await haveUp(run);
      if (provesInFull) proven = await provePeersAgain(book, input, plan, proven.steps);
    }
    await hearLateCancel(input.runId);
    book.settleAll();
    await book.uninterrupted(async () => {
      await book.step('go-live', {
        do: async () => {
          await catalogue.recordGoLive(input.runId);
          return server.goLive(input);
        },
        detail: ({ raised }) => ({ linksRaised: raised.length, ...(approval === null ? {} : { approvedBy: approval.actor, reason: approval.reason }) }),
      });
      // What the peers say changes nothing of the server: it stays, and is given back, also when they do not accept it.
      await allTheSame(afterGoLive(run, proven), () =>
        book.step('record', { do: () => giveServerBack(calls, input), detail: (returned) => ({ recoverySeconds, ...returned }) }),
      );
    });
  });
}

/** What the parts of the run share. */
interface RunOfRestore {
  readonly book: Runbook;
  readonly calls: Calls;
  readonly input: RestoreServerInput;
  readonly plan: RestorePlanBody;
  /** Programs can be run in the restored server. */
  readonly hasAgent: boolean;
  readonly provesInFull: boolean;
  /** Who is silent is waited for: see `provePeersBefore` and `withStepsOf`. */
  readonly isPatient: boolean;
}

/** After people were waited for. Hours may have passed, and they may have worked in the guest: whoever has decided means a server that runs and answers. */
async function haveUp({ calls: { server }, input, hasAgent }: RunOfRestore): Promise<void> {
  await server.start(input);
  if (hasAgent) await server.waitForAgent(input);
}

/**
 * What the image lacks although the server had it, and what its peers need of it before it comes near them: programs first, then people, who have the last word about
 * all of it, and about the `passwords` (of these accounts) that could not be set. What nobody applies again is lost, and known to be. How long people took is no part of
 * what a restore takes.
 */
async function doWhatIsMissing(run: RunOfRestore, rules: readonly PlannedRelationStep[], passwords: readonly string[]): Promise<{ readonly seconds: number }> {
  const { book, calls, input, hasAgent } = run;
  const rulesForPeople = await runRulePrograms(book, calls, input, ofMoment(rules, 'quarantine'), hasAgent);
  const changesForPeople = await applyChangesAgain(run);
  if (rulesForPeople.length + changesForPeople.length + passwords.length === 0) {
    await book.skip([SIGN_OFF.key], NOT_ASKED_FOR);
    return { seconds: 0 };
  }
  const since = Date.now();
  // A program has failed, or a password could not be set, although nothing was for people: the step comes as it is needed.
  await signOff(book, 'sign-off', rulesForPeople, ({ actor, notApplied = [] }) => {
    const applied = changesForPeople.filter((id) => !notApplied.includes(id));
    return {
      do: async () => {
        if (patched(UP_AFTER_SIGN_OFF)) await haveUp(run);
        await catalogue.recordApplied(input.runId, applied, actor);
      },
      detail: () => ({
        applied: applied.length,
        notApplied: changesForPeople.length - applied.length,
        ...(passwords.length === 0 ? {} : { passwordsOf: passwords.join(', ') }),
      }),
    };
  });
  return { seconds: Math.round((Date.now() - since) / 1000) };
}

const SIGN_OFFS = { 'sign-off': SIGN_OFF, 'sign-off-live': SIGN_OFF_LIVE } as const satisfies Partial<Record<DecisionKind, NamedStep>>;

/** People do what is left for them, and say that it is done. */
async function signOff(
  book: Runbook,
  kind: keyof typeof SIGN_OFFS,
  rules: readonly PlannedRelationStep[],
  body: (decision: Decision) => StepBody<void>,
): Promise<void> {
  await book.announce([SIGN_OFFS[kind]]);
  const decision = await book.decision(kind);
  const { actor, reason } = decision;
  await markSignedOff(book, rules, { actor, reason });
  const { do: work, detail } = body(decision);
  await book.step(kind, { do: work, detail: (done) => ({ signedOffBy: actor, reason, ...detail?.(done) }) });
}

const NOT_ASKED_FOR = 'what the plan had found is not so any more';

const ofMoment = (rules: readonly PlannedRelationStep[], moment: PlannedRelationStep['when']): readonly PlannedRelationStep[] =>
  rules.filter(({ when }) => when === moment);

/** Gives the ids of the changes that are for people: they have no program, or it has failed. */
async function applyChangesAgain({ book, calls: { server }, input, plan, hasAgent }: RunOfRestore): Promise<readonly string[]> {
  if (plan.appliesChanges !== true) return [];
  const forPeople: string[] = [];
  for (const change of plan.lostChanges?.changes ?? []) {
    const program = hasAgent ? programOf(change) : null;
    if (program === null) {
      forPeople.push(change.id);
      continue;
    }
    const { isApplied } = await book.step(
      `apply:${change.id}`,
      { do: () => server.applyChange(input, program), detail: (applied) => ({ applied: applied.isApplied, evidence: applied.evidence }) },
      `Apply again: ${change.title}`,
    );
    if (isApplied) await catalogue.recordApplied(input.runId, [change.id], 'worker');
    else forPeople.push(change.id);
  }
  return forPeople;
}

/** What the peers need once they see the server again; then the proof that they work with it. Throws `PEERS_REJECT`. */
async function afterGoLive({ book, calls, input, plan, hasAgent, provesInFull, isPatient }: RunOfRestore, { steps, warnings }: ProvenBefore): Promise<void> {
  const known = ofMoment(steps, 'live');
  if (provesInFull) await book.announce(known);
  const asked = provesInFull ? await withStepsOf('live', book, input, plan, known, isPatient) : known;
  const forPeople = await runRulePrograms(book, calls, input, asked, hasAgent);
  if (forPeople.length === 0) await book.skip([SIGN_OFF_LIVE.key], NOT_ASKED_FOR);
  else await signOff(book, 'sign-off-live', forPeople, () => ({ do: () => Promise.resolve() }));
  await provePeersLive(book, input, plan, provesInFull ? warnings : null);
}

/** Looks at the world again and refuses to go on when it is not what the plan was made from. */
async function surveyAsPlanned(plan: RestorePlanBody, host: Calls['host'], asksForChanges: boolean): Promise<RestoreSurvey> {
  const survey = await host.surveyRestore({
    serverId: plan.server.serverId,
    serverName: plan.server.name,
    uuid: plan.server.uuid,
    hypervisor: plan.server.hypervisor,
    repository: plan.recoveryPoint.repository,
    recoveryPointId: plan.recoveryPoint.id,
    runId: plan.runId,
    keepDisks: keptDisksOf(plan).map(({ target }) => target),
  });
  const changes = asksForChanges ? await planning.changesSincePlan(plan.planId) : [];
  requireUnchanged([...staleness(plan, survey), ...changes], 'Nothing was replaced.');
  return survey;
}

/**
 * The second half: data that was saved after the image, into the restored server in its quarantine. What it replaces there is the image's own, older data: it
 * is not kept.
 */
async function restoreDataInto(book: Runbook, { data, dataTransfer }: Calls, input: RestoreServerInput, item: DataRestoreItem): Promise<void> {
  const markDamage = (thrown: unknown): Promise<never> => markIfDamaged(item.recoveryPointId, thrown);
  const [fetch, place] = [`data-fetch:${itemKey(item)}`, `data-place:${itemKey(item)}`] as const;
  const fetched = await book.step(fetch, {
    do: () => dataTransfer.fetchData(input, item, fetch, null).catch(markDamage),
    detail: ({ bytes }) => ({ bytes, recoveryPointId: item.recoveryPointId }),
  });
  await book.step(place, {
    do: async () => {
      const loaded = await dataTransfer.loadData(input, item, place, 'restored').catch(markDamage);
      const placed = await dataTransfer.placeData(input, item, fetched, place, null);
      // Older data of the image, and what was fetched: what cannot be removed costs room, and is no reason to undo the restore.
      const kept = placed.complete ? await leftBehind(data.discardKeptData(input, placed.record)) : {};
      const rest = await leftBehind(data.discardFetched(input, item));
      return { record: placed.record, notes: [...loaded.notes, ...placed.notes, ...Object.values(kept), ...Object.values(rest)] };
    },
    detail: placedDetail,
  });
}

import { patched } from '@temporalio/workflow';
import type { UndoPlanBody, UndoSurvey } from '../src/contracts/plan';
import type { KeptDataRecord } from '../src/contracts/way-back';
import type { RunResult, UndoInput } from '../src/contracts/workflows';
import { stateNow } from '../src/domain/planning/restore-planning';
import { peersMayHaveFollowed, undoStaleness } from '../src/domain/planning/undo-planning';
import { hasStep } from '../src/contracts/step-keys';
import { catalogue, planning, type Calls } from './runbook/activities';
import { keptInGuest, notesDetail } from './runbook/data';
import { hearLateCancel } from './runbook/late-cancel';
import { loadPlanOf, requireStillPossible, requireUnchanged } from './runbook/plan';
import { allTheSame, carryOut, type Runbook } from './runbook/runbook';
import { provePeersOfUndo, recheckPeersOfUndo } from './runbook/relations';
import { giveServerBack, isOn, revertsSwap, stopServer, surveyDetail, takeServer, wayToStop } from './runbook/server';

/** Since an undo asks once more, right before it, what was changed and what the peers say. */
const UNDO_IS_JUDGED = 'undo-is-judged';

/** Since its peers are asked once its server is back. */
const UNDO_IS_PROVEN = 'undo-is-proven';

/**
 * Returns to the volumes and the definition that an earlier run has replaced. Nothing is copied. The present ones are kept in turn, so that an undo can be
 * undone: that is the redo. Until the server has come back, a failure or a cancel puts the present ones back. From then on it is live, and what its peers say of it changes nothing.
 */
export async function undoRestore(input: UndoInput): Promise<RunResult> {
  return carryOut(input, async (book, calls) => {
    const { server, undo } = calls;
    const plan = await loadPlanOf('undo', input);
    const isProven = patched(UNDO_IS_PROVEN);
    await book.announce(plan.steps);
    const { data } = plan;
    if (data != null) return returnData(book, calls, input, plan, data.record);
    const { present } = await book.step('check', { do: () => surveyAsPlanned(plan, calls, input), detail: surveyDetail });

    await takeServer(book, calls, input);

    if (hasStep(plan.steps, 'stop') || isOn(present)) await stopServer(book, calls, input, { how: wayToStop(present), wasOn: isOn(present) });
    await book.step('swap', {
      do: async () => {
        const returned = await server.returnVolumes(input);
        await catalogue.takeWayBack(input.runId, input.ofRunId, returned.kept, stateNow(present));
        return returned;
      },
      ...revertsSwap(calls, input),
      detail: ({ generationId }) => ({ generationId }),
    });
    if (hasStep(plan.steps, 'start')) await book.step('start', { do: () => server.start(input), undo: () => undo.powerOff(input) });
    if (hasStep(plan.steps, 'agent')) await book.step('agent', { do: () => server.waitForAgent(input) });

    await hearLateCancel(input.runId);
    book.settleAll();
    await book.uninterrupted(async () => {
      const proof = isProven && hasStep(plan.steps, 'peers') ? provePeersOfUndo(book, input) : Promise.resolve();
      // Also when they do not accept it, the server stays, and is given back.
      await allTheSame(proof, () => book.step('record', { do: () => giveServerBack(calls, input), detail: (returned) => returned }));
    });
  });
}

/** The undo of a data restore: in the running server. What the data step returns is complete or has not begun; it is continued by whoever calls it again. */
async function returnData(book: Runbook, calls: Calls, input: UndoInput, plan: UndoPlanBody, record: KeptDataRecord): Promise<void> {
  const { data, dataTransfer } = calls;
  await book.step('check', {
    do: async () => {
      const survey = await data.surveyDataUndo(input, record);
      requireStillPossible(survey.findings);
      return survey;
    },
    detail: ({ changes }) => ({ changed: changes.length }),
  });
  await takeServer(book, calls, input);
  await hearLateCancel(input.runId);
  await book.uninterrupted(async () => {
    await book.step('return', {
      do: async () => {
        const returned = await dataTransfer.returnData(input, record);
        await catalogue.takeWayBack(input.runId, input.ofRunId, keptInGuest(returned.record), plan.before);
        return returned;
      },
      detail: ({ record: { kept }, notes }) => ({ keptBytes: kept.keptBytes, ...notesDetail(notes) }),
    });
    book.settleAll();
    await book.step('record', { do: () => giveServerBack(calls, input), detail: (returned) => returned });
  });
}

async function surveyAsPlanned(plan: UndoPlanBody, { host }: Calls, input: UndoInput): Promise<UndoSurvey> {
  const survey = await host.surveyUndo(input, input.ofRunId);
  const isJudged = patched(UNDO_IS_JUDGED);
  const changes = isJudged ? await planning.changesSincePlan(input.planId) : [];
  requireUnchanged([...undoStaleness(plan, survey), ...changes], 'Nothing was changed.');
  if (isJudged && peersMayHaveFollowed(plan.undoes, plan.undoes.kind)) await recheckPeersOfUndo(input);
  return survey;
}

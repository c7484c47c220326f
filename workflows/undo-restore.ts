import type { UndoPlanBody, UndoSurvey } from '../src/contracts/plan';
import { ModosuError } from '../src/contracts/errors';
import type { KeptDataRecord } from '../src/contracts/way-back';
import type { RunResult, UndoInput } from '../src/contracts/workflows';
import { stateNow } from '../src/domain/planning/restore-planning';
import { undoStaleness } from '../src/domain/planning/undo-planning';
import { catalogue, dataCalls, dataTransfers, hostCalls, serverCalls, undoCalls } from './runbook/activities';
import { giveServerBack } from './runbook/fence';
import { notesDetail } from './runbook/placed';
import { loadPlanOf, requireStillPossible } from './runbook/plan';
import { carryOut, type Runbook } from './runbook/runbook';

/**
 * Returns to the volumes and the definition that an earlier run has replaced. Nothing is copied. The present ones are kept in turn, so that an undo can be undone:
 * that is the redo. Until the server has come back, a failure or a cancel puts the present ones back.
 */
export async function undoRestore(input: UndoInput): Promise<RunResult> {
  const host = hostCalls(input.hypervisor);
  const server = serverCalls(input.hypervisor);
  const undo = undoCalls(input.hypervisor);

  return carryOut(input, async (book) => {
    const plan = await loadPlanOf('undo', input);
    await book.announce(plan.steps);
    const { data } = plan;
    if (data != null) return returnData(book, input, plan, data.record);
    const { present } = await book.step('check', { do: () => surveyAsPlanned(plan, input, host), detail: describeSurvey });

    await book.step('fence', { do: () => server.takeFence(input), undo: () => undo.releaseFence(input) });

    const wasRunning = present !== null && present.powerState !== 'off';
    let isOff = false;
    if (plan.steps.some(({ key }) => key === 'stop') || wasRunning) {
      await book.step('stop', {
        do: async () => {
          await (present?.agent.state === 'answering' ? server.shutDown(input) : server.powerOff(input));
          isOff = true;
        },
        ...(wasRunning ? { undo: () => (isOff ? undo.start(input) : undo.startAfterShutdown(input)) } : {}),
      });
    }
    await book.step('swap', {
      do: async () => {
        const returned = await server.returnVolumes(input);
        await catalogue.takeWayBack(input.runId, input.ofRunId, returned.kept, stateNow(present));
        return returned;
      },
      undo: async () => {
        await undo.revertSwap(input);
        await catalogue.revertWayBack(input.runId);
      },
      detail: ({ generationId }) => ({ generationId }),
    });
    if (plan.steps.some(({ key }) => key === 'start')) await book.step('start', { do: () => server.start(input), undo: () => undo.powerOff(input) });
    if (plan.steps.some(({ key }) => key === 'agent')) await book.step('agent', { do: () => server.waitForAgent(input) });

    book.settleAll();
    await book.uninterrupted(() => book.step('record', { do: () => giveServerBack(server, input), detail: (returned) => returned }));
  });
}

/** The undo of a data restore: in the running server. What the data step returns is complete or has not begun; it is continued by whoever calls it again. */
async function returnData(book: Runbook, input: UndoInput, plan: UndoPlanBody, record: KeptDataRecord): Promise<void> {
  const server = serverCalls(input.hypervisor);
  const undo = undoCalls(input.hypervisor);
  await book.step('check', {
    do: async () => {
      const survey = await dataCalls(input.hypervisor).surveyDataUndo(input, record);
      requireStillPossible(survey.findings);
      return survey;
    },
    detail: ({ changes }) => ({ changed: changes.length }),
  });
  await book.step('fence', { do: () => server.takeFence(input), undo: () => undo.releaseFence(input) });
  await book.uninterrupted(async () => {
    await book.step('return', {
      do: async () => {
        const returned = await dataTransfers(input.hypervisor).returnData(input, record);
        await catalogue.takeWayBack(input.runId, input.ofRunId, { wasGone: false, volumes: [], nvramPath: null, generationId: null, complete: true, data: returned.record }, plan.before);
        return returned;
      },
      detail: ({ record: { kept }, notes }) => ({ keptBytes: kept.keptBytes, ...notesDetail(notes) }),
    });
    book.settleAll();
    await book.step('record', { do: () => giveServerBack(server, input), detail: (returned) => returned });
  });
}

async function surveyAsPlanned(plan: UndoPlanBody, input: UndoInput, host: ReturnType<typeof hostCalls>): Promise<UndoSurvey> {
  const survey = await host.surveyUndo(input, input.ofRunId);
  const changes = undoStaleness(plan, survey);
  if (changes.length > 0) throw new ModosuError('PLAN_STALE', `The plan no longer holds: ${changes.join('; ')}. Nothing was changed.`, { context: { changes } });
  return survey;
}

const describeSurvey = ({ present }: UndoSurvey) => ({ powerState: present?.powerState ?? 'gone', agent: present?.agent.state ?? 'gone' });

import { continueAsNew, isCancellation } from '@temporalio/workflow';
import { nightOccasion } from '../src/contracts/judgement';
import type { ProbeJob } from '../src/contracts/reading';
import { judging, relations } from './runbook/activities';
import { summarise } from './runbook/errors';
import { readAll } from './runbook/relations';

/** So many servers are judged together: their peers are asked side by side, and those who do not answer hold up these alone. */
const TOGETHER = 20;

/**
 * Finds out, before anybody needs it, which servers could not come back alone: asks their peers, judges their newest images as if they were restored now, and writes
 * down what came of it. Changes nothing of any server. What cannot be asked is not known, and ends nothing.
 */
export async function judgeEstate(): Promise<void> {
  const { begunAt, serverIds, areMore } = await judging.dueJudgements();
  for (let at = 0; at < serverIds.length; at += TOGETHER) await judgeSome(begunAt, serverIds.slice(at, at + TOGETHER));
  if (areMore) await continueAsNew<typeof judgeEstate>();
}

async function judgeSome(begunAt: string, serverIds: readonly string[]): Promise<void> {
  const jobs: ProbeJob[] = [];
  const asked: string[] = [];
  for (const serverId of serverIds) {
    try {
      jobs.push(...(await relations.readingJobs({ id: nightOccasion(serverId), serverId, moment: 'plan' })));
      asked.push(serverId);
    } catch (thrown) {
      if (isCancellation(thrown)) throw thrown;
      await judging.recordUnjudged({ begunAt, serverId, why: summarise(thrown) });
    }
  }
  await readAll(jobs);
  await judging.judgeStored({ begunAt, serverIds: asked });
}

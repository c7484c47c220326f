import type { PlannedStep } from '../contracts/plan';

/** What decides which steps a restore has. */
export interface RestoreShape {
  readonly diskTargets: readonly string[];
  readonly hasNvram: boolean;
  /** Null: the hypervisor no longer knows the server. */
  readonly present: boolean;
  readonly waitsForAgent: boolean;
}

/** Steps of an image restore in their order: the plan shows them, the runbook carries out exactly these. */
export function restoreSteps(shape: RestoreShape): readonly PlannedStep[] {
  const steps: PlannedStep[] = [
    { key: 'check', title: 'Check that plan, server and recovery point are as planned' },
    { key: 'fence', title: 'Take the server: no older run may write to it any more' },
    ...shape.diskTargets.map((target) => ({ key: `copy:${target}`, title: `Copy ${target} to a new volume beside the old one, checking every byte` })),
  ];
  if (shape.hasNvram) steps.push({ key: 'nvram', title: 'Copy the firmware variables beside the old ones' });
  steps.push({ key: 'recheck', title: 'Check again, right before anything is replaced' });
  if (shape.present) steps.push({ key: 'stop', title: 'Stop the server' });
  steps.push({ key: 'swap', title: 'Put the new volumes in place; the old ones are kept' });
  steps.push({ key: 'start', title: 'Start the server' });
  if (shape.waitsForAgent) steps.push({ key: 'agent', title: 'Wait until the guest agent answers' });
  steps.push({ key: 'record', title: 'Record the new disk lineage' });
  return steps;
}

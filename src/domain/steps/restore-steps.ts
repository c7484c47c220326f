import type { PlannedStep } from '../../contracts/plan';
import type { DataRestoreItem } from '../../contracts/workflows';
import { dataAfterImageSteps } from './data-steps';

/** What decides which steps a restore has. */
export interface RestoreShape {
  readonly diskTargets: readonly string[];
  readonly hasNvram: boolean;
  /** False: the hypervisor no longer knows the server. */
  readonly present: boolean;
  readonly waitsForAgent: boolean;
  readonly healthChecks: readonly string[];
  /** What follows the image. */
  readonly data?: readonly Pick<DataRestoreItem, 'dataSet' | 'selection'>[];
  /** Targets whose old volumes are attached. */
  readonly oldDisks: readonly string[];
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
  steps.push({ key: 'start', title: 'Start the server in quarantine: its production links are down' });
  if (shape.waitsForAgent) steps.push({ key: 'agent', title: 'Wait until the guest agent answers' });
  for (const item of shape.data ?? []) steps.push(...dataAfterImageSteps(item));
  for (const name of shape.healthChecks) steps.push({ key: `health:${name}`, title: `Health check "${name}"` });
  for (const target of shape.oldDisks) steps.push({ key: `attach:${target}`, title: `Attach the old ${target} read-only, so that people can copy from it` });
  steps.push({ key: 'go-live', title: 'Go live: raise the production links' });
  steps.push({ key: 'record', title: 'Release the server; the way back stays' });
  return steps;
}

/** What decides which steps an undo has. */
export interface UndoShape {
  readonly stopsServer: boolean;
  readonly startsServer: boolean;
  readonly waitsForAgent: boolean;
}

/** Steps of an undo in their order. */
export function undoSteps(shape: UndoShape): readonly PlannedStep[] {
  return [
    { key: 'check', title: 'Check that server and kept volumes are as planned' },
    { key: 'fence', title: 'Take the server: no older run may write to it any more' },
    ...(shape.stopsServer ? [{ key: 'stop', title: 'Stop the server' }] : []),
    { key: 'swap', title: 'Put the kept volumes and the old definition back; the present ones are kept' },
    ...(shape.startsServer ? [{ key: 'start', title: 'Start the server' }] : []),
    ...(shape.waitsForAgent ? [{ key: 'agent', title: 'Wait until the guest agent answers' }] : []),
    { key: 'record', title: 'Release the server; a way back to the undone volumes stays' },
  ];
}

/** Steps of a confirmation in their order. */
export const CONFIRM_STEPS: readonly PlannedStep[] = [
  { key: 'check', title: 'Check that the kept volumes may be deleted' },
  { key: 'fence', title: 'Take the server: no older run may write to it any more' },
  { key: 'remove', title: 'Delete the kept volumes and the old definition' },
  { key: 'record', title: 'Close the way back' },
  { key: 'release', title: 'Release the server' },
];

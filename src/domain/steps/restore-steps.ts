import type { ProgrammedChange } from '../../contracts/activities/planning';
import type { LostChange } from '../../contracts/change';
import { step, type NamedStep } from '../../contracts/step-keys';
import type { DataRestoreItem } from '../../contracts/workflows';
import { dataAfterImageSteps } from './data-steps';
import { liveRuleSteps, needsPeople, PEERS_BEFORE, PEERS_LIVE, quarantineRuleSteps, type RelationShape } from './relation-steps';
import { TAKE_SERVER } from './shared-steps';

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
  /** Configuration changes that are applied again; absent: none are. */
  readonly changes?: readonly LostChange[];
  /** What the rules of its relations add. Absent: nothing. */
  readonly relations?: RelationShape;
  /** Accounts whose passwords are set again. Absent: none. */
  readonly credentials?: readonly string[];
  /** Targets whose old volumes are attached. */
  readonly oldDisks: readonly string[];
}

/** Steps of an image restore in their order: the plan shows them, the runbook carries out exactly these. */
export function restoreSteps(shape: RestoreShape): readonly NamedStep[] {
  const steps: NamedStep[] = [
    step('check', 'Check that plan, server and recovery point are as planned'),
    TAKE_SERVER,
    ...shape.diskTargets.map((target) => step(`copy:${target}`, `Copy ${target} to a new volume beside the old one, checking every byte`)),
  ];
  if (shape.hasNvram) steps.push(step('nvram', 'Copy the firmware variables beside the old ones'));
  steps.push(step('recheck', 'Check again, right before anything is replaced'));
  if (shape.present) steps.push(step('stop', 'Stop the server'));
  steps.push(step('swap', 'Put the new volumes in place; the old ones are kept'));
  steps.push(step('start', 'Start the server in quarantine: its production links are down'));
  if (shape.waitsForAgent) steps.push(step('agent', 'Wait until the guest agent answers'));
  for (const item of shape.data ?? []) steps.push(...dataAfterImageSteps(item));
  const { relations, waitsForAgent } = shape;
  steps.push(...(shape.credentials ?? []).map(credentialStep));
  const rules = relations === undefined ? [] : quarantineRuleSteps(relations);
  steps.push(...rules, ...changeSteps(shape.changes ?? [], waitsForAgent, relations));
  for (const name of shape.healthChecks) steps.push(step(`health:${name}`, `Health check "${name}"`));
  if (relations?.hasQuarantineRules === true) steps.push(PEERS_BEFORE);
  for (const target of shape.oldDisks) steps.push(step(`attach:${target}`, `Attach the old ${target} read-only, so that people can copy from it`));
  steps.push(step('go-live', 'Go live: raise the production links'));
  if (relations !== undefined) steps.push(...liveRuleSteps(relations, waitsForAgent));
  steps.push(step('record', 'Release the server; the way back stays'));
  return steps;
}

/** Programs first; then people say what they have done. Where no agent is waited for, nothing runs a program. */
const changeSteps = (changes: readonly LostChange[], hasAgent: boolean, relations: RelationShape | undefined): readonly NamedStep[] => [
  ...changes.filter((change) => hasAgent && programOf(change) !== null).map(({ id, title }) => step(`apply:${id}`, `Apply again: ${title}`)),
  ...(changes.some((change) => !hasAgent || programOf(change) === null) || rulesForPeople(relations, hasAgent) ? [SIGN_OFF] : []),
];

const rulesForPeople = (relations: RelationShape | undefined, hasAgent: boolean): boolean =>
  (relations?.steps ?? []).some((one) => one.when === 'quarantine' && needsPeople(one, hasAgent));

export const credentialStep = (account: string): NamedStep => step(`credential:${account}`, `Set the current password of ${account}, and prove it`);

export const SIGN_OFF = step('sign-off', 'Wait until somebody has signed off what people do before go-live');

/** The program that applies a change again; null: people do. */
export const programOf = ({ id, title, applyAgain }: LostChange): ProgrammedChange | null =>
  applyAgain?.kind === 'command' ? { id, title, argv: applyAgain.argv, timeoutSeconds: applyAgain.timeoutSeconds } : null;

/** What decides which steps an undo has. */
export interface UndoShape {
  readonly stopsServer: boolean;
  readonly startsServer: boolean;
  readonly waitsForAgent: boolean;
  /** Its peers may have followed what it undoes, and rules say how one sees that they work with it. */
  readonly provesPeers: boolean;
}

/** Steps of an undo in their order. */
export function undoSteps(shape: UndoShape): readonly NamedStep[] {
  return [
    step('check', 'Check that server and kept volumes are as planned'),
    TAKE_SERVER,
    ...(shape.stopsServer ? [step('stop', 'Stop the server')] : []),
    step('swap', 'Put the kept volumes and the old definition back; the present ones are kept'),
    ...(shape.startsServer ? [step('start', 'Start the server')] : []),
    ...(shape.waitsForAgent ? [step('agent', 'Wait until the guest agent answers')] : []),
    ...(shape.provesPeers ? [PEERS_LIVE] : []),
    step('record', 'Release the server; a way back to the undone volumes stays'),
  ];
}

/** Steps of a confirmation in their order. */
export const CONFIRM_STEPS: readonly NamedStep[] = [
  step('check', 'Check that the kept volumes may be deleted'),
  TAKE_SERVER,
  step('remove', 'Delete the kept volumes and the old definition'),
  step('record', 'Close the way back'),
  step('release', 'Release the server'),
];

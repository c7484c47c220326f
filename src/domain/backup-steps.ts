import type { PlannedStep } from '../contracts/plan';

/** Steps of an offline image backup after the server was examined, in their order. */
export function backupSteps(shape: { readonly diskTargets: readonly string[]; readonly wasRunning: boolean }): readonly PlannedStep[] {
  return [
    { key: 'fence', title: 'Take the server: no older run may write to it any more' },
    { key: 'reserve', title: 'Check the room in the repository' },
    ...(shape.wasRunning ? [{ key: 'stop', title: 'Shut the server down' }] : []),
    ...shape.diskTargets.map((target) => ({ key: `copy:${target}`, title: `Copy ${target} with a checksum for every segment` })),
    { key: 'definition', title: 'Save the definition and the firmware variables' },
    ...(shape.wasRunning ? [{ key: 'power', title: 'Start the server again' }] : []),
    { key: 'publish', title: 'Publish the recovery point' },
    { key: 'catalogue', title: 'Make it visible in the catalogue' },
    { key: 'release', title: 'Release the server' },
  ];
}

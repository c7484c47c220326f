import type { PlannedStep } from '../../contracts/plan';
import type { BackupMode } from '../../contracts/workflows';

/** Steps of an image backup after the server was examined, in their order. */
export function backupSteps(shape: { readonly mode: BackupMode; readonly diskTargets: readonly string[]; readonly wasRunning: boolean }): readonly PlannedStep[] {
  const taken = [
    { key: 'fence', title: 'Take the server: no older run may write to it any more' },
    { key: 'reserve', title: 'Check the room in the repository' },
  ];
  const published = [
    { key: 'publish', title: 'Publish the recovery point' },
    { key: 'catalogue', title: 'Make it visible in the catalogue' },
    { key: 'release', title: 'Release the server' },
  ];
  const definition = { key: 'definition', title: 'Save the definition and the firmware variables' };
  if (shape.mode === 'online') {
    return [
      ...taken,
      { key: 'begin', title: 'Freeze the file systems, take the point in time, thaw' },
      definition,
      ...shape.diskTargets.map((target) => ({ key: `copy:${target}`, title: `QEMU writes the image of ${target} while the server runs` })),
      ...shape.diskTargets.map((target) => ({ key: `checksum:${target}`, title: `Checksum every segment of ${target}` })),
      ...published,
    ];
  }
  return [
    ...taken,
    ...(shape.wasRunning ? [{ key: 'stop', title: 'Shut the server down' }] : []),
    ...shape.diskTargets.map((target) => ({ key: `copy:${target}`, title: `Copy ${target} with a checksum for every segment` })),
    definition,
    ...(shape.wasRunning ? [{ key: 'power', title: 'Start the server again' }] : []),
    ...published,
  ];
}

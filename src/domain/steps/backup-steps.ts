import { step, type NamedStep } from '../../contracts/step-keys';
import type { BackupMode } from '../../contracts/workflows';
import { TAKE_SERVER } from './shared-steps';

/** Steps of an image backup after the server was examined, in their order. */
export function backupSteps(shape: { readonly mode: BackupMode; readonly diskTargets: readonly string[]; readonly wasRunning: boolean }): readonly NamedStep[] {
  const taken = [TAKE_SERVER, step('reserve', 'Check the room in the repository')];
  const published = [
    step('publish', 'Publish the recovery point'),
    step('catalogue', 'Make it visible in the catalogue'),
    step('release', 'Release the server'),
  ];
  const definition = step('definition', 'Save the definition and the firmware variables');
  if (shape.mode === 'online') {
    return [
      ...taken,
      step('begin', 'Freeze the file systems, take the point in time, thaw'),
      definition,
      ...shape.diskTargets.map((target) => step(`copy:${target}`, `QEMU writes the image of ${target} while the server runs`)),
      ...shape.diskTargets.map((target) => step(`checksum:${target}`, `Checksum every segment of ${target}`)),
      ...published,
    ];
  }
  return [
    ...taken,
    ...(shape.wasRunning ? [step('stop', 'Shut the server down')] : []),
    ...shape.diskTargets.map((target) => step(`copy:${target}`, `Copy ${target} with a checksum for every segment`)),
    definition,
    ...(shape.wasRunning ? [step('power', 'Start the server again')] : []),
    ...published,
  ];
}

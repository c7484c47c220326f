import { step, type NamedStep } from '../../contracts/step-keys';
import type { BackupMode } from '../../contracts/workflows';
import { REMEMBER_CREDENTIALS, TAKE_SERVER } from './shared-steps';

/** Steps of an image backup after the server was examined, in their order. */
export function backupSteps(shape: {
  readonly mode: BackupMode;
  readonly diskTargets: readonly string[];
  readonly wasRunning: boolean;
  /** Whether the images may build on those of an earlier recovery point. */
  readonly isIncremental: boolean;
  /** Whether the server's agent is asked what the server is. Absent: no. */
  readonly hasFacts?: boolean;
  /** Whether the server and its peers are asked for the rules of its relations. Absent: no. */
  readonly hasMarkers?: boolean;
  /** Whether secret stores are asked which passwords are valid. Absent: no. */
  readonly hasCredentials?: boolean;
  /** Whether its point in time is that of a set. Absent: no. */
  readonly isOfSet?: boolean;
}): readonly NamedStep[] {
  const basis = shape.isIncremental ? [step('basis', 'See what has changed since the last image')] : [];
  const markers = shape.hasMarkers === true ? [step('markers', 'Ask the server and its peers how far they are')] : [];
  const credentials = shape.hasCredentials === true ? [REMEMBER_CREDENTIALS] : [];
  const taken = [TAKE_SERVER, ...basis, step('reserve', 'Check the room in the repository'), ...credentials, ...markers];
  const published = [
    step('publish', 'Publish the recovery point'),
    step('catalogue', 'Make it visible in the catalogue'),
    step('release', 'Release the server'),
  ];
  const definition = step('definition', 'Save the definition and the firmware variables');
  const facts = shape.hasFacts === true ? [step('facts', 'Ask the guest agent what the server is: packages, services, accounts …')] : [];
  if (shape.mode === 'online') {
    return [
      ...taken,
      ...(shape.isOfSet === true
        ? [
            step('prepare', 'Make the files that QEMU will write to, with their room'),
            step('begin', 'Wait until all servers of the set are ready; then freeze the file systems, take the point in time, thaw'),
          ]
        : [step('begin', 'Freeze the file systems, take the point in time, thaw')]),
      definition,
      ...facts,
      ...shape.diskTargets.map((target) => step(`copy:${target}`, `QEMU writes the image of ${target} while the server runs`)),
      ...shape.diskTargets.map((target) => step(`checksum:${target}`, `Checksum every segment of ${target}`)),
      ...published,
    ];
  }
  return [
    ...taken,
    ...(shape.isOfSet === true ? [step('meet', 'Wait until all servers of the set are ready')] : []),
    ...facts,
    ...(shape.wasRunning ? [step('stop', 'Shut the server down')] : []),
    ...shape.diskTargets.map((target) => step(`copy:${target}`, `Copy ${target} with a checksum for every segment`)),
    definition,
    ...(shape.wasRunning ? [step('power', 'Start the server again')] : []),
    ...published,
  ];
}

import type { PlanSource } from '../../contracts/activities/planning';
import { ModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import { keptDisksOf, type Finding, type KeptDisk, type RestorePlanBody, type RestoreSurvey } from '../../contracts/plan';
import { diskRole } from '../../contracts/protection';
import type { DiskInspection, ServerInspection } from '../../contracts/server';

/** Salvage: which disks of a broken server may stay as they are while the others are restored, and what that means. Pure. */

const WITHOUT = 'Plan again without --keep-disk: all disks come back from the recovery point then.';

/**
 * The disks that are to be kept, in the order in which they were named. Throws `DISK_NOT_FOUND` for a target the server does not have, `DISK_NOT_KEEPABLE`
 * for one that is not declared as data or is not intact, when nothing would be left to restore, and when the server is gone.
 */
export function requireKeepable(source: Pick<PlanSource, 'serverName' | 'protection' | 'keepDisks'>, survey: RestoreSurvey): readonly KeptDisk[] {
  const { serverName, protection, keepDisks = [] } = source;
  if (keepDisks.length === 0) return [];
  const { present } = survey;
  const targets = keepDisks.join(', ');
  if (present === null) {
    throw notKeepable(targets, `${targets} cannot be kept: the hypervisor no longer knows ${serverName}, and no definition names its disks.`);
  }
  const kept = keepDisks.map((target): KeptDisk => {
    const disk = present.disks.find((candidate) => candidate.target === target);
    if (disk === undefined) {
      throw new ModosuError('DISK_NOT_FOUND', `${serverName} has no disk ${target}.`, {
        hint: `It has ${listed(present.disks)}: name one of them, by its target.`,
        context: { target },
      });
    }
    if (diskRole(protection, target) !== 'data') {
      throw new ModosuError('DISK_NOT_KEEPABLE', `${target} counts as a system disk of ${serverName}: a restore brings it back with the image.`, {
        hint: `If it holds nothing but data, declare it in the estate file (disks: [{ target: ${target}, role: data }]), apply it and plan again.`,
        context: { target },
      });
    }
    const problem = whyNotIntact(present, disk);
    if (problem !== null) throw notKeepable(target, `${target} cannot be kept: ${problem}`);
    return { target, path: disk.path, virtualSizeBytes: disk.virtualSizeBytes };
  });
  if (!leavesSomething(present, survey, keepDisks)) throw notKeepable(targets, `With ${targets} kept nothing of ${serverName} would be restored.`);
  return kept;
}

const notKeepable = (target: string, message: string): ModosuError => new ModosuError('DISK_NOT_KEEPABLE', message, { hint: WITHOUT, context: { target } });

/** As far as the host can see it: what the file systems on it say is the guest's to find out. A sentence, or null. */
export function whyNotIntact(present: ServerInspection, disk: DiskInspection): string | null {
  const differs = present.refusals.find(({ code }) => code === 'SERVER_DEFINITION_DIFFERS');
  if (differs !== undefined) return `${differs.message} Nobody can say which file holds its newest data.`;
  if (disk.virtualSizeBytes === 0) {
    return present.refusals.find(({ message }) => message.includes(disk.path))?.message ?? `its file ${disk.path} is empty or cannot be read.`;
  }
  const twin = present.disks.find((other) => other.target !== disk.target && other.path === disk.path);
  return twin === undefined ? null : `it is the same file as ${twin.target}.`;
}

const leavesSomething = (present: ServerInspection, { manifest }: RestoreSurvey, kept: readonly string[]): boolean =>
  present.disks.some(({ target }) => !kept.includes(target)) && manifest.disks.some(({ target }) => !kept.includes(target));

/** How the disks that are not kept differ from those of the recovery point, one line each. */
export function compareDiskSets({ present, manifest }: RestoreSurvey, kept: readonly string[]): readonly string[] {
  if (present === null) return [];
  const now = new Map(present.disks.map((disk) => [disk.target, disk]));
  const then = new Map(manifest.disks.map((disk) => [disk.target, disk]));
  return [
    ...[...then.values()]
      .filter(({ target }) => !now.has(target))
      .map(({ target, virtualSizeBytes }) => `- ${target} (${formatBytes(virtualSizeBytes)}) is in the recovery point, the server has it no more`),
    ...addedSince(present, manifest.disks, kept).map(({ target, path }) => `+ ${target} (${path}) was added since and is not in the recovery point`),
  ];
}

/** Disks the recovery point does not know and nobody keeps: a restore with its definition detaches them. */
export const addedSince = (present: ServerInspection, then: readonly { readonly target: string }[], kept: readonly string[]): readonly DiskInspection[] =>
  present.disks.filter(({ target }) => !kept.includes(target) && !then.some((disk) => disk.target === target));

/** What is to be known about the disks that stay. */
export function keptFindings(kept: readonly KeptDisk[], restored: readonly string[], { present, manifest }: RestoreSurvey): readonly Finding[] {
  if (kept.length === 0 || present === null) return [];
  const targets = listed(kept);
  const isCut = present.powerState !== 'off' && present.agent.state !== 'answering';
  const resized = kept.flatMap(({ target, virtualSizeBytes }) => {
    const then = manifest.disks.find((disk) => disk.target === target);
    return then === undefined || then.virtualSizeBytes === virtualSizeBytes
      ? []
      : [`${target} is ${formatBytes(virtualSizeBytes)} now and was ${formatBytes(then.virtualSizeBytes)} in the recovery point`];
  });
  return [
    {
      code: 'DISKS_KEPT',
      severity: isCut ? 'warn' : 'ok',
      message: `${targets} ${stays(kept)} as now and ${are(kept)} newer than ${listed(restored.map((target) => ({ target })))}: programs there meet data that they have not written yet.`,
      evidence: [
        ...kept.map(
          ({ target, path, virtualSizeBytes }) =>
            `${target} ${path} (${formatBytes(virtualSizeBytes)})${manifest.disks.some((disk) => disk.target === target) ? '' : ', added since the recovery point'}`,
        ),
        consistencyNow(present, isCut),
      ],
    },
    ...(resized.length === 0
      ? []
      : [
          {
            code: 'KEPT_DISK_SIZE_DIFFERS',
            severity: 'warn' as const,
            message: `A disk that stays has another size than in the recovery point: ${listed(restored.map((target) => ({ target })))} may expect what it was then.`,
            remedy: 'Look at partitions, volume groups and mounts in quarantine: --hold.',
            evidence: resized,
          },
        ]),
  ];
}

function consistencyNow({ powerState }: ServerInspection, isCut: boolean): string {
  if (powerState === 'off') return 'the server is off: they are as it has left them, cleanly or not';
  return isCut
    ? 'the power of the server is cut: crash-consistent, as after a power failure'
    : 'the server is shut down by its guest agent first: unmounted cleanly';
}

/** With kept disks only the present definition can be used: that of the recovery point may mean another disk by the same target. */
export function keptSetFindings(
  source: Pick<PlanSource, 'protection'>,
  { present, manifest }: RestoreSurvey,
  kept: readonly string[],
  differences: readonly string[],
): readonly Finding[] {
  const alsoData =
    present === null
      ? []
      : addedSince(present, manifest.disks, kept).filter((disk) => diskRole(source.protection, disk.target) === 'data' && whyNotIntact(present, disk) === null);
  return [
    {
      code: 'DISK_SET_DIFFERS',
      severity: 'block',
      message: 'Disks are kept only with the present definition, and its other disks are not those of the recovery point.',
      remedy:
        alsoData.length > 0
          ? `Keep them as well: ${options(alsoData)}`
          : 'Make the disks of the definition those of the recovery point, or plan without --keep-disk.',
      evidence: differences,
    },
  ];
}

/** Offers to keep what is intact and declared as data: compared by what each way loses. */
export function salvageFindings({ protection }: Pick<PlanSource, 'protection'>, survey: RestoreSurvey, kept: readonly KeptDisk[]): readonly Finding[] {
  const { present, manifest } = survey;
  if (present === null) return [];
  const keptTargets = kept.map(({ target }) => target);
  const offered = present.disks.filter(
    (disk) => !keptTargets.includes(disk.target) && diskRole(protection, disk.target) === 'data' && whyNotIntact(present, disk) === null,
  );
  if (offered.length === 0) return [];
  const all = [...kept, ...offered];
  const allTargets = all.map(({ target }) => target);
  if (!leavesSomething(present, survey, allTargets) || compareDiskSets(survey, allTargets).length > 0) return [];

  const restored = manifest.disks.filter(({ target }) => !keptTargets.includes(target));
  const detached = offered.filter(({ target }) => !manifest.disks.some((disk) => disk.target === target));
  const rest = restored.filter(({ target }) => !allTargets.includes(target));
  return [
    {
      code: 'SALVAGE_POSSIBLE',
      severity: 'ok',
      message: `${listed(offered)} can be read and ${offered.length === 1 ? 'is a data disk' : 'are data disks'}: ${offered.length === 1 ? 'it' : 'they'} can stay as now while the rest is restored.`,
      remedy: options(all),
      evidence: [
        `${kept.length === 0 ? 'all disks' : `keeping ${listed(kept)}`}: everything since ${manifest.pointInTime} on ${listed(restored)} is lost${detached.length === 0 ? '' : `, and ${listed(detached)} ${are(detached)} detached`}`,
        `keeping ${listed(all)}: only ${listed(rest)} ${rest.length === 1 ? 'goes' : 'go'} back`,
      ],
    },
  ];
}

/** What keeping means for the data, in sentences. */
export const keptLosses = (kept: readonly KeptDisk[]): readonly string[] =>
  kept.length === 0
    ? []
    : [
        `${listed(kept)} ${stays(kept)} as now: nothing written to ${it(kept)} is lost.`,
        `From its start in quarantine on the restored server writes to ${listed(kept)}: neither a restore that fails there nor an undo takes that back.`,
      ];

/** What has happened to kept disks since the plan was made; that their files are the same is the basis of every plan. */
export function keptChanges(plan: Pick<RestorePlanBody, 'keptDisks'>, { present }: RestoreSurvey): readonly string[] {
  if (present === null) return [];
  return keptDisksOf(plan).flatMap(({ target, virtualSizeBytes }) => {
    const disk = present.disks.find((candidate) => candidate.target === target);
    if (disk === undefined) return [];
    const problem = whyNotIntact(present, disk);
    if (problem !== null) return [`${target} can no longer be kept: ${problem}`];
    return disk.virtualSizeBytes === virtualSizeBytes
      ? []
      : [`${target}, which is to be kept, had ${formatBytes(virtualSizeBytes)} and has ${formatBytes(disk.virtualSizeBytes)}`];
  });
}

type Named = readonly { readonly target: string }[];
const listed = (disks: Named): string => disks.map(({ target }) => target).join(', ');
const options = (disks: Named): string => disks.map(({ target }) => `--keep-disk ${target}`).join(' ');
const stays = ({ length }: Named): string => (length === 1 ? 'stays' : 'stay');
const it = ({ length }: Named): string => (length === 1 ? 'it' : 'them');
const are = ({ length }: Named): string => (length === 1 ? 'is' : 'are');

import type { PlanSource } from '../../contracts/activities/planning';
import { ModosuError } from '../../contracts/errors';
import type { Finding, KeptDisk, OldDisk, RestoreSurvey } from '../../contracts/plan';
import { diskRole } from '../../contracts/protection';
import { whyNotIntact } from './salvage';

/** Old volumes of restored data disks, attached read-only to the restored server: the last chance to copy what the recovery point does not have. Pure. */

/**
 * The disks whose present volumes are attached, in the order in which they were named. Throws `DISK_NOT_FOUND` for a target the server does not have,
 * `OLD_DISK_NOT_ATTACHABLE` for one that is kept, not restored, not declared as data or not intact, and for a server that is gone.
 */
export function requireAttachable(
  source: Pick<PlanSource, 'serverName' | 'protection' | 'attachOldDisks'>,
  survey: RestoreSurvey,
  kept: readonly KeptDisk[],
): readonly OldDisk[] {
  const { serverName, protection, attachOldDisks = [] } = source;
  const { present, manifest } = survey;
  return attachOldDisks.map((target) => {
    const refuse = (why: string, hint?: string): ModosuError =>
      new ModosuError('OLD_DISK_NOT_ATTACHABLE', `The old ${target} of ${serverName} cannot be attached: ${why}`, {
        hint,
        context: { target },
      });
    if (present === null) throw refuse('the hypervisor no longer knows the server, and no definition names its disks.');
    const disk = present.disks.find((candidate) => candidate.target === target);
    if (disk === undefined) {
      throw new ModosuError('DISK_NOT_FOUND', `${serverName} has no disk ${target}.`, {
        hint: `It has ${present.disks.map((other) => other.target).join(', ')}: name one of them, by its target.`,
        context: { target },
      });
    }
    if (kept.some((other) => other.target === target)) {
      throw refuse('it is kept as it is, and nothing takes its place.', 'Keep it, or restore it and attach the old one: not both.');
    }
    if (diskRole(protection, target) !== 'data') {
      throw refuse(
        'it counts as a system disk, and a second one would confuse the guest.',
        `If it holds nothing but data, declare it in the estate file (disks: [{ target: ${target}, role: data }]), apply it and plan again.`,
      );
    }
    if (!manifest.disks.some((other) => other.target === target)) {
      throw refuse('the recovery point has no such disk: it is not replaced.', `Keep it instead: --keep-disk ${target}`);
    }
    const problem = whyNotIntact(present, disk);
    if (problem !== null) throw refuse(problem);
    return { target, path: disk.path, format: disk.format };
  });
}

export const oldDiskFindings = (oldDisks: readonly OldDisk[]): readonly Finding[] =>
  oldDisks.length === 0
    ? []
    : [
        {
          code: 'OLD_DISKS_ATTACHED',
          severity: 'warn',
          message: `Old volumes are attached read-only once the restored server has been proven, until it is powered off or the restore is confirmed. They have the labels and UUIDs of the restored ones.`,
          remedy:
            'Mount them by their serial numbers (/dev/disk/by-id/*modosu-old-*), read-only and without journal replay (ext4: ro,noload; XFS: ro,norecovery,nouuid), and detach them before the guest restarts.',
          evidence: oldDisks.map(({ target, path }) => `${target}: serial modosu-old-${target}, ${path}`),
        },
      ];

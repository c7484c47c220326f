import type { FactDiff, FactKind, FactSectionDiff } from '../../contracts/facts';

const NOUNS: Readonly<Record<FactKind, readonly [one: string, many: string]>> = {
  os: ['fact about the OS', 'facts about the OS'],
  kernel: ['fact about the kernel', 'facts about the kernel'],
  packages: ['package', 'packages'],
  services: ['service', 'services'],
  users: ['user', 'users'],
  groups: ['group', 'groups'],
  network: ['network setting', 'network settings'],
  mounts: ['mount', 'mounts'],
  ports: ['listening port', 'listening ports'],
  tasks: ['scheduled task', 'scheduled tasks'],
  files: ['configuration file', 'configuration files'],
};

const SIDES = { before: 'of the earlier one', after: 'of the later one', both: 'of either' } as const;

/**
 * A line for each kind with differences, such as "3 packages changed, 1 added", then one for each that could not be compared (as a whole). No line: everything
 * was compared, and nothing is different.
 */
export const summariseFactDiff = (diff: FactDiff): readonly string[] => [...differencesOf(diff), ...gapsOf(diff)];

/** Those with differences alone. */
export const differencesOf = ({ sections }: FactDiff): readonly string[] => sections.flatMap((section) => differencesIn(section));

/** Those that could not be compared (as a whole) alone. */
export const gapsOf = ({ sections }: FactDiff): readonly string[] => sections.flatMap((section) => gapIn(section));

function differencesIn(section: FactSectionDiff): readonly string[] {
  const counts = [
    [section.changed.length, 'changed'],
    ...(section.state === 'compared'
      ? ([
          [section.added.length, 'added'],
          [section.removed.length, 'removed'],
        ] as const)
      : []),
  ] as const;
  const [first, ...others] = counts.filter(([count]) => count > 0);
  if (first === undefined) return [];
  const [count, what] = first;
  return [[`${count} ${NOUNS[section.kind][count === 1 ? 0 : 1]} ${what}`, ...others.map((other) => other.join(' '))].join(', ')];
}

function gapIn(section: FactSectionDiff): readonly string[] {
  if (section.state === 'compared') return [];
  const [, many] = NOUNS[section.kind];
  if (section.gap.reason === 'truncated') return [`${many}: only some were collected, so what was added or removed is not known`];
  const { side, code } = section.gap;
  return [`${many}: not compared, those ${SIDES[side]} were not collected${code === null ? '' : ` (${code})`}`];
}

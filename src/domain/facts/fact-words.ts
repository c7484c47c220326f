import type { FactDiff, FactKind, FactSectionDiff } from '../../contracts/facts';
import { namesOf } from '../../contracts/text';

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

type Sides = Readonly<Record<'before' | 'after' | 'both', string>>;

const SIDES: Sides = { before: 'of the earlier one', after: 'of the later one', both: 'of either' };

/**
 * A line for each kind with differences, such as "3 packages changed, 1 added", then one for each that could not be compared (as a whole). No line: everything
 * was compared, and nothing is different.
 */
export const summariseFactDiff = (diff: FactDiff): readonly string[] => [...differencesOf(diff), ...gapsOf(diff)];

/** Those with differences alone. */
export const differencesOf = ({ sections }: FactDiff): readonly string[] => sections.flatMap((section) => differencesIn(section));

/** The same with the names of some, for whoever cannot look them up anywhere else. Each line has at most about 2,000 characters. */
export const namedDifferencesOf = ({ sections }: FactDiff): readonly string[] =>
  sections.flatMap((section) => differencesIn(section, (entries) => ` (${namesOf(entries.map(({ key }) => key))})`));

/** Those that could not be compared (as a whole) alone. `sides`: what the two are called. */
export const gapsOf = ({ sections }: FactDiff, sides: Sides = SIDES): readonly string[] => sections.flatMap((section) => gapIn(section, sides));

function differencesIn(section: FactSectionDiff, named: (entries: readonly { readonly key: string }[]) => string = () => ''): readonly string[] {
  const parts = [
    [section.changed, 'changed'],
    ...(section.state === 'compared'
      ? ([
          [section.added, 'added'],
          [section.removed, 'removed'],
        ] as const)
      : []),
  ] as const;
  const [first, ...others] = parts.filter(([entries]) => entries.length > 0);
  if (first === undefined) return [];
  const noun = NOUNS[section.kind][first[0].length === 1 ? 0 : 1];
  const words = ([entries, what]: (typeof parts)[number]): string => `${what}${named(entries)}`;
  return [[`${first[0].length} ${noun} ${words(first)}`, ...others.map((other) => `${other[0].length} ${words(other)}`)].join(', ')];
}

function gapIn(section: FactSectionDiff, sides: Sides): readonly string[] {
  if (section.state === 'compared') return [];
  const [, many] = NOUNS[section.kind];
  if (section.gap.reason === 'truncated') return [`${many}: only some were collected, so what was added or removed is not known`];
  const { side, code } = section.gap;
  return [`${many}: not compared, those ${sides[side]} were not collected${code === null ? '' : ` (${code})`}`];
}

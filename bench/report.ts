import { formatBytes } from '../src/contracts/format';
import type { Round } from './rounds';
import { DISK_BYTES, RANDOM_BYTES } from './server';
import { isWork, overheadSeconds, summarise, type Summary } from './statistics';

const FLAT_BYTES = 64 * 1024 * 1024;

export interface Target {
  readonly what: string;
  readonly aim: string;
  readonly measured: string;
  readonly met: boolean;
}

export const seconds = (value: number): string => value.toFixed(2);
export const times = (value: number): string => `${value.toFixed(2)} x`;
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, column) => (column === 0 ? '---' : '--:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** The section about images, from the rounds alone. */
export function report(rounds: readonly Round[], about: { readonly machine: readonly string[]; readonly date: string; readonly mode: string }): string {
  const of = (pick: (round: Round) => number): Summary => summarise(rounds.map(pick));
  const backup = { modosu: of((r) => r.backup.modosu.wallSeconds), push: of((r) => r.backup.push), nbd: of((r) => r.backup.nbd) };
  const restore = {
    whole: of((r) => r.restore.modosu.wallSeconds),
    copy: of((r) => r.restore.copySeconds),
    convert: of((r) => r.restore.convert),
    nbd: of((r) => r.restore.nbd),
  };
  const overhead = {
    backup: of((r) => overheadSeconds(r.backup.modosu.wallSeconds, r.backup.modosu.run.steps)),
    restore: of((r) => overheadSeconds(r.restore.modosu.wallSeconds, r.restore.modosu.run.steps)),
  };
  const sides = rounds.flatMap((r) => [r.backup.modosu.memory, r.restore.modosu.memory]);
  const growth = Math.max(...sides.map(({ beforeBytes, peakBytes }) => peakBytes - beforeBytes));

  const ratio = (a: Summary, b: Summary): number => a.median / b.median;
  const targets: readonly Target[] = [
    atMost('full online backup against a bare push', ratio(backup.modosu, backup.push), 1.5),
    atLeast('full online backup against virtnbdbackup', ratio(backup.nbd, backup.modosu), 1.4),
    atMost('restore of the disk against `qemu-img convert -W -m 8`', ratio(restore.copy, restore.convert), 1.3),
    atLeast('restore of the disk against virtnbdrestore', ratio(restore.nbd, restore.copy), 2),
    {
      what: "growth of the worker's memory in a run",
      aim: `flat: at most ${formatBytes(FLAT_BYTES)}`,
      measured: formatBytes(growth),
      met: growth <= FLAT_BYTES,
    },
    under('backup: all that is not copying or checking', overhead.backup.median, 2),
    under('restore: all that is not copying, booting or checking', overhead.restore.median, 2),
  ];

  const disturbed = rounds.reduce((sum, round) => sum + round.disturbed, 0);
  return `# Benchmarks

Written by \`npm run bench\` (${rounds.length} rounds, ${about.date}). Ratios travel to other machines, seconds do not.

## Machine
${about.machine.map((line) => `- ${line}`).join('\n')}

## Method
- One server with one qcow2 disk of ${formatBytes(DISK_BYTES)}: a small system, and ${formatBytes(RANDOM_BYTES)} of random data in pieces over the whole disk. The guest runs and is idle.
- Each round takes every side once, one after the other, in this order; before each side everything is written back, what it will read is dropped from the page cache, memory has been fetched from the host, and the machine has become idle.${disturbed > 0 ? ` **${disturbed} times it did not become idle; those figures are too high.**` : ''}
- All sides end with their result on stable storage (fsync). Ratios are of medians.
- Backup, Modosu: \`POST /v1/servers/…/backups\` (${about.mode}, a whole image) until the run has ended: file systems frozen and thawed, every byte of the image hashed, recovery point published and in the catalogue.
- Backup, bare push: \`virsh backup-begin\` of the same disk into a file made beforehand, until the job has completed. Backup, virtnbdbackup: \`-l full\`.
- Restore, Modosu: the step that copies the disk and checks every byte, out of a whole restore. Convert: the same image. virtnbdrestore: what virtnbdbackup wrote in this round.

## Results
${table(
  ['backup, seconds', 'min', 'median', 'Modosu against it'],
  [
    ['Modosu', seconds(backup.modosu.min), seconds(backup.modosu.median), ''],
    ['bare push', seconds(backup.push.min), seconds(backup.push.median), times(ratio(backup.modosu, backup.push))],
    ['virtnbdbackup', seconds(backup.nbd.min), seconds(backup.nbd.median), `${times(ratio(backup.nbd, backup.modosu))} faster`],
  ],
)}

${table(
  ['restore, seconds', 'min', 'median', 'Modosu against it'],
  [
    ['Modosu, the disk', seconds(restore.copy.min), seconds(restore.copy.median), ''],
    ['qemu-img convert', seconds(restore.convert.min), seconds(restore.convert.median), times(ratio(restore.copy, restore.convert))],
    ['virtnbdrestore', seconds(restore.nbd.min), seconds(restore.nbd.median), `${times(ratio(restore.nbd, restore.copy))} faster`],
    ['Modosu, the whole restore until the server is live', seconds(restore.whole.min), seconds(restore.whole.median), ''],
  ],
)}

## Targets
${targetTable(targets)}

## Where the time goes
Medians. "Own" is what Modosu itself needs; the rest is copying, booting or checking. What lies between the steps is in neither list: it is in the overhead above. QEMU copies from the
point in time on, which is taken in the step \`begin\`: what runs beside it does not count as overhead.

${stepTable(
  'step of a backup',
  rounds.map((r) => r.backup.modosu.run.steps),
  whose,
)}

${stepTable(
  'step of a restore',
  rounds.map((r) => r.restore.modosu.run.steps),
  whose,
)}

Memory of the worker, before and at most in each round: ${rounds.map((r) => `${memory(r.backup.modosu.memory)} in the backup, ${memory(r.restore.modosu.memory)} in the restore`).join('; ')}.
`;
}

export const targetTable = (targets: readonly Target[]): string =>
  table(
    ['', 'aim', 'measured', ''],
    targets.map(({ what, aim, measured, met }) => [what, aim, measured, met ? 'met' : '**missed**']),
  );

const memory = ({ beforeBytes, peakBytes }: { readonly beforeBytes: number; readonly peakBytes: number }): string =>
  `${formatBytes(beforeBytes)} to ${formatBytes(peakBytes)}`;

export const atMost = (what: string, value: number, limit: number): Target => ({
  what,
  aim: `at most ${limit} x`,
  measured: times(value),
  met: value <= limit,
});
export const atLeast = (what: string, value: number, limit: number): Target => ({
  what,
  aim: `at least ${limit} x faster`,
  measured: times(value),
  met: value >= limit,
});
const under = (what: string, value: number, limit: number): Target => ({ what, aim: `under ${limit} s`, measured: `${seconds(value)} s`, met: value < limit });

/** For `stepTable`: whether Modosu itself needs the time of a step. */
export const whose = (key: string): string => (isWork(key) ? '' : 'own');

/** Medians of what each step took; `about` says more of a step, by its key. */
export function stepTable(
  title: string,
  runs: readonly (readonly { readonly key: string; readonly startedAt: string | null; readonly finishedAt: string | null }[])[],
  about: ((key: string) => string) | null,
): string {
  const rows = (runs[0] ?? []).map(({ key }) => {
    const took = runs.flatMap((steps) => {
      const step = steps.find((candidate) => candidate.key === key);
      return step === undefined || step.startedAt === null || step.finishedAt === null
        ? []
        : [(Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000];
    });
    return [`\`${key}\``, took.length === 0 ? '–' : seconds(summarise(took).median), ...(about === null ? [] : [about(key)])];
  });
  return table([title, 'seconds', ...(about === null ? [] : [''])], rows);
}

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../guests/run-program';
import { killQuietly, readQuietly } from './processes';

/** Directories of tests and who made them: one file for each process that is known by its id and its start, one directory a line. */
const BASE = process.getuid?.() === 0 ? '/var/lib/modosu-test' : join(tmpdir(), 'modosu-test');
const OWNERS = join(BASE, 'owners');

/**
 * Makes a new directory `<parent>/<prefix>xxxxxx` for a test and writes down that this process has made it. A run of tests that was killed leaves its domains
 * defined under names that the next one needs, its installations running and its files: `sweepBrokenOff` recognises them by what stands here.
 */
export function ownedDirectory(parent: string, prefix: string): string {
  mkdirSync(parent, { recursive: true, mode: 0o711 });
  // On its own: PostgreSQL runs as another OS user below it, and a mode counts for every directory that is made on the way.
  mkdirSync(BASE, { recursive: true, mode: 0o711 });
  mkdirSync(OWNERS, { recursive: true, mode: 0o700 });
  const directory = mkdtempSync(join(parent, prefix));
  appendFileSync(join(OWNERS, `${process.pid}-${startOf(process.pid) ?? ''}`), `${directory}\n`);
  return directory;
}

/**
 * Ends and removes what test processes that live no more have left in their directories: processes that name one of them, domains with disks in them, mounts,
 * the directories. What belongs to a live process stays, so tests can run beside others. Idempotent; two at once do no harm.
 */
export async function sweepBrokenOff(owners: string = OWNERS): Promise<readonly string[]> {
  if (!existsSync(owners)) return [];
  const files = readdirSync(owners).filter((file) => /^\d+-\d+$/.test(file) && !lives(file));
  const directories = files.flatMap((file) => readQuietly(join(owners, file)).split('\n')).filter((directory) => directory !== '' && existsSync(directory));
  const ofThem = (text: string): boolean => directories.some((directory) => text.includes(directory));
  for (const pid of directories.length === 0 ? [] : processes()) {
    if (pid !== process.pid && [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((path) => ofThem(readQuietly(path)))) killQuietly(pid);
  }
  for (const uuid of directories.length === 0 ? [] : await domains(ofThem)) {
    await virsh(['destroy', uuid]);
    await virsh(['undefine', uuid, '--keep-nvram', '--snapshots-metadata', '--checkpoints-metadata', '--managed-save']);
  }
  for (const mount of directories.length === 0 ? [] : mounts(ofThem)) await runProgram('umount', ['--lazy', mount]);
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  for (const file of files) rmSync(join(owners, file), { force: true });
  return directories;
}

async function domains(wanted: (xml: string) => boolean): Promise<readonly string[]> {
  const found: string[] = [];
  for (const uuid of (await virsh(['list', '--all', '--uuid'])).split('\n').filter((line) => line.trim() !== '')) {
    if (wanted(await virsh(['dumpxml', uuid.trim()]))) found.push(uuid.trim());
  }
  return found;
}

/** Innermost first: later lines lie over earlier ones. */
const mounts = (wanted: (path: string) => boolean): readonly string[] =>
  readQuietly('/proc/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter(wanted)
    .reverse();

/** Standard output, empty when it failed: without libvirt there is no domain, and what another sweep has removed is removed. */
const virsh = async (args: readonly string[]): Promise<string> => (await runProgram('virsh', ['-q', '-c', 'qemu:///system', ...args])).stdout;

const processes = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** An id alone is not enough: it is given again. */
function lives(owner: string): boolean {
  const [pid, start] = owner.split('-');
  return startOf(Number(pid)) === start;
}

/** When a process has started, in clock ticks since the machine has (field 22 of proc(5) stat); null when there is none, or one that has ended and is not reaped. */
function startOf(pid: number): string | null {
  const stat = readQuietly(`/proc/${pid}/stat`);
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || state === 'Z' ? null : (fields[18] ?? null);
}

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fsyncDirectory, fsyncFile } from '../src/system/files';
import { runCommand } from '../src/system/child-process';

/** Runs a program that has to succeed; killed when the benchmark is interrupted. Returns its standard output. */
export async function run(signal: AbortSignal, ...argv: [string, ...string[]]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(argv, { signal, timeoutMs: 15 * 60_000 });
  if (exitCode !== 0) throw new Error(`${argv.slice(0, 3).join(' ')} ended with ${exitCode ?? 'a signal'}: ${(stderr.trim() || stdout.trim()).slice(-1500)}`);
  return stdout;
}

export const virsh = (signal: AbortSignal, ...args: string[]): Promise<string> => run(signal, 'virsh', '--quiet', '--connect', 'qemu:///system', ...args);

/** Makes everything below a directory durable, and itself: what Modosu does too before it says that something is stored. */
export async function fsyncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await fsyncTree(path);
    else if (entry.isFile()) await fsyncFile(path);
  }
  await fsyncDirectory(directory);
}

/** Seconds the work has taken. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

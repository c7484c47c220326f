import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Ids of live processes of this program that have `argument` in their argument vector. */
export async function processesWith(program: string, argument: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const argv = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (argv[0]?.split('/').at(-1) === program && argv.some((part) => part.includes(argument))) found.push(Number(entry));
  }
  return found;
}

/** Asks until the answer is not null, false or undefined. Throws after the deadline. */
export async function eventually<T>(what: string, ask: () => Promise<T | null | undefined | false>, deadlineMs = 10_000): Promise<T> {
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > giveUpAt) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(20);
  }
}

/** What stands in a file, as those of /proc; empty when it is gone. */
export function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** SIGKILL, also to what is gone already. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

import type { GuestProgram } from '../guest-agent';

/** What is read of every guest, at once. Only root writes to them, and nobody can put a line into one that looks like a header of `head`. */
export const FACT_FILES = [
  '/etc/os-release',
  '/usr/lib/os-release',
  '/etc/debian_version',
  '/etc/redhat-release',
  '/proc/sys/kernel/osrelease',
  '/proc/version',
  '/proc/sys/kernel/hostname',
  '/proc/1/comm',
  '/etc/inittab',
  '/etc/passwd',
  '/etc/group',
  '/etc/resolv.conf',
  '/proc/self/mounts',
  '/proc/net/route',
  '/proc/net/ipv6_route',
  '/proc/net/tcp',
  '/proc/net/tcp6',
  '/proc/net/udp',
  '/proc/net/udp6',
] as const;
export type FactFile = (typeof FACT_FILES)[number];

export interface FileText {
  readonly text: string;
  /** There was more. The last line may be half of one. */
  readonly truncated: boolean;
}

/** Says the first `maxBytes` of each file behind its name: GNU's head does, and busybox's. */
export const headOf = (paths: readonly string[], maxBytes: number): GuestProgram['argv'] => ['head', '-v', '-c', String(maxBytes), '--', ...paths];

/** What `headOf` has said of `paths`, in their order; those that are not there are left out. Anything that is no such answer gives nothing. */
export function splitHeads(said: string, paths: readonly string[], maxBytes: number): Map<string, FileText> {
  const texts = new Map<string, FileText>();
  const begun: { path: string; headerAt: number; textAt: number }[] = [];
  let next = 0;
  for (const match of said.matchAll(/(?:^|\n)==> (\/.{1,200}) <==\n/g)) {
    const at = paths.indexOf(match[1] ?? '', next);
    if (at === -1) continue;
    next = at + 1;
    begun.push({ path: match[1] ?? '', headerAt: match.index, textAt: match.index + match[0].length });
  }
  for (const [index, { path, textAt }] of begun.entries()) {
    const text = said.slice(textAt, begun[index + 1]?.headerAt);
    texts.set(path, { text, truncated: Buffer.byteLength(text) >= maxBytes });
  }
  return texts;
}

/** Without half a line at the end, and without empty ones. */
export function linesOf({ text, truncated }: FileText): readonly string[] {
  const lines = text.split('\n');
  if (truncated) lines.pop();
  return lines.filter((line) => line.trim() !== '');
}

import type { DomainDescription } from '../domains/domain-xml';
import { filesOf } from '../volumes/usage';
import { unchangedDisks, type WayBackRecord } from './way-back';

interface Files {
  readonly disks: readonly { readonly target: string; readonly path: string }[];
  readonly nvramPath: string | null;
}

const sameFiles = (one: Files, other: Files): boolean => {
  const list = ({ disks, nvramPath }: Files): string => JSON.stringify([disks.map(({ target, path }) => `${target} ${path}`).sort(), nvramPath]);
  return list(one) === list(other);
};
const filesIn = ({ disks, nvram }: DomainDescription): Files => ({ disks, nvramPath: nvram?.path ?? null });

/** The same files under the same targets, and the same NVRAM. */
export const usesFilesOf = (one: DomainDescription, other: DomainDescription): boolean => sameFiles(filesIn(one), filesIn(other));

/**
 * Whether the swap of this record stands in the present definition: not while it names exactly what was kept, else when any file of the swap is used, also
 * below a snapshot that somebody has taken since. A file that the swap has left in place says nothing: it was used before, too.
 */
export async function isSwappedBy(record: WayBackRecord, present: DomainDescription): Promise<boolean> {
  if (!record.wasGone && sameFiles({ disks: record.volumes, nvramPath: record.nvram?.path ?? null }, filesIn(present))) return false;
  const before = new Set([...unchangedDisks(record).map(({ path }) => path), ...(record.nvram === null ? [] : [record.nvram.path])]);
  const puts = new Set(record.puts.filter((path) => !before.has(path)));
  return [...(await filesOf(present))].some((path) => puts.has(path) || path.endsWith(`.${record.runId}`));
}

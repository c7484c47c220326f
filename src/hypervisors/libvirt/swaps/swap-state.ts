import type { DomainDescription } from '../domain-xml';
import { filesOf } from '../usage';
import type { WayBackRecord } from './way-back';

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
 * below a snapshot that somebody has taken since.
 */
export async function isSwappedBy(record: WayBackRecord, present: DomainDescription): Promise<boolean> {
  if (!record.wasGone && sameFiles({ disks: record.volumes, nvramPath: record.nvram?.path ?? null }, filesIn(present))) return false;
  const puts = new Set(record.puts);
  return [...(await filesOf(present))].some((path) => puts.has(path) || path.endsWith(`.${record.runId}`));
}

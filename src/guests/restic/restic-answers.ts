import { asRecord, isCount, parseJson } from '../../contracts/json';
import { redact } from '../../contracts/redact';

/** What restic prints as JSON, written in the guest and so hostile: every field is looked at before it is believed. */

export interface ResticSummary {
  /** restic's id, full or its beginning. */
  readonly snapshotId: string;
  readonly files: number;
  readonly totalBytes: number;
  readonly addedBytes: number;
}

/** The last summary in the output of a backup; null when there is none that can be read. */
export function readSummary(stdout: string): ResticSummary | null {
  const line = stdout
    .trimEnd()
    .split('\n')
    .findLast((one) => one.includes('"message_type":"summary"'));
  const summary = recordOf(line);
  const snapshotId = summary['snapshot_id'];
  const [files, totalBytes, addedBytes] = [summary['total_files_processed'], summary['total_bytes_processed'], summary['data_added']];
  if (typeof snapshotId !== 'string' || !/^(?:[0-9a-f]{8}|[0-9a-f]{64})$/.test(snapshotId)) return null;
  return isCount(files) && isCount(totalBytes) && isCount(addedBytes) ? { snapshotId, files, totalBytes, addedBytes } : null;
}

/** The full id of the one snapshot that begins with `id` and has the tag; null when there is not exactly one. */
export function readSnapshotId(stdout: string, id: string, tag: string): string | null {
  const listed = parseJson(stdout);
  const found = (Array.isArray(listed) ? listed : [])
    .map(asRecord)
    .filter((snapshot) => Array.isArray(snapshot['tags']) && snapshot['tags'].includes(tag))
    .map((snapshot) => snapshot['id'])
    .filter((full): full is string => typeof full === 'string' && /^[0-9a-f]{64}$/.test(full) && full.startsWith(id));
  return found.length === 1 ? (found[0] ?? null) : null;
}

const MAX_FILES = 1_000;

/** Names of files that restic complained about, each once. */
export function unreadableFiles(output: string, secrets: readonly string[]): string[] {
  const names = new Set<string>();
  for (const line of output.split('\n')) {
    if (names.size >= MAX_FILES) break;
    if (!line.includes('"message_type":"error"')) continue;
    const item = recordOf(line)['item'];
    if (typeof item === 'string' && item !== '') names.add(redact(item, secrets));
  }
  return [...names];
}

const recordOf = (line: string | undefined): Record<string, unknown> => asRecord(parseJson(line ?? ''));

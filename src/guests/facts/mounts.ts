import { ModosuError } from '../../contracts/errors';
import type { Collected } from './fact-entries';
import { linesOf } from './fact-files';
import type { FactSource } from './fact-source';
import { parseMounts } from './parse-mounts';

/** What is mounted now, as the guest agent sees it. */
export async function collectMounts(source: FactSource): Promise<Collected> {
  const file = await source.needed('/proc/self/mounts');
  const facts = parseMounts(linesOf(file));
  if (facts.length === 0) throw new ModosuError('FACTS_NOT_COLLECTED', '/proc/self/mounts in the guest names no mount.');
  return { facts, truncated: file.truncated };
}

import { ModosuError } from '../../contracts/errors';
import type { Collected, RawFact } from './fact-entries';
import { linesOf, type FactFile } from './fact-files';
import type { FactSource } from './fact-source';
import { parseGroup, parsePasswd } from './parse-accounts';

/** Those of the guest's own files: what a directory service adds is not the server's. */
export const collectUsers = (source: FactSource): Promise<Collected> => read(source, '/etc/passwd', parsePasswd);
export const collectGroups = (source: FactSource): Promise<Collected> => read(source, '/etc/group', parseGroup);

async function read(source: FactSource, path: FactFile, parse: (lines: readonly string[]) => readonly RawFact[]): Promise<Collected> {
  const file = await source.needed(path);
  const facts = parse(linesOf(file));
  if (facts.length === 0) throw new ModosuError('FACTS_NOT_COLLECTED', `${path} in the guest names no account.`, { context: { path } });
  return { facts, truncated: file.truncated };
}

import { ModosuError } from '../../contracts/errors';
import type { Collected } from './fact-entries';
import type { FactSource } from './fact-source';
import { linesOf } from './fact-files';
import { parseOsRelease } from './parse-os-release';

/** More exact than os-release of the same system. */
const RELEASE_FILES = ['/etc/debian_version', '/etc/redhat-release'] as const;

export async function collectOs(source: FactSource): Promise<Collected> {
  const osRelease = (await source.file('/etc/os-release')) ?? (await source.needed('/usr/lib/os-release'));
  const facts = parseOsRelease(linesOf(osRelease));
  if (facts.length === 0) throw new ModosuError('FACTS_NOT_COLLECTED', 'os-release in the guest does not say which system it is.');
  const releases = await Promise.all(RELEASE_FILES.map(async (path) => ({ path, file: await source.file(path) })));
  return {
    facts: [...facts, ...releases.flatMap(({ path, file }) => (file === null ? [] : [[path, file.text.trim()] as const]))],
    truncated: osRelease.truncated,
  };
}

import { ModosuError } from '../../contracts/errors';
import type { Collected } from './fact-entries';
import type { FactSource } from './fact-source';

/** The kernel that runs: one that was installed since the last start is a package. Its command line is left out, it may hold what is secret. */
export async function collectKernel(source: FactSource): Promise<Collected> {
  const [release, build] = [await source.needed('/proc/sys/kernel/osrelease'), await source.file('/proc/version')];
  if (release.text.trim() === '') throw new ModosuError('FACTS_NOT_COLLECTED', 'The kernel of the guest does not say its release.');
  return { facts: [['release', release.text], ...(build === null ? [] : [['build', build.text] as const])], truncated: false };
}

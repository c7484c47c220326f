import { FACT_LIMITS, type OsFamily } from '../../contracts/facts';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { GuestProgram } from '../guest-agent';
import type { Collected, RawFact } from './fact-entries';
import type { FileText } from './fact-files';
import type { FactSource } from './fact-source';
import { DPKG_FORMAT, parseApk, parseDpkg, parseRpm, RPM_FORMAT } from './parse-packages';

interface Lister {
  readonly argv: GuestProgram['argv'];
  readonly parse: (said: FileText) => readonly RawFact[];
}

const DPKG: Lister = { argv: ['dpkg-query', '-W', '-f', DPKG_FORMAT], parse: parseDpkg };
const RPM: Lister = { argv: ['rpm', '-qa', '--qf', RPM_FORMAT], parse: parseRpm };
const APK: Lister = { argv: ['apk', 'info', '-v'], parse: parseApk };

/** SUSE and others have rpm too. */
const LISTERS: Readonly<Record<OsFamily, readonly [Lister, ...Lister[]]>> = { debian: [DPKG], rhel: [RPM], linux: [APK, RPM] };

/** What the package manager of the OS says is installed. Throws `GUEST_PROGRAM_MISSING` when the guest has none that is known. */
export async function collectPackages(source: FactSource, family: OsFamily): Promise<Collected> {
  const listers = LISTERS[family];
  for (const { argv, parse } of listers) {
    const said = await source.mustRun(argv, { maxBytes: FACT_LIMITS.packagesRawBytes }).catch((error: unknown) => {
      if (isModosuError(error) && error.code === 'GUEST_PROGRAM_MISSING') return null;
      throw error;
    });
    if (said !== null) return { facts: parse({ text: said.stdout, truncated: said.truncated }), truncated: said.truncated };
  }
  const programs = listers.map(({ argv }) => argv[0]);
  throw new ModosuError('GUEST_PROGRAM_MISSING', `The guest has no ${programs.join(' and no ')}: its packages cannot be listed.`, { context: { programs } });
}

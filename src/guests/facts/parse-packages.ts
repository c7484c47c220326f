import { ModosuError } from '../../contracts/errors';
import { cleanWords } from '../../contracts/text';
import type { FileText } from './fact-files';
import { linesOf } from './fact-files';
import type { RawFact } from './fact-entries';

/** For `dpkg-query -W -f`. */
export const DPKG_FORMAT = '${Package}:${Architecture}\\t${Version}\\t${Status}\\n';
/** For `rpm -qa --qf`. */
export const RPM_FORMAT = '%{NAME}.%{ARCH}\\t%{EVR}\\n';

/** Of what was removed only the configuration is there. */
const NOT_THERE = new Set(['config-files', 'not-installed']);

/** Lines of `DPKG_FORMAT`. */
export const parseDpkg = (said: FileText): readonly RawFact[] =>
  each('dpkg-query', said, (line) => {
    const [, name = '', version = '', wanted = '', state = ''] = /^([^\t ]+:[^\t ]+)\t([^\t]*)\t(\S+) \S+ (\S+)$/.exec(line) ?? [];
    if (name === '') return null;
    if (NOT_THERE.has(state)) return [];
    const notes = [...(state === 'installed' ? [] : [state]), ...(wanted === 'hold' ? ['on hold'] : [])];
    return [[name, [version, ...notes].join(', ')]];
  });

/** Lines of `RPM_FORMAT`. */
export const parseRpm = (said: FileText): readonly RawFact[] =>
  each('rpm', said, (line) => {
    const [, name = '', version = ''] = /^([^\t ]+\.[^\t ]+)\t([^\t ]+)$/.exec(line) ?? [];
    return name === '' ? null : [[name, version]];
  });

/** Lines of `apk info -v`, such as `musl-1.2.4-r2`. */
export const parseApk = (said: FileText): readonly RawFact[] =>
  each('apk', said, (line) => {
    const [, name = '', version = ''] = /^(\S+)-(\d[^\s-]*-r\d+)$/.exec(line) ?? [];
    return name === '' ? null : [[name, version]];
  });

/** One line that is none spoils all: a package that is not read would seem to be removed. */
function each(program: string, said: FileText, read: (line: string) => readonly RawFact[] | null): readonly RawFact[] {
  return linesOf(said).flatMap((line) => {
    const facts = read(line);
    if (facts !== null) return facts;
    throw new ModosuError('FACTS_NOT_COLLECTED', `${program} in the guest gave a list of packages that cannot be read, at "${cleanWords(line, 120)}".`, {
      context: { program },
    });
  });
}

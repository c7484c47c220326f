import { ModosuError } from '../../contracts/errors';
import { cleanWords } from '../../contracts/text';
import type { Collected } from './fact-entries';
import { linesOf } from './fact-files';
import type { FactSource } from './fact-source';
import { parseInittab, parseRunLevels, RUN_LEVEL_DIRECTORIES } from './parse-run-levels';
import { serviceFacts } from './parse-systemd';
import type { SystemdUnits } from './systemd-units';

/**
 * Services of systemd. Of other systems what starts them: scripts with the runlevels they are started in, and entries of inittab; whether they run cannot be
 * asked alike everywhere, and is not said.
 */
export async function collectServices(source: FactSource, systemd: SystemdUnits): Promise<Collected> {
  const known = await systemd.units();
  if (known !== null) return { facts: serviceFacts(known.files, known.units), truncated: known.truncated };
  const inittab = await source.file('/etc/inittab');
  const found = await source.run(['find', ...RUN_LEVEL_DIRECTORIES, '-maxdepth', '2', '(', '-type', 'f', '-o', '-type', 'l', ')']);
  const facts = [...parseRunLevels(linesOf({ text: found.stdout, truncated: found.truncated })), ...(inittab === null ? [] : parseInittab(linesOf(inittab)))];
  if (facts.length > 0) return { facts, truncated: found.truncated || inittab?.truncated === true };
  const first = cleanWords((await source.file('/proc/1/comm'))?.text ?? '', 40);
  throw new ModosuError(
    'FACTS_NOT_COLLECTED',
    `The first process of the guest is "${first}": only services of systemd, of runlevels and of inittab can be listed.`,
  );
}

import { ModosuError } from '../../contracts/errors';
import type { Collected } from './fact-entries';
import { linesOf } from './fact-files';
import type { FactSource } from './fact-source';
import { timerFacts } from './parse-systemd';
import { parseTasks } from './parse-tasks';
import type { SystemdUnits } from './systemd-units';

const CRONTABS = ['/etc/crontab', '/etc/anacrontab', '/etc/cron.d', '/etc/crontabs', '/var/spool/cron'] as const;
const SCRIPTS = ['/etc/cron.hourly', '/etc/cron.daily', '/etc/cron.weekly', '/etc/cron.monthly', '/etc/periodic'] as const;
/** What `at` runs once is no schedule. */
const ONCE = ['atjobs', 'atspool'] as const;
const MAX_LINES = 500;

/** Lines of crontabs and the scripts that cron runs, in one go; timers of systemd. Tasks of `at` are left out: they run once. */
export async function collectTasks(source: FactSource, systemd: SystemdUnits): Promise<Collected> {
  const units = await systemd.units();
  const said = await source.run([
    ...(['find', ...CRONTABS, ...SCRIPTS] as const),
    ...['(', ...ONCE.flatMap((name, index) => [...(index === 0 ? [] : ['-o']), '-name', name]), ')', '-prune'],
    ...['-o', '-type', 'f', '(', ...SCRIPTS.flatMap((path, index) => [...(index === 0 ? [] : ['-o']), '-path', `${path}/*`]), ')'],
    ...['-exec', 'sha256sum', '{}', '+'],
    ...['-o', '-type', 'f', '-exec', 'grep', '-asH', '-m', String(MAX_LINES), '-E', '^[[:space:]]*[^#[:space:]]', '{}', '+'],
  ]);
  // 1: some of them are not there, as everywhere.
  if (said.exitCode > 1) {
    throw new ModosuError('FACTS_NOT_COLLECTED', `find in the guest ended with exit code ${said.exitCode}: scheduled tasks cannot be listed.`);
  }
  return {
    facts: [...parseTasks(linesOf({ text: said.stdout, truncated: said.truncated })), ...(units === null ? [] : timerFacts(units.files, units.units))],
    truncated: said.truncated || units?.truncated === true,
  };
}

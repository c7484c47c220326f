import { formatBytes } from '../../contracts/format';
import type { CredentialDeclaration } from '../../contracts/credential';
import type { DataSet } from '../../contracts/data';
import type { HealthCheck, NicRole, Protection } from '../../contracts/protection';

/** One health check on one line: what is asked, and for how long. */
export const healthCheckText = (check: HealthCheck): string => `${check.name}: ${question(check)}, for up to ${check.timeoutSeconds} s`;

function question(check: HealthCheck): string {
  switch (check.kind) {
    case 'command':
      return `${argvText(check.argv)} in the guest`;
    case 'tcp':
      return `TCP connection to ${check.host}:${check.port}`;
    case 'sql':
      return `SQL in ${check.database} as ${check.user}: ${check.query}${check.expect === null ? '' : ` gives ${JSON.stringify(check.expect)}`}`;
  }
}

/** One data set on one line. */
export function dataSetText(dataSet: DataSet): string {
  const hooks = [
    ...(dataSet.before === null ? [] : [`before: ${argvText(dataSet.before)}`]),
    ...(dataSet.after === null ? [] : [`after: ${argvText(dataSet.after)}`]),
  ];
  const what =
    dataSet.kind === 'files'
      ? `files ${dataSet.paths.join(', ')}${dataSet.excludes.length === 0 ? '' : ` without ${dataSet.excludes.join(', ')}`}`
      : `PostgreSQL ${dataSet.databases.join(', ')}`;
  return [`${dataSet.name}: ${what}`, ...hooks].join('; ');
}

/** One declared credential on one line. */
const credentialText = ({ account, store, path, reapply }: CredentialDeclaration): string =>
  `${account}: ${path} in the secret store ${store}${reapply ? ', set again after restores' : ''}`;

const argvText = (argv: readonly string[]): string => argv.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : JSON.stringify(part))).join(' ');

/** A NIC that nobody has declared counts as production. */
export const nicRole = ({ nics }: Protection, mac: string): NicRole => nics.find((nic) => nic.mac === mac.toLowerCase())?.role ?? 'production';

/** What a server's owner has declared, as fields of its card. */
export function protectionFields({
  healthChecks,
  quiesce,
  onlineBackup,
  dataSets,
  ssh,
  credentials = [],
}: Protection): readonly (readonly [string, string | readonly string[]])[] {
  const hooks = [
    ...(quiesce.before === null ? [] : [`before: ${argvText(quiesce.before)}`]),
    ...(quiesce.after === null ? [] : [`after: ${argvText(quiesce.after)}`]),
  ];
  const { rateLimitBytesPerSecond: rate, maxGuestLatencyMs: latency } = onlineBackup;
  const limits = [
    ...(rate === null ? [] : [`${formatBytes(rate)}/s per disk`]),
    ...(latency === null ? [] : [`gives up when the guest's writes take longer than ${latency} ms`]),
  ];
  return [
    ['health checks', healthChecks.length === 0 ? 'none' : healthChecks.map(healthCheckText)],
    ['quiesce', hooks.length === 0 ? 'file systems only' : hooks],
    ['data sets', dataSets.length === 0 ? 'none' : dataSets.map(dataSetText)],
    ...(credentials.length === 0 ? [] : [['credentials', credentials.map(credentialText)] as const]),
    ['programs in the guest', ssh === null ? 'run by its agent' : `over SSH: ${ssh.user}@${ssh.host}, port ${ssh.port}${ssh.sudo ? ', with sudo' : ''}`],
    ['online backup', limits.length === 0 ? 'no limits of its own' : limits.join(', ')],
  ];
}

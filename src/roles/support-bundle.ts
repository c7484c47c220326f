import { existsSync, readFileSync } from 'node:fs';
import { constants, copyFile, link, mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { SUPPORT_BUNDLE } from '../cli/role-commands';
import { loadConfigOfInstallation, type Config } from '../config/config';
import { createLog } from '../config/log';
import { readSettings, secretsUnknownTo, type ServiceSettings } from '../config/settings';
import { stateLayout, type StateLayout } from '../config/state-layout';
import { programVersion } from '../config/version';
import { DEFAULT_STATE_DIRECTORY } from '../contracts/api/endpoints';
import { isModosuError, ModosuError, toModosuError } from '../contracts/errors';
import { formatBytes } from '../contracts/format';
import { runCommand } from '../system/child-process';
import { withinDeadline } from '../contracts/deadline';
import { errorCode, errorMessage } from '../system/files';
import { readArguments } from './arguments';
import { examine } from './doctor';
import { reportOf, type ReportFormat } from './doctor/report';
import { readEnvFile, withVariables } from './env-file';
import { about, catalogue, configuration, json, logs, type BundleFile } from './support/contents';
import { hideSecretsOf } from './support/hidden';
import { withoutSecrets } from './support/hidden-in-json';
import { openCatalog } from './wiring';

const TAR_TIMEOUT_MS = 300_000;
const DOCTOR_TIMEOUT_MS = 60_000;

/**
 * Packs what somebody needs who helps from outside: versions, configuration, `doctor`, the ends of the logs, the newest runs with their steps. Changes nothing.
 * Works as far as the installation does: a part that does not answer is in the bundle as its error. Secrets are taken out; what
 * people declared and wrote (names, paths, programs with arguments, queries, reasons) and the evidence of steps are in it.
 *
 * Throws `USAGE`, `SUPPORT_BUNDLE_REFUSED` (a secret that cannot be read, a file that is there already), `PROGRAM_MISSING`.
 */
export async function runSupportBundle(typed: NodeJS.ProcessEnv, args: readonly string[], write: (text: string) => void, now = new Date()): Promise<number> {
  const { file, format, envFile } = optionsOf(args, now);
  // Read once: it may be a pipe.
  const ofFile = envFile === null ? {} : await readEnvFile(envFile);
  const env = withVariables(typed, ofFile);
  const config = configOrNull(env);
  const layout = config?.layout ?? stateLayout(env['MODOSU_STATE_DIR'] ?? DEFAULT_STATE_DIRECTORY);
  const services = readSettings(layout);
  // For hiding nothing counts first: what was typed may have another secret under a name than the file, and either another than a service.
  const own = [env, { ...typed, ...ofFile }];
  const envs = [...own, ...own.flatMap((one) => services.map(({ variables }) => ({ ...one, ...variables })))];
  const hide = await hideSecretsOf(layout, ...envs);
  requireSecrets(envs, services, layout);
  const files = [
    README,
    about(programVersion(), now),
    configuration(env, services),
    ...(await logs(layout.logs)),
    ...(await Promise.all([doctor(env), ofCatalogue(config?.databaseUrl ?? null)])).flat(),
  ];
  await pack(
    file,
    files.map((file) => withoutSecrets(file, hide)),
  );
  const { size } = await stat(file);
  const names = files.map(({ path }) => path).sort();
  write(rendered({ file, sizeBytes: size, files: names }, format));
  return 0;
}

interface Packed {
  readonly file: string;
  readonly sizeBytes: number;
  readonly files: readonly string[];
}

function rendered(packed: Packed, format: ReportFormat): string {
  if (format === 'json') return `${JSON.stringify(packed, null, 2)}\n`;
  if (format === 'yaml') return stringify(packed);
  const { file, sizeBytes, files } = packed;
  return `${file} (${formatBytes(sizeBytes)})\n${files.map((name) => `  ${name}\n`).join('')}Secrets are taken out; names of servers, paths and reasons are in it, and so are programs with their arguments, queries, parameters of relations and evidence of steps. Look through it before you give it away.\n`;
}

/**
 * A secret that a service was given in a variable lies in no file that is known here: it cannot be hidden in what the service has written. The URL of the
 * database is one that `up` has written down among the secrets. Of services that were started in turn each has written something.
 */
function requireSecrets(envs: readonly NodeJS.ProcessEnv[], services: readonly ServiceSettings[], layout: StateLayout): void {
  const kept = existsSync(layout.databaseUrlFile) ? [readFileSync(layout.databaseUrlFile, 'utf8').trim()] : [];
  const lacking = services.map((service) => ({ ...service, unknown: secretsUnknownTo(envs, service, kept) })).filter(({ unknown }) => unknown.length > 0);
  if (lacking.length === 0) return;
  const what = lacking.map(({ role, unknown }) => `\`modosu ${role}\` was given secrets in its environment that are not known here: ${unknown.join(', ')}.`);
  const files = lacking.map(({ role }) => layout.settingsFiles[role]).join(', ');
  throw new ModosuError('SUPPORT_BUNDLE_REFUSED', `${what.join(' ')} Nobody could take them out.`, {
    hint: `Name the file with its variables: \`modosu support-bundle --variables /etc/modosu.env\`, or set them here. Another value than that of the service does not count. Where a service is no longer in use, and its logs are gone, remove what it has written down: ${files}.`,
    context: { variables: [...new Set(lacking.flatMap(({ unknown }) => unknown))] },
  });
}

/** A configuration that is wrong is something to look at, too: `doctor` says what is wrong with it. */
function configOrNull(env: NodeJS.ProcessEnv): Config | null {
  try {
    return loadConfigOfInstallation(env);
  } catch (error) {
    if (isModosuError(error) && error.code === 'CONFIG_INVALID') return null;
    throw error;
  }
}

const README: BundleFile = {
  path: 'README.txt',
  text: `Made by \`modosu support-bundle\`.

about.json          versions and machine
configuration.json  which variables are set, here and of the services that were started; not the values of those with a secret inside
doctor.json         what \`modosu doctor\` found
logs/               the ends of the logs
catalogue/          estate, newest runs and recovery points, open ways back, figures, verdict on the audit

Passwords, keys and tokens of this installation, of its copies elsewhere and of the secret stores that this machine declares are replaced by [redacted].

Look through catalogue/ before you give it away. As people declared and wrote it, it has: names and addresses of servers, paths, programs with their arguments, SQL queries of checks, parameters of relations between servers, instructions, and reasons; of the newest runs also the evidence of their steps: what programs in guests printed. A secret that somebody wrote there, and that lies nowhere on this machine, is not known and is still in it.
`,
};

async function doctor(env: NodeJS.ProcessEnv): Promise<BundleFile> {
  try {
    const late = (): ModosuError =>
      new ModosuError(
        'HYPERVISOR_COMMAND_TIMED_OUT',
        `\`modosu doctor\` has not ended within ${DOCTOR_TIMEOUT_MS / 1000} s: something that it looks at hangs.`,
      );
    return json('doctor.json', reportOf(await withinDeadline(examine(env), DOCTOR_TIMEOUT_MS, late)));
  } catch (error) {
    return json('doctor.error.json', toModosuError(error).summary());
  }
}

async function ofCatalogue(databaseUrl: string | null): Promise<readonly BundleFile[]> {
  if (databaseUrl === null) return [];
  const catalog = openCatalog(databaseUrl, createLog({ level: 'silent', role: 'support-bundle' }));
  const files = await catalogue(catalog);
  // A connection that hangs is not waited for: the process ends soon.
  void catalog.close().catch(() => undefined);
  return files;
}

/**
 * Nobody but its owner reads the bundle, and it is there whole or not at all. tar writes it, perhaps onto a stick: no file of ours that has to outlive a
 * power cut.
 */
async function pack(file: string, files: readonly BundleFile[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'modosu-support-'));
  const draft = `${file}.${process.pid}.part`;
  let ours = false;
  try {
    const name = basename(file).replace(/\.tar\.gz$|\.tgz$/, '');
    for (const { path, text } of files) {
      const target = join(directory, name, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text, { mode: 0o600 });
    }
    await orRefused(draft, async () => (await open(draft, 'wx', 0o600)).close());
    ours = true;
    const { exitCode, stderr } = await runCommand(['tar', '--create', '--gzip', '--file', draft, '--directory', directory, '--', name], {
      timeoutMs: TAR_TIMEOUT_MS,
    });
    if (exitCode !== 0) throw new ModosuError('INTERNAL', `tar could not pack the bundle: ${stderr.trim()}`);
    await orRefused(file, () => putInPlace(draft, file));
  } finally {
    if (ours) await rm(draft, { force: true });
    await rm(directory, { recursive: true, force: true });
  }
}

/** Throws when something stands there. */
async function putInPlace(draft: string, file: string): Promise<void> {
  try {
    await link(draft, file);
  } catch (error) {
    // A stick and some network mounts know no second name of a file.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCode(error) ?? '')) throw error;
    await copyFile(draft, file, constants.COPYFILE_EXCL);
  }
}

async function orRefused(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw new ModosuError('SUPPORT_BUNDLE_REFUSED', `The bundle cannot be written to ${path}: ${errorMessage(error)}`, { context: { path } });
  }
}

function optionsOf(args: readonly string[], now: Date): { readonly file: string; readonly format: ReportFormat; readonly envFile: string | null } {
  const { output, text } = readArguments(SUPPORT_BUNDLE, args);
  const file = text('file') ?? `modosu-support-${now.toISOString().slice(0, 19).replaceAll(':', '')}Z.tar.gz`;
  if (file === '') throw new ModosuError('USAGE', '`modosu support-bundle`: --file needs a path.', { hint: 'See `modosu support-bundle --help`.' });
  return { file: resolve(file), format: output, envFile: text('variables') };
}

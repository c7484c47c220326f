import { chmod, link, mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfigOfInstallation } from '../config/config';
import { createLog } from '../config/log';
import { programVersion } from '../config/version';
import { ModosuError, toModosuError } from '../contracts/errors';
import { formatBytes } from '../contracts/format';
import { errorMessage } from '../system/files';
import { runCommand } from '../system/child-process';
import { examine } from './doctor';
import { reportOf } from './doctor/report';
import { about, catalogue, configuration, json, logs, type BundleFile } from './support/contents';
import { hideSecretsOf } from './support/hidden';
import { openCatalog } from './wiring';

const TAR_TIMEOUT_MS = 300_000;

/**
 * Packs what somebody needs who helps from outside: versions, configuration, `doctor`, the ends of the logs, the newest runs with their steps. Changes nothing. Works as far as the installation does:
 * a part that does not answer is in the bundle as its error. Secrets are taken out; names of servers, paths and reasons that people wrote are in it.
 *
 * Throws `USAGE`, `SUPPORT_BUNDLE_REFUSED` (a secret that cannot be read, a file that is there already), `CONFIG_INVALID`, `PROGRAM_MISSING`.
 */
export async function runSupportBundle(env: NodeJS.ProcessEnv, args: readonly string[], write: (text: string) => void, now = new Date()): Promise<number> {
  const { file, asJson } = optionsOf(args, now);
  const config = loadConfigOfInstallation(env);
  const hide = await hideSecretsOf(config.layout.secrets, env);
  const files = [about(programVersion(), now), configuration(env), await doctor(env), ...(await logs(config)), ...(await ofCatalogue(config.databaseUrl))];
  const shown = [README, ...files].map(({ path, text }) => ({ path, text: hide(text) }));
  await pack(file, shown);
  const { size } = await stat(file);
  const names = shown.map(({ path }) => path).sort();
  if (asJson) write(`${JSON.stringify({ file, sizeBytes: size, files: names }, null, 2)}\n`);
  else write(`${file} (${formatBytes(size)})\n${names.map((name) => `  ${name}\n`).join('')}Secrets are taken out; names of servers, paths and reasons are in it. Look through it before you give it away.\n`);
  return 0;
}

const README: BundleFile = {
  path: 'README.txt',
  text: `Made by \`modosu support-bundle\`.

about.json          versions and machine
configuration.json  which variables are set; not the values of those with a secret inside
doctor.json         what \`modosu doctor\` found
logs/               the ends of the logs
catalogue/          estate, newest runs and recovery points, open ways back, figures, verdict on the audit

Passwords, keys and tokens of this installation are replaced by [redacted]. Names of servers, paths, and reasons that people wrote are in it.
`,
};

const doctor = async (env: NodeJS.ProcessEnv): Promise<BundleFile> => {
  try {
    return json('doctor.json', reportOf(await examine(env)));
  } catch (error) {
    return json('doctor.error.json', toModosuError(error).summary());
  }
};

async function ofCatalogue(databaseUrl: string | null): Promise<readonly BundleFile[]> {
  if (databaseUrl === null) return [];
  const catalog = openCatalog(databaseUrl, createLog({ level: 'silent', role: 'support-bundle' }));
  try {
    return await catalogue(catalog);
  } finally {
    await catalog.close();
  }
}

/** Nobody but its owner reads the bundle, and it is there whole or not at all. */
async function pack(file: string, files: readonly BundleFile[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'modosu-support-'));
  const draft = `${file}.part`;
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
    const { exitCode, stderr } = await runCommand(['tar', '--create', '--gzip', '--file', draft, '--directory', directory, '--', name], { timeoutMs: TAR_TIMEOUT_MS });
    if (exitCode !== 0) throw new ModosuError('INTERNAL', `tar could not pack the bundle: ${stderr.trim()}`);
    await chmod(draft, 0o600);
    await orRefused(file, () => link(draft, file));
  } finally {
    if (ours) await rm(draft, { force: true });
    await rm(directory, { recursive: true, force: true });
  }
}

async function orRefused(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw new ModosuError('SUPPORT_BUNDLE_REFUSED', `The bundle cannot be written to ${path}: ${errorMessage(error)}`, { context: { path } });
  }
}

function optionsOf(args: readonly string[], now: Date): { readonly file: string; readonly asJson: boolean } {
  try {
    const { values } = parseArgs({ args: [...args], options: { file: { type: 'string', short: 'f' }, output: { type: 'string', short: 'o', default: 'table' } }, allowPositionals: false });
    if (values.output !== 'table' && values.output !== 'json') throw new Error('--output must be table or json');
    if (values.file === '') throw new Error('--file needs a path');
    return { file: resolve(values.file ?? `modosu-support-${now.toISOString().slice(0, 19).replaceAll(':', '')}Z.tar.gz`), asJson: values.output === 'json' };
  } catch (error) {
    throw new ModosuError('USAGE', `\`modosu support-bundle\`: ${errorMessage(error)}.`, { hint: 'Use `modosu support-bundle [--file PATH] [--output table|json]`.' });
  }
}

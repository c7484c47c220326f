import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { beginFencingTokens } from '../catalog/catalog-import';
import { loadConfigOfInstallation, type Config } from '../config/config';
import { createLog } from '../config/log';
import type { RebuildReport } from '../contracts/catalog-copy';
import { ModosuError } from '../contracts/errors';
import { PART_NAME_PATTERN } from '../contracts/names';
import { writeLogins } from '../repositories/data/logins';
import { createResticCatalogueArchive } from '../repositories/catalogue/restic-catalogue-archive';
import { DirectorySecrets } from '../secrets/directory-secrets';
import { makeCopy, RECOVERY_KEY, RECOVERY_KEY_SHOWN } from './catalogue/copy';
import { adoptFound } from './catalogue/found';
import { NOTHING_READ_BACK, readBack, type NamedPlace, type ReadBack } from './catalogue/rebuild';
import { copiesText, isComplete, rebuildText } from './catalogue/render';
import { REPORT_FORMATS, type ReportFormat } from './doctor/report';
import { Adapters, catalogExport, openCatalog } from './wiring';

/**
 * `modosu catalog key|copy|copies|rebuild|compare`: what keeps the restore system itself from being lost, and brings it back. Beside the API, because it has to work
 * where nothing else is left. Returns the exit code. Throws `USAGE` and what its parts throw.
 */
export async function runCatalog(env: NodeJS.ProcessEnv, [command, ...args]: readonly string[], io: CatalogIo): Promise<number> {
  const carryOut = COMMANDS.get(command ?? '');
  if (carryOut === undefined) throw usage(command === undefined ? 'was not told what to do' : `does not know "${command}"`);
  return carryOut(env, args, io);
}

export interface CatalogIo {
  readonly write: (text: string) => void;
  /** For people, beside the data. */
  readonly say: (line: string) => void;
  readonly now: () => Date;
}

const COMMANDS: ReadonlyMap<string, (env: NodeJS.ProcessEnv, args: readonly string[], io: CatalogIo) => Promise<number>> = new Map([
  ['key', showKey],
  ['copy', copyNow],
  ['copies', listCopies],
  ['rebuild', rebuild],
  ['compare', compare],
]);

/** Who has done it, as the audit says. */
const ACTOR = 'administrator';
const MOST_KEY_BYTES = 4096;
const RECOVERY_KEY_PATTERN = /^[A-Za-z0-9_-]{16,256}$/;
const DEFAULT_REPOSITORY = 'main';
const DEFAULT_HYPERVISOR = 'local';

const USES = `\`modosu catalog key\`, \`modosu catalog copy\`, \`modosu catalog compare [--dry-run]\`, \`modosu catalog copies --repository DIRECTORY\` or \`modosu catalog rebuild --repository DIRECTORY --key-file FILE\``;
const usage = (problem: string, hint = `Use ${USES}.`): ModosuError => new ModosuError('USAGE', `\`modosu catalog\`: it ${problem}.`, { hint });

async function showKey(env: NodeJS.ProcessEnv, args: readonly string[], { write, say, now }: CatalogIo): Promise<number> {
  const { output } = options(args, {});
  const secrets = new DirectorySecrets(loadConfigOfInstallation(env).layout.secrets);
  const key = await secrets.getOrMake(RECOVERY_KEY);
  write(output === 'table' ? `${key}\n` : rendered({ recoveryKey: key }, output));
  await secrets.getOrMake(RECOVERY_KEY_SHOWN, () => now().toISOString());
  say('Write it down, and keep it away from this machine and from the repositories: without it nobody reads the copies of the catalogue.');
  return 0;
}

async function copyNow(env: NodeJS.ProcessEnv, args: readonly string[], { write, now }: CatalogIo): Promise<number> {
  const { output } = options(args, {});
  const config = loadConfigOfInstallation(env);
  const catalog = openCatalog(requireDatabase(config), createLog({ level: 'silent', role: 'catalog' }));
  try {
    const secrets = new DirectorySecrets(config.layout.secrets);
    const recoveryKey = await secrets.getOrMake(RECOVERY_KEY);
    const copies = [];
    for (const { name, path } of await catalog.listRepositories()) {
      const archive = createResticCatalogueArchive({ repositoryPath: path, recoveryKey });
      const { id, header } = await makeCopy({ exportCatalog: catalogExport(config, now), secrets, scratch: config.layout.scratch }, archive);
      // A worker that has never had the turn has no row of it yet.
      await catalog.takeCatalogCopyTurn(0, [name]);
      await catalog.recordCatalogCopy(name, { auditSeq: header.audit.seq, copiedAt: new Date(header.madeAt) });
      copies.push({ repository: name, path, copy: id, madeAt: header.madeAt });
    }
    if (copies.length === 0) throw new ModosuError('REPOSITORY_NOT_CONFIGURED', 'The catalogue has no image repository into which it could be copied.');
    write(
      output === 'table'
        ? copies.map(({ repository, path, copy }) => `copied into ${repository} (${path}): ${copy.slice(0, 8)}\n`).join('')
        : rendered(copies, output),
    );
    return 0;
  } finally {
    await catalog.close();
  }
}

async function listCopies(env: NodeJS.ProcessEnv, args: readonly string[], { write, say }: CatalogIo): Promise<number> {
  const { output, repository, keyFile } = options(args, { isRepositoryNeeded: true });
  const secrets = new DirectorySecrets(loadConfigOfInstallation(env).layout.secrets);
  const recoveryKey = await recoveryKeyOf(keyFile, secrets);
  if (recoveryKey === null) throw noKey();
  const copies = [];
  for (const { path } of repository) {
    const archive = createResticCatalogueArchive({ repositoryPath: path, recoveryKey });
    copies.push(...(await archive.list()).map(({ id, madeAt, host }) => ({ copy: id, madeAt: madeAt.toISOString(), host, path })));
  }
  write(output === 'table' ? copiesText(copies) : rendered(copies, output));
  if (copies.length === 0) say('There is none.');
  return 0;
}

async function rebuild(env: NodeJS.ProcessEnv, args: readonly string[], { write, now }: CatalogIo): Promise<number> {
  const { output, repository: places, keyFile, copy, withoutCopy, dryRun, hypervisor } = options(args, { isRepositoryNeeded: true, ofRebuild: true });
  const config = loadConfigOfInstallation(env);
  const { databaseOwnerUrl, layout } = config;
  if (databaseOwnerUrl === null) {
    throw new ModosuError('CONFIG_INVALID', 'A rebuild needs the connection of the database owner: MODOSU_DATABASE_OWNER_URL is not set.', {
      hint: 'Start `modosu up` on this state directory, or set the variable.',
    });
  }
  for (const { path } of places) await requireDirectory(path);
  const secrets = new DirectorySecrets(layout.secrets);
  const catalog = openCatalog(requireDatabase(config), createLog({ level: 'silent', role: 'catalog' }));
  try {
    await catalog.check();
    const archive = (repositoryPath: string, recoveryKey: string) => createResticCatalogueArchive({ repositoryPath, recoveryKey });
    let back: ReadBack;
    if (withoutCopy) {
      back = { ...NOTHING_READ_BACK, withoutCopy: '--without-copy was said' };
      if (!dryRun) {
        await beginFencingTokens(databaseOwnerUrl, now());
        await declareMissing(catalog, places, hypervisor);
      }
    } else {
      const recoveryKey = await recoveryKeyOf(keyFile, secrets);
      if (recoveryKey === null) throw noKey();
      const parts = {
        catalog,
        ownerUrl: databaseOwnerUrl,
        archive,
        secrets,
        scratch: layout.scratch,
        auditBefore: layout.auditBefore,
        actor: ACTOR,
        now: now(),
      };
      back = await readBack(parts, places, { recoveryKey, copyId: copy, isDryRun: dryRun });
      if (!dryRun) await writeLogins(secrets, layout.dataLoginsFile);
    }
    // A dry run has taken back what the repositories would be compared with.
    const isLookedAt = !(dryRun && back.copy !== null);
    const found = await adoptFound({
      catalog,
      ...new Adapters(config).byName(catalog),
      actor: ACTOR,
      hypervisor: hypervisor ?? DEFAULT_HYPERVISOR,
      isDryRun: dryRun,
    });
    const report: RebuildReport = {
      isDryRun: dryRun,
      ...back,
      ...found,
      ...(isLookedAt
        ? {}
        : { notLooked: [...found.notLooked, { where: 'repositories', what: 'Compared with the catalogue only when it is there: without --dry-run.' }] }),
    };
    write(output === 'table' ? rebuildText(report) : rendered(report, output));
    return isComplete(report) ? 0 : 1;
  } finally {
    await catalog.close();
  }
}

async function compare(env: NodeJS.ProcessEnv, args: readonly string[], { write }: CatalogIo): Promise<number> {
  const { output, dryRun, hypervisor } = options(args, { isComparison: true });
  const config = loadConfigOfInstallation(env);
  const catalog = openCatalog(requireDatabase(config), createLog({ level: 'silent', role: 'catalog' }));
  try {
    await catalog.check();
    const parts = { catalog, ...new Adapters(config).byName(catalog), actor: ACTOR, hypervisor: hypervisor ?? DEFAULT_HYPERVISOR, isDryRun: dryRun };
    const report: RebuildReport = { isDryRun: dryRun, ...NOTHING_READ_BACK, ...(await adoptFound(parts)) };
    write(output === 'table' ? rebuildText(report) : rendered(report, output));
    return isComplete(report) ? 0 : 1;
  } finally {
    await catalog.close();
  }
}

/** A catalogue that knows nothing: the repositories that were named, and the hypervisor on which servers are taken to be. */
async function declareMissing(catalog: ReturnType<typeof openCatalog>, places: readonly NamedPlace[], hypervisor: string | null): Promise<void> {
  const [hypervisors, repositories] = [await catalog.listHypervisors(), await catalog.listRepositories()];
  const name = hypervisor ?? DEFAULT_HYPERVISOR;
  const declared = places.filter(({ path }) => !repositories.some((known) => known.path === path));
  const unnamed = declared.filter((place) => place.name === null);
  if (unnamed.length > 1 || (unnamed.length === 1 && repositories.some((known) => known.name === DEFAULT_REPOSITORY))) {
    throw usage(`does not know what to call ${unnamed.map(({ path }) => path).join(', ')}`, 'Name them: --repository NAME=DIRECTORY.');
  }
  await catalog.applyEstate(
    ACTOR,
    {
      hypervisors: hypervisors.some((known) => known.name === name) ? [] : [{ name, kind: 'libvirt', uri: 'qemu:///system' }],
      repositories: declared.map((place) => ({ name: place.name ?? DEFAULT_REPOSITORY, kind: 'directory', path: place.path })),
      offsite: [],
      policies: [],
      servers: [],
      groups: [],
    },
    [],
  );
}

const noKey = (): ModosuError =>
  new ModosuError('RECOVERY_KEY_WRONG', 'There is no recovery key on this machine, and none was given.', {
    hint: 'Give the one that was written down: --key-file FILE. Without it, rebuild from the recovery points alone: --without-copy.',
  });

async function recoveryKeyOf(file: string | null, secrets: DirectorySecrets): Promise<string | null> {
  if (file === null) return secrets.read(RECOVERY_KEY);
  const { size } = await stat(file).catch((error: unknown) => {
    throw new ModosuError('USAGE', `The file of the recovery key, ${file}, cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`);
  });
  const key = size > MOST_KEY_BYTES ? '' : (await readFile(file, 'utf8')).trim();
  if (RECOVERY_KEY_PATTERN.test(key)) return key;
  throw new ModosuError('RECOVERY_KEY_WRONG', `${file} holds no recovery key: it is one line, as \`modosu catalog key\` has printed it.`);
}

async function requireDirectory(path: string): Promise<void> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isDirectory) return;
  throw new ModosuError('REPOSITORY_UNREACHABLE', `There is no directory ${path}.`, {
    hint: 'Mount the storage of the repository there, or name where it is now.',
  });
}

function requireDatabase({ databaseUrl }: Config): string {
  if (databaseUrl !== null) return databaseUrl;
  throw new ModosuError('CONFIG_INVALID', 'No address of the catalogue is known.', { hint: 'Start `modosu up`, or set MODOSU_DATABASE_URL.' });
}

interface Options {
  readonly output: ReportFormat;
  readonly repository: readonly NamedPlace[];
  readonly keyFile: string | null;
  readonly copy: string | null;
  readonly withoutCopy: boolean;
  readonly dryRun: boolean;
  readonly hypervisor: string | null;
}

function options(
  args: readonly string[],
  {
    isRepositoryNeeded = false,
    isComparison = false,
    ofRebuild = false,
  }: { readonly isRepositoryNeeded?: boolean; readonly isComparison?: boolean; readonly ofRebuild?: boolean },
): Options {
  const places = { repository: { type: 'string', multiple: true }, 'key-file': { type: 'string' } } as const;
  const comparing = { 'dry-run': { type: 'boolean' }, hypervisor: { type: 'string' } } as const;
  const more = { ...comparing, copy: { type: 'string' }, 'without-copy': { type: 'boolean' } } as const;
  let values: Record<string, string | boolean | string[] | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        ...(isRepositoryNeeded ? places : {}),
        ...(isComparison ? comparing : {}),
        ...(ofRebuild ? more : {}),
      },
      allowPositionals: false,
    }) as { values: typeof values });
  } catch (error) {
    throw usage(`cannot read what it was told: ${(error as Error).message}`);
  }
  const output = REPORT_FORMATS.find((known) => known === values['output']);
  if (output === undefined) throw usage(`knows no form "${String(values['output'])}"`, `Use --output ${REPORT_FORMATS.join('|')}.`);
  const repository = ((values['repository'] ?? []) as string[]).map(placeOf);
  if (isRepositoryNeeded && repository.length === 0) {
    throw usage('was not told where an image repository lies', 'Use --repository DIRECTORY, several times for several.');
  }
  const text = (name: string): string | null => (values[name] as string | undefined) ?? null;
  if (values['without-copy'] === true && (text('copy') !== null || text('key-file') !== null)) throw usage('cannot use a copy, or a key, and go without');
  return {
    output,
    repository,
    keyFile: text('key-file'),
    copy: text('copy'),
    withoutCopy: values['without-copy'] === true,
    dryRun: values['dry-run'] === true,
    hypervisor: text('hypervisor'),
  };
}

function placeOf(value: string): NamedPlace {
  const [, name, path] = /^([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$/.exec(value) ?? [null, null, value];
  if (name !== null && name !== undefined && !PART_NAME_PATTERN.test(name)) throw usage(`cannot take "${name}" for the name of a repository`);
  if (!isAbsolute(path ?? '')) throw usage(`needs absolute paths, not "${value}"`, 'Use --repository /path/of/the/repository.');
  return { name: name ?? null, path: resolve(path ?? '') };
}

const rendered = (value: unknown, format: ReportFormat): string => (format === 'yaml' ? stringify(value) : `${JSON.stringify(value, null, 2)}\n`);

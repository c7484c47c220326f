import { stat } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { Catalog } from '../catalog/catalog';
import { beginFencingTokens } from '../catalog/catalog-import';
import type { CATALOG } from '../cli/role-commands';
import { loadConfigOfInstallation, type Config } from '../config/config';
import { createLog } from '../config/log';
import type { Estate, RepositoryDeclaration } from '../contracts/estate';
import type { RebuildReport } from '../contracts/catalog-copy';
import { ModosuError, toModosuError } from '../contracts/errors';
import { cleanWords } from '../contracts/text';
import type { CatalogueGround } from '../repositories/catalogue/catalogue-ground';
import { createResticCatalogueArchive } from '../repositories/catalogue/restic-catalogue-archive';
import { writeLogins } from '../repositories/data/logins';
import type { ImageRepository } from '../repositories/image/image-repository';
import { DirectorySecrets } from '../secrets/directory-secrets';
import { makeCopy, RECOVERY_KEY, RECOVERY_KEY_SHOWN } from './catalogue/copy';
import { adoptFound, type FoundParts } from './catalogue/found';
import { catalogOptions, readEnvironmentFile, readKeyFile, usage, type CatalogOptions } from './catalogue/options';
import { groundsOf, NOTHING_READ_BACK, readBack, type Places, type ReadBack } from './catalogue/rebuild';
import { copiesText, isComplete, rebuildText } from './catalogue/render';
import type { ReportFormat } from './doctor/report';
import { NO_OWNER_HINT, namedDatabase } from './named-database';
import { Adapters, catalogueCopies, openCatalog } from './wiring';

/**
 * `modosu catalog key|copy|copies|rebuild|compare`: what keeps the restore system itself from being lost, and brings it back. Beside the API, because it has to work
 * where nothing else is left. Returns the exit code. Throws `USAGE` and what its parts throw.
 */
export async function runCatalog(env: NodeJS.ProcessEnv, [command, ...args]: readonly string[], io: CatalogIo): Promise<number> {
  if (command === undefined || !isCommand(command)) throw usage(command === undefined ? 'was not told what to do' : `does not know "${command}"`);
  return COMMANDS[command](env, args, io);
}

export interface CatalogIo {
  readonly write: (text: string) => void;
  /** For people, beside the data. */
  readonly say: (line: string) => void;
  readonly now: () => Date;
}

type CatalogCommand = (env: NodeJS.ProcessEnv, args: readonly string[], io: CatalogIo) => Promise<number>;

const COMMANDS: Readonly<Record<keyof typeof CATALOG, CatalogCommand>> = { key: showKey, copy: copyNow, copies: listCopies, rebuild, compare };
const isCommand = (name: string): name is keyof typeof CATALOG => Object.hasOwn(COMMANDS, name);

/** Who has done it, as the audit says. */
const ACTOR = 'administrator';
const MOST_MESSAGE = 500;
const DEFAULT_REPOSITORY = 'main';
const DEFAULT_HYPERVISOR = 'local';

async function showKey(env: NodeJS.ProcessEnv, args: readonly string[], { write, say, now }: CatalogIo): Promise<number> {
  const { output } = catalogOptions('key', args);
  const secrets = new DirectorySecrets(loadConfigOfInstallation(env).layout.secrets);
  const key = await secrets.getOrMake(RECOVERY_KEY);
  write(output === 'table' ? `${key}\n` : rendered({ recoveryKey: key }, output));
  await secrets.getOrMake(RECOVERY_KEY_SHOWN, () => now().toISOString());
  say('Write it down, and keep it away from this machine and from the repositories: without it nobody reads the copies of the catalogue.');
  if ((await secrets.list('offsite')).some((name) => name.endsWith('/environment'))) {
    say('Keep with it what opens the storage of the off-site repositories (secrets/offsite/NAME/environment): without that nobody gets at their copies.');
  }
  return 0;
}

async function copyNow(env: NodeJS.ProcessEnv, args: readonly string[], { write, say }: CatalogIo): Promise<number> {
  const { output } = catalogOptions('copy', args);
  const config = loadConfigOfInstallation(env);
  const catalog = openCatalog(requireDatabase(config), createLog({ level: 'silent', role: 'catalog' }));
  try {
    const { places, ...parts } = catalogueCopies(config, catalog);
    const all = await places.all();
    if (!all.some(({ kind }) => kind === 'image')) {
      throw new ModosuError('REPOSITORY_NOT_CONFIGURED', 'The catalogue has no image repository into which it could be copied.');
    }
    const reachable = await places.reachable('offsite');
    const copies = [];
    const problems = [];
    for (const place of all) {
      // A medium that is away by design, or a repository that was not used yet, is no failure.
      if (place.kind === 'offsite' && !reachable.some(({ name }) => name === place.name)) {
        say(`The off-site repository ${place.name} is not there, or was not made yet: nothing was copied into it.`);
        continue;
      }
      try {
        const { id, header } = await makeCopy(parts, await places.archive(place));
        // A worker that has never had the turn has no row of it yet.
        await catalog.takeCatalogCopyTurn(0, [place]);
        await catalog.recordCatalogCopy(place, { auditSeq: header.audit.seq, copiedAt: new Date(header.madeAt) });
        copies.push({ ...place, copy: id, madeAt: header.madeAt });
      } catch (thrown) {
        const error = toModosuError(thrown);
        problems.push({ ...place, ...error.summary() });
      }
    }
    const done = copies.map(({ kind, name, copy }) => `copied into ${kind === 'offsite' ? 'the off-site repository ' : ''}${name}: ${copy.slice(0, 8)}\n`);
    const failed = problems.map(({ name, code, message, hint }) => `not copied into ${name}: ${code}: ${cleanWords(message, MOST_MESSAGE)}\n  ${hint}\n`);
    write(output === 'table' ? [...done, ...failed].join('') : rendered({ copies, problems }, output));
    return problems.length === 0 ? 0 : 1;
  } finally {
    await catalog.close();
  }
}

async function listCopies(env: NodeJS.ProcessEnv, args: readonly string[], { write, say }: CatalogIo): Promise<number> {
  const options = catalogOptions('copies', args);
  const secrets = new DirectorySecrets(loadConfigOfInstallation(env).layout.secrets);
  const recoveryKey = options.keyFile === null ? await secrets.read(RECOVERY_KEY) : await readKeyFile(options.keyFile);
  if (recoveryKey === null) throw noKey();
  const copies = [];
  const problems = [];
  for (const ground of groundsOf(await placesOf(options))) {
    try {
      const found = await createResticCatalogueArchive({ ground, recoveryKey }).list();
      copies.push(...found.map(({ id, madeAt, host }) => ({ copy: id, madeAt: madeAt.toISOString(), host, path: ground.beside })));
    } catch (thrown) {
      problems.push(toModosuError(thrown));
    }
  }
  // What is to be said of the only place is said as ever.
  if (copies.length === 0 && problems[0] !== undefined) throw problems[0];
  write(options.output === 'table' ? copiesText(copies) : rendered(copies, options.output));
  for (const { code, message } of problems) say(`${code}: ${cleanWords(message, MOST_MESSAGE)}`);
  if (copies.length === 0) say('There is none.');
  return problems.length === 0 ? 0 : 1;
}

async function rebuild(env: NodeJS.ProcessEnv, args: readonly string[], { write, say, now }: CatalogIo): Promise<number> {
  const options = catalogOptions('rebuild', args);
  const { output, dryRun } = options;
  const config = loadConfigOfInstallation(env);
  const { databaseOwnerUrl, databaseOwnerUrlFrom, layout } = config;
  if (databaseOwnerUrl === null) {
    throw new ModosuError('CONFIG_INVALID', 'A rebuild needs the connection of the database owner: MODOSU_DATABASE_OWNER_URL is not set.', {
      hint: `Start \`modosu up\` on this state directory. Or: ${NO_OWNER_HINT}`,
    });
  }
  const databaseUrl = requireDatabase(config);
  say(namedDatabase(databaseOwnerUrl, databaseOwnerUrlFrom));
  for (const { path } of options.repository) await requireDirectory(path);
  const secrets = new DirectorySecrets(layout.secrets);
  const catalog = openCatalog(databaseUrl, createLog({ level: 'silent', role: 'catalog' }));
  try {
    await catalog.check();
    const { found: parts, back } = options.withoutCopy
      ? await beginAnew(config, catalog, databaseOwnerUrl, options, now())
      : { found: foundParts(config, catalog, options), back: await readBackFrom(catalog, databaseOwnerUrl, layout, secrets, options, now()) };
    if (back.copy !== null && !dryRun) await writeLogins(secrets, layout.dataLoginsFile);
    // A dry run has taken back what the repositories would be compared with.
    const isLookedAt = !(dryRun && back.copy !== null);
    const found = await adoptFound(parts);
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

async function readBackFrom(
  catalog: Catalog,
  ownerUrl: string,
  layout: Config['layout'],
  secrets: DirectorySecrets,
  options: CatalogOptions,
  now: Date,
): Promise<ReadBack> {
  const recoveryKey = options.keyFile === null ? await secrets.read(RECOVERY_KEY) : await readKeyFile(options.keyFile);
  if (recoveryKey === null) throw noKey();
  const parts = {
    catalog,
    ownerUrl,
    archive: (ground: CatalogueGround, key: string) => createResticCatalogueArchive({ ground, recoveryKey: key }),
    secrets,
    scratch: layout.scratch,
    auditBefore: layout.auditBefore,
    actor: ACTOR,
    now,
  };
  return readBack(parts, await placesOf(options), { recoveryKey, copyId: options.copy, isDryRun: options.dryRun });
}

/** Without a copy: the places that were named are declared, and what lies in them is all there is. A dry run looks into them just the same. */
async function beginAnew(
  config: Config,
  catalog: Catalog,
  ownerUrl: string,
  options: CatalogOptions,
  now: Date,
): Promise<{ readonly found: FoundParts; readonly back: ReadBack }> {
  const back = { ...NOTHING_READ_BACK, withoutCopy: '--without-copy was said' };
  const found = foundParts(config, catalog, options);
  const estate = await missingDeclarations(catalog, options);
  if (options.dryRun) return { back, found: withDeclared(found, estate.repositories, new Adapters(config).repository) };
  await beginFencingTokens(ownerUrl, now);
  await catalog.applyEstate(ACTOR, estate, []);
  return { back, found };
}

const foundParts = (config: Config, catalog: Catalog, { hypervisor, dryRun }: CatalogOptions): FoundParts => ({
  catalog,
  ...new Adapters(config).byName(catalog),
  actor: ACTOR,
  hypervisor,
  isDryRun: dryRun,
});

/** As if these repositories were declared already. */
function withDeclared(
  parts: FoundParts,
  declared: readonly RepositoryDeclaration[],
  repository: (declaration: RepositoryDeclaration) => ImageRepository,
): FoundParts {
  const { catalog, imageRepository } = parts;
  const catalogWith = Object.create(catalog, {
    listRepositories: { value: async () => [...(await catalog.listRepositories()), ...declared] },
  }) as FoundParts['catalog'];
  return {
    ...parts,
    catalog: catalogWith,
    imageRepository: async (name) => {
      const one = declared.find((declaration) => declaration.name === name);
      return one === undefined ? imageRepository(name) : repository(one);
    },
  };
}

async function placesOf({ repository, offsite, offsiteEnvironment }: CatalogOptions): Promise<Places> {
  const environment = await readEnvironmentFile(offsiteEnvironment);
  return { repository, offsite: offsite.map((one) => ({ ...one, environment })) };
}

async function compare(env: NodeJS.ProcessEnv, args: readonly string[], { write }: CatalogIo): Promise<number> {
  const options = catalogOptions('compare', args);
  const config = loadConfigOfInstallation(env);
  const catalog = openCatalog(requireDatabase(config), createLog({ level: 'silent', role: 'catalog' }));
  try {
    await catalog.check();
    const found = await adoptFound(foundParts(config, catalog, options));
    const report: RebuildReport = { isDryRun: options.dryRun, ...NOTHING_READ_BACK, ...found };
    write(options.output === 'table' ? rebuildText(report) : rendered(report, options.output));
    return isComplete(report) ? 0 : 1;
  } finally {
    await catalog.close();
  }
}

/** Of a catalogue that knows nothing: the repositories that were named, and the hypervisor on which servers are taken to be. */
async function missingDeclarations(catalog: Catalog, { repository: places, hypervisor }: CatalogOptions): Promise<Estate> {
  const [hypervisors, repositories] = [await catalog.listHypervisors(), await catalog.listRepositories()];
  const name = hypervisor ?? (hypervisors.length === 0 ? DEFAULT_HYPERVISOR : null);
  const declared = places.filter(({ path }) => !repositories.some((known) => known.path === path));
  const unnamed = declared.filter((place) => place.name === null);
  if (unnamed.length > 1 || (unnamed.length === 1 && repositories.some((known) => known.name === DEFAULT_REPOSITORY))) {
    throw usage(`does not know what to call ${unnamed.map(({ path }) => path).join(', ')}`, 'Name them: --repository NAME=DIRECTORY.');
  }
  return {
    hypervisors: name === null || hypervisors.some((known) => known.name === name) ? [] : [{ name, kind: 'libvirt', uri: 'qemu:///system' }],
    repositories: declared.map((place) => ({ name: place.name ?? DEFAULT_REPOSITORY, kind: 'directory', path: place.path })),
    offsite: [],
    policies: [],
    servers: [],
    groups: [],
    relations: [],
  };
}

const noKey = (): ModosuError =>
  new ModosuError('RECOVERY_KEY_WRONG', 'There is no recovery key on this machine, and none was given.', {
    hint: 'Give the one that was written down: --key-file FILE. Without it, rebuild from the recovery points alone: --without-copy.',
  });

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

const rendered = (value: unknown, format: ReportFormat): string => (format === 'yaml' ? stringify(value) : `${JSON.stringify(value, null, 2)}\n`);

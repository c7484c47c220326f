import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { verifyAuditChain } from '../../audit/audit-chain';
import type { Catalog } from '../../catalog/catalog';
import { importCatalog, readHeader } from '../../catalog/catalog-import';
import { AUDIT_FILE, CATALOGUE_FILE } from '../../catalog/copied-tables';
import type { CatalogCopyHeader, RebuildReport } from '../../contracts/catalog-copy';
import { ModosuError, toModosuError } from '../../contracts/errors';
import { parseJson } from '../../contracts/json';
import type { AuditEntryView } from '../../contracts/run';
import { quoted } from '../../contracts/text';
import type { CatalogueArchive } from '../../repositories/catalogue/catalogue-archive';
import { besideOffsite, inImageRepository, type CatalogueGround, type OffsiteGroundOptions } from '../../repositories/catalogue/catalogue-ground';
import { DirectorySecrets } from '../../secrets/directory-secrets';
import type { Secrets } from '../../secrets/secrets';
import { COPIED_SECRETS, RECOVERY_KEY, SECRETS_DIRECTORY } from './copy';

/** An image repository as it was named: where it lies now, and which one it is, if that was said. */
export interface ImagePlace {
  readonly name: string | null;
  readonly path: string;
}

/** An off-site repository as it was named, and what opens its storage. */
export type OffsiteGround = OffsiteGroundOptions;

export interface Places {
  readonly repository: readonly ImagePlace[];
  readonly offsite: readonly OffsiteGround[];
}

export interface RebuildParts {
  readonly catalog: Pick<Catalog, 'listServers'>;
  readonly ownerUrl: string;
  readonly archive: (ground: CatalogueGround, recoveryKey: string) => CatalogueArchive;
  readonly secrets: Secrets;
  /** A private directory; made where it is missing. */
  readonly scratch: string;
  /** Where the audit of before is kept. */
  readonly auditBefore: string;
  readonly actor: string;
  readonly now: Date;
}

export type ReadBack = Pick<RebuildReport, 'copy' | 'rows' | 'secrets' | 'audit' | 'interruptedRuns' | 'withoutCopy'>;

/** Where no copy is asked for. */
export const NOTHING_READ_BACK: ReadBack = {
  copy: null,
  withoutCopy: null,
  rows: {},
  secrets: { restored: 0, kept: [] },
  audit: null,
  interruptedRuns: [],
};

/**
 * Reads the newest copy of the catalogue, or the one that is named, back from the repositories: the secrets that are missing here, the audit of before as a
 * file of its own, then the catalogue, in one transaction. Called again after a death: begins anew. Throws `CATALOG_NOT_EMPTY`, and what the archive and the
 * catalogue throw.
 */
export async function readBack(
  parts: RebuildParts,
  places: Places,
  { recoveryKey, copyId, isDryRun }: { readonly recoveryKey: string; readonly copyId: string | null; readonly isDryRun: boolean },
): Promise<ReadBack> {
  const { archive, scratch, secrets } = parts;
  const servers = (await parts.catalog.listServers()).length;
  if (servers > 0) throw new ModosuError('CATALOG_NOT_EMPTY', `The catalogue already has ${servers} server${servers === 1 ? '' : 's'}.`);
  const own = await secrets.read(RECOVERY_KEY);
  if (own !== null && own !== recoveryKey) {
    throw new ModosuError('RECOVERY_KEY_WRONG', 'This installation already has a recovery key of its own, and it is another one.', {
      hint: `Where nothing was copied with it yet, remove secrets/${RECOVERY_KEY} from the state directory, and rebuild again.`,
    });
  }
  const { ground, id } = await chooseCopy(groundsOf(places), (one) => archive(one, recoveryKey), copyId);
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(scratch, 'rebuild-'));
  try {
    await archive(ground, recoveryKey).fetch(id, directory);
    const file = join(directory, CATALOGUE_FILE);
    const { header, repositories } = await beginning(file);
    const paths = pathsOf(places.repository, repositories);
    const repository = [...paths].find(([, path]) => path === ground.beside)?.[0] ?? ground.beside;
    const copy = { id, repository, header };
    // The catalogue last: until it is there, everything can be done again.
    const broughtBack = await bringBackSecrets(secrets, join(directory, SECRETS_DIRECTORY), recoveryKey, isDryRun);
    const audit = await keepAudit(join(directory, AUDIT_FILE), header, parts.auditBefore, isDryRun);
    const { rows, interruptedRuns } = await importCatalog(rowsOf(file), {
      ownerUrl: parts.ownerUrl,
      copy,
      paths,
      actor: parts.actor,
      now: parts.now,
      isDryRun,
    });
    return { copy, withoutCopy: null, rows, interruptedRuns, secrets: broughtBack, audit };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export const groundsOf = ({ repository, offsite }: Places): readonly CatalogueGround[] => [
  ...repository.map(({ path }) => inImageRepository(path)),
  ...offsite.map(besideOffsite),
];

async function chooseCopy(
  grounds: readonly CatalogueGround[],
  archiveOn: (ground: CatalogueGround) => CatalogueArchive,
  copyId: string | null,
): Promise<{ readonly ground: CatalogueGround; readonly id: string }> {
  const found: { readonly ground: CatalogueGround; readonly id: string; readonly madeAt: Date }[] = [];
  let problem: ModosuError | null = null;
  for (const ground of grounds) {
    try {
      for (const { id, madeAt } of await archiveOn(ground).list()) found.push({ ground, id, madeAt });
    } catch (thrown) {
      const error = toModosuError(thrown);
      // One in which no copy was ever made hides none that is newer.
      if (error.code !== 'CATALOG_COPY_NOT_FOUND') problem ??= error;
    }
  }
  const candidates = copyId === null ? found : found.filter(({ id }) => id.startsWith(copyId));
  const [chosen] = candidates.toSorted((a, b) => b.madeAt.getTime() - a.madeAt.getTime());
  if (problem !== null && (chosen === undefined || copyId === null)) throw chosen === undefined ? problem : mayBeNewer(problem);
  if (chosen !== undefined) return chosen;
  const what = copyId === null ? 'There is no copy of the catalogue' : `There is no copy ${quoted(copyId)} of the catalogue`;
  throw new ModosuError('CATALOG_COPY_NOT_FOUND', `${what} in ${grounds.map(({ beside }) => beside).join(', ')}.`);
}

/** The newest copy may lie where nobody could look. */
const mayBeNewer = ({ code, message, context }: ModosuError): ModosuError =>
  new ModosuError(code, message, {
    hint: 'A newer copy of the catalogue may lie there. Mend that; or leave the place out; or say which copy is meant: --copy ID.',
    context,
  });

interface KnownRepository {
  readonly name: string;
  readonly path: string;
}

async function beginning(file: string): Promise<{ readonly header: CatalogCopyHeader; readonly repositories: readonly KnownRepository[] }> {
  const repositories: KnownRepository[] = [];
  let header: CatalogCopyHeader | null = null;
  for await (const line of linesOf(file)) {
    if (header === null) {
      header = readHeader(line);
      continue;
    }
    const { table, row } = parseJson(line) as { readonly table?: unknown; readonly row?: Partial<KnownRepository> };
    // They come before everything that is long.
    if (table !== 'hypervisor' && table !== 'repository') break;
    if (table === 'repository' && typeof row?.name === 'string' && typeof row.path === 'string') repositories.push({ name: row.name, path: row.path });
  }
  return { header: header ?? readHeader(undefined), repositories };
}

/** Which repository of the catalogue each place is. One that lies where it lay needs no name; nor does the only one. Throws `REQUEST_INVALID`. */
export function pathsOf(places: readonly ImagePlace[], known: readonly KnownRepository[]): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const { name, path } of places) {
    const one =
      name === null
        ? (known.find((repository) => repository.path === path) ?? (known.length === 1 ? known[0] : undefined))
        : known.find((repository) => repository.name === name);
    if (one === undefined || paths.has(one.name)) {
      const which = known.map((repository) => `${repository.name} (it was in ${repository.path})`).join(', ');
      throw new ModosuError(
        'REQUEST_INVALID',
        `Which repository lies in ${path} is not clear${name === null ? '' : `: ${quoted(name)} fits none, or was said twice`}.`,
        {
          hint: `Say it: --repository NAME=${path}. The catalogue knows ${which === '' ? 'none' : which}.`,
        },
      );
    }
    paths.set(one.name, path);
  }
  return paths;
}

async function* linesOf(file: string): AsyncIterable<string> {
  const input = createReadStream(file);
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) yield line;
  } finally {
    input.destroy();
  }
}

async function* rowsOf(file: string): AsyncIterable<string> {
  let isHeader = true;
  for await (const line of linesOf(file)) {
    if (!isHeader) yield line;
    isHeader = false;
  }
}

/** What is there already stays: it may open something that has come since. */
async function bringBackSecrets(secrets: Secrets, directory: string, recoveryKey: string, isDryRun: boolean): Promise<RebuildReport['secrets']> {
  let restored = 0;
  const kept: string[] = [];
  const copied = new DirectorySecrets(directory);
  const names = (await Promise.all(COPIED_SECRETS.map((below) => copied.list(below)))).flat();
  for (const name of names) {
    const value = (await copied.read(name)) ?? '';
    const present = await secrets.read(name);
    if (present === value) continue;
    if (present !== null) kept.push(name);
    else restored += 1;
    if (present === null && !isDryRun) await secrets.getOrMake(name, () => value);
  }
  if (!isDryRun) await secrets.getOrMake(RECOVERY_KEY, () => recoveryKey);
  return { restored, kept };
}

/** The audit of before goes on nowhere: the new one names its head, and it is kept to be read. */
async function keepAudit(file: string, { audit, madeAt }: CatalogCopyHeader, directory: string, isDryRun: boolean): Promise<RebuildReport['audit']> {
  const checked = await checkAudit(file);
  const reaches = checked.problem === null && (checked.head.seq !== audit.seq || checked.head.hash !== audit.hash);
  const problem = reaches ? `it ends with entry ${checked.head.seq}, not with ${audit.seq}, which its catalogue names` : checked.problem;
  const target = join(directory, `audit-until-${madeAt.replaceAll(':', '-')}.ndjson`);
  if (!isDryRun) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await copyFile(file, target);
  }
  return { file: target, entries: checked.entries, intact: problem === null, problem };
}

/** Whether each entry follows from the one before. */
async function checkAudit(file: string): Promise<{ readonly entries: number; readonly head: CatalogCopyHeader['audit']; readonly problem: string | null }> {
  const lines = linesOf(file)[Symbol.asyncIterator]();
  let head = { seq: 0, hash: '0'.repeat(64) };
  const result = await verifyAuditChain(async () => {
    const batch: AuditEntryView[] = [];
    while (batch.length < 1000) {
      const next = await lines.next();
      if (next.done === true) break;
      batch.push(parseJson(next.value) as AuditEntryView);
    }
    const last = batch.at(-1);
    if (last !== undefined) head = { seq: last.seq, hash: last.hash };
    return batch;
  });
  return { entries: result.entries, head, problem: result.intact ? null : result.problem };
}

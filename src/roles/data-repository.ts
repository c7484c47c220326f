import { stringify } from 'yaml';
import type { Catalog } from '../catalog/catalog';
import { RENEW } from '../cli/role-commands';
import { loadConfigOfInstallation } from '../config/config';
import { createLog } from '../config/log';
import { ModosuError, toModosuError, type ErrorSummary } from '../contracts/errors';
import { cleanWords } from '../contracts/text';
import type { DataRepository, DataRepositoryPresence } from '../repositories/data/data-repository';
import { readArguments } from './arguments';
import { allRecoveryPoints } from './catalogue/findings';
import type { ReportFormat } from './doctor/report';
import { openCatalog, openDataRepository } from './wiring';

/** Who has done it, as the audit says. */
const ACTOR = 'administrator';
const MOST_REASON = 500;
const MOST_MESSAGE = 500;

export interface DataRepositoryCommandParts {
  readonly catalog: Pick<Catalog, 'listServers' | 'listRecoveryPoints' | 'markRecoveryPoint' | 'audit'>;
  readonly data: Pick<DataRepository, 'presence' | 'giveUp'>;
}

export interface RenewOptions {
  /** Names of servers; empty: all. */
  readonly servers: readonly string[];
  readonly reason: string;
  readonly isDryRun: boolean;
}

/** What was found of the data repository of one server, and what came of it. */
export interface RenewedServer {
  readonly server: string;
  /** Null: nobody could say. */
  readonly presence: DataRepositoryPresence | null;
  /** It is not expected any more (of a dry run: it would not be). */
  readonly renewed: boolean;
  /** Ids of the recovery points that were in it, and count as damaged now. */
  readonly lost: readonly string[];
  readonly problem: ErrorSummary | null;
}

const usage = (problem: string): ModosuError =>
  new ModosuError('USAGE', `\`modosu data-repository\`: it ${problem}.`, {
    hint: 'Use `modosu data-repository renew (--server NAME … | --all) --reason TEXT [--dry-run]`.',
  });

/**
 * `modosu data-repository renew`: the storage of data repositories is lost, and they are to begin anew. On the machine of the worker, because the passwords lie
 * there. Returns the exit code. Throws `USAGE`, `SERVER_NOT_FOUND`.
 */
export async function runDataRepository(
  env: NodeJS.ProcessEnv,
  [command, ...args]: readonly string[],
  io: { readonly write: (text: string) => void; readonly say: (line: string) => void },
): Promise<number> {
  if (command !== 'renew') throw usage(command === undefined ? 'was not told what to do' : `does not know "${command}"`);
  const { output, ...options } = renewOptions(args);
  const config = loadConfigOfInstallation(env);
  if (config.databaseUrl === null) {
    throw new ModosuError('CONFIG_INVALID', 'No address of the catalogue is known.', { hint: 'Start `modosu up`, or set MODOSU_DATABASE_URL.' });
  }
  const catalog = openCatalog(config.databaseUrl, createLog({ level: 'silent', role: 'data-repository' }));
  try {
    await catalog.check();
    const servers = await renewDataRepositories({ catalog, data: openDataRepository(config) }, options);
    io.write(output === 'table' ? renewText(servers, options) : rendered({ isDryRun: options.isDryRun, servers }, output));
    if (options.isDryRun && servers.some(({ renewed }) => renewed)) {
      io.say('Where the storage is only not mounted, mount it instead: what was saved is there.');
    }
    return servers.some(({ problem }) => problem !== null) ? 1 : 0;
  } finally {
    await catalog.close();
  }
}

/**
 * Data repositories that were there and are gone are not expected any more: the next data backup, or the next fetch of an off-site copy, makes a new one. What
 * was in them counts as damaged from then on, so that it can be fetched. One that is there is left as it is. Idempotent: of one that died half-way nothing is
 * lost, and the next call goes on. Audited. Throws `SERVER_NOT_FOUND` for a name nobody knows, before anything is changed.
 */
export async function renewDataRepositories(
  { catalog, data }: DataRepositoryCommandParts,
  { servers: names, reason, isDryRun }: RenewOptions,
): Promise<readonly RenewedServer[]> {
  const known = await catalog.listServers();
  const unknown = names.find((name) => !known.some((server) => server.name === name));
  if (unknown !== undefined) throw new ModosuError('SERVER_NOT_FOUND', `There is no server "${unknown}".`, { context: { server: unknown } });
  const points = await allRecoveryPoints(catalog);

  const renewed: RenewedServer[] = [];
  for (const { id, name } of known.filter((server) => names.length === 0 || names.includes(server.name))) {
    let presence: DataRepositoryPresence | null = null;
    const lost: string[] = [];
    try {
      presence = await data.presence(id);
      if (presence === 'there' && names.length > 0) {
        throw new ModosuError('REQUEST_INVALID', `The data repository of ${name} is there: it is left as it is.`, {
          hint: 'What is damaged in it is found by `modosu verify --data-of NAME --reason TEXT`; its recovery points come back from off-site copies one by one.',
        });
      }
      if (presence === 'gone') {
        const were = points.filter((point) => point.kind === 'data' && point.serverId === id && (point.state === 'usable' || point.state === 'expired'));
        if (!isDryRun) {
          // First what it says of the past, then what it changes for the future: after a death in between the next call finds it gone again.
          for (const point of were) {
            await catalog.markRecoveryPoint(point.id, 'damaged', `The data repository of ${name} is lost: ${reason}`, { code: 'RECOVERY_POINT_INCOMPLETE' });
          }
          await data.giveUp(id);
          await catalog.audit({ actor: ACTOR, action: 'data-repository.renewed', serverId: id, details: { reason, lost: were.length } });
        }
        lost.push(...were.map((point) => point.id));
      }
      renewed.push({ server: name, presence, renewed: presence === 'gone', lost, problem: null });
    } catch (thrown) {
      renewed.push({ server: name, presence, renewed: false, lost, problem: toModosuError(thrown).summary() });
    }
  }
  return renewed;
}

function renewOptions(args: readonly string[]): RenewOptions & { readonly output: ReportFormat } {
  const { output, text, texts, has } = readArguments(RENEW, args);
  const [servers, all, reason, isDryRun] = [texts('server'), has('all'), text('reason') ?? '', has('dry-run')];
  if (all === servers.length > 0) throw usage(all ? 'was told both, some servers and all' : 'was not told which servers');
  if (reason.trim() === '' && !isDryRun) throw usage('was not told why');
  return { output, servers, reason: cleanWords(reason, MOST_REASON), isDryRun };
}

/** For people. */
export function renewText(servers: readonly RenewedServer[], { isDryRun }: Pick<RenewOptions, 'isDryRun'>): string {
  const clean = (text: string): string => cleanWords(text, MOST_MESSAGE);
  const lines = servers.flatMap(({ server, presence, renewed, lost, problem }) => {
    if (problem !== null) return [`${clean(server)}: ${problem.code}: ${clean(problem.message)}`, `  ${clean(problem.hint)}`];
    const points = `${lost.length} recovery ${lost.length === 1 ? 'point' : 'points'}`;
    if (renewed) return [`${clean(server)}: ${isDryRun ? 'is gone; would begin anew' : 'begins anew'}, without the ${points} it held`];
    return presence === 'never' ? [] : [`${clean(server)}: is there, and stays as it is`];
  });
  return `${[...(isDryRun ? ['Nothing was changed: this is what would be.'] : []), ...(lines.length === 0 ? ['No server has a data repository.'] : lines)].join('\n')}\n`;
}

const rendered = (value: unknown, format: ReportFormat): string => (format === 'yaml' ? stringify(value) : `${JSON.stringify(value, null, 2)}\n`);

import { rm } from 'node:fs/promises';
import { runMigrations } from '../../catalog/migrate';
import { ensureDatabase } from '../../catalog/ensure-database';
import type { Config } from '../../config/config';
import { dataAddresses, type DataAddresses } from '../../config/data-server';
import type { Log } from '../../config/log';
import type { InstallationEndpoints } from '../../config/state-layout';
import { ModosuError } from '../../contracts/errors';
import { writeLogins } from '../../repositories/data/logins';
import { RestServer } from '../../repositories/data/rest-server';
import { DirectorySecrets } from '../../secrets/directory-secrets';
import { initialiseCluster, postgresUrl, SUPERUSER } from '../../system/embedded-postgres';
import { writeFileDurably } from '../../system/files';
import type { TemporalClient } from '../../temporal/client';
import { ensureNamespace } from '../../temporal/namespace';
import { ensurePayloadKeys } from '../../temporal/payload-keys';
import { openCatalog, openTemporal } from '../wiring';
import { ensureAdminToken } from './admin-token';
import { dataPart, findRclone, prepareDataDirectory } from './data-part';
import { endLeftovers } from './leftovers';
import { Part, type PartDefinition } from './part';
import { choosePorts, type PortWish } from './ports';
import { postgresPart } from './postgres-part';
import { rolePart } from './role-part';
import { processesDirectory } from './state-directory';
import { findTemporalCli, temporalPart } from './temporal-part';

const DATABASE = 'modosu';
const OWNER_ROLE = 'modosu_owner';
const LOOPBACK = '127.0.0.1';
/** On a cluster with caches a new search attribute takes up to a minute. */
const NAMESPACE_DEADLINE_MS = 90_000;

interface Ports {
  readonly api: number;
  readonly postgres: number;
  readonly temporal: number;
  readonly data: number;
}

/** The parts of one installation, in their order. */
export class Installation {
  private readonly parts: Part[] = [];
  private stopped = false;
  private readonly secrets: DirectorySecrets;
  /** Kept while the parts live: a Temporal server that was started again is asked whether it serves. */
  private temporal: TemporalClient | null = null;

  constructor(
    private readonly config: Config,
    private readonly env: NodeJS.ProcessEnv,
    private readonly log: Log,
  ) {
    this.secrets = new DirectorySecrets(config.layout.secrets);
  }

  /** Resolves when the API answers and a worker polls. */
  async start(): Promise<InstallationEndpoints> {
    const { config, log } = this;
    const { layout } = config;
    const processes = processesDirectory(layout);
    await endLeftovers(processes, log);
    await rm(layout.endpointsFile, { force: true });
    if (config.payloadKeysFile === layout.payloadKeysFile) await ensurePayloadKeys(layout.payloadKeysFile, new Date());
    const temporalCli = config.temporalAddress === null ? findTemporalCli(config) : null;
    const rclone = config.dataServer.directory === null ? null : findRclone();
    if (config.dataServer.directory !== null) await prepareDataDirectory(config.dataServer.directory, config.layout);
    const ports = await this.choosePorts();
    const data = dataAddresses({ ...config.dataServer, port: ports.data });
    if (data === null) throw new ModosuError('INTERNAL', 'The server of the data repository was given no port.');

    const temporalAddress = config.temporalAddress ?? `${LOOPBACK}:${ports.temporal}`;
    this.temporal = openTemporal({ ...config, temporalAddress });
    const { temporal } = this;
    await this.together([
      () => this.startDatabase(ports.postgres),
      () => this.startTemporal(temporal, temporalCli, ports.temporal),
      () => this.startDataServer(rclone, ports.data, data),
    ]);

    const childEnv = this.childEnvironment(temporalAddress, ports);
    await this.together([() => this.startPart(rolePart('worker', childEnv)), () => this.startPart(rolePart('api', childEnv))]);
    const endpoints: InstallationEndpoints = {
      apiUrl: `http://${reachable(config.apiHost)}:${ports.api}`,
      temporalAddress,
      temporalNamespace: config.temporalNamespace,
      dataUrl: data.url,
      dataGuestUrl: data.guestUrl,
      dataCertificateFile: config.dataServer.certificateFile,
      dataDirectory: config.dataServer.directory,
      tokenFile: layout.adminTokenFile,
      supervisorPid: process.pid,
      startedAt: new Date().toISOString(),
    };
    // Others read it: the CLI of any user of this machine.
    await writeFileDurably(layout.endpointsFile, `${JSON.stringify(endpoints, null, 2)}\n`, 0o644);
    return endpoints;
  }

  /** Ends what was started: API, then worker, then the parts both need. Also in the middle of a start. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    await rm(this.config.layout.endpointsFile, { force: true });
    for (const name of ['api', 'worker', 'data', 'temporal', 'postgres']) {
      await this.parts.find((part) => part.name === name)?.stop();
    }
    await this.temporal?.close();
  }

  private async startDatabase(port: number): Promise<void> {
    const { config, log } = this;
    const { layout } = config;
    const databaseUrl = config.databaseUrl ?? (await this.startEmbeddedDatabase(port));
    const ownerUrl = config.databaseUrl === null ? await this.embeddedUrl(port, OWNER_ROLE, 'database-owner-password') : config.databaseOwnerUrl;
    await writeFileDurably(layout.databaseUrlFile, `${databaseUrl}\n`);
    if (config.databaseUrl === null && ownerUrl !== null) await writeFileDurably(layout.databaseOwnerUrlFile, `${ownerUrl}\n`);
    else await rm(layout.databaseOwnerUrlFile, { force: true }); // an external owner's password is not ours to keep

    if (ownerUrl !== null) {
      const executed = await runMigrations(ownerUrl, config.appRole);
      if (executed.length > 0) log.info({ migrations: executed }, 'database schema was brought up to date');
    }
    const catalog = openCatalog(databaseUrl, log);
    try {
      await catalog.check();
      await ensureAdminToken(catalog, layout.adminTokenFile);
    } finally {
      await catalog.close();
    }
  }

  private async startEmbeddedDatabase(port: number): Promise<string> {
    const { config, log } = this;
    const { layout } = config;
    const superuserPassword = await this.secret('postgres-password');
    const prepared = await initialiseCluster({ dataDirectory: layout.postgres, superuserPassword, cacheDirectory: config.cacheDirectory });
    await this.startPart(postgresPart({ prepared, dataDirectory: layout.postgres, port, superuserPassword, log }));
    await ensureDatabase({
      superuserUrl: postgresUrl(SUPERUSER, superuserPassword, port, 'postgres'),
      database: DATABASE,
      ownerRole: OWNER_ROLE,
      ownerPassword: await this.secret('database-owner-password'),
      appRole: config.appRole,
      appPassword: await this.secret('database-app-password'),
    });
    return this.embeddedUrl(port, config.appRole, 'database-app-password');
  }

  private async startTemporal(client: TemporalClient, cli: string | null, port: number): Promise<void> {
    const { config, log } = this;
    const ensure = (): Promise<void> =>
      ensureNamespace(client, {
        retentionDays: config.retentionDays,
        deadlineMs: NAMESPACE_DEADLINE_MS,
        onWarning: (message) => log.warn({ part: 'temporal' }, message),
      });
    if (cli === null) {
      await client.call(({ workflowService }) => workflowService.getSystemInfo({}));
      return ensure();
    }
    const databaseFile = config.layout.temporalDatabase;
    await this.startPart(temporalPart({ cli, databaseFile, port, uiPort: config.temporalUiPort, client, ensureNamespace: ensure }));
  }

  /** Logins are written for an external server too: it reads this file, or a copy of it. */
  private async startDataServer(rclone: string | null, port: number, addresses: DataAddresses): Promise<void> {
    const { layout, dataServer } = this.config;
    const { directory, host, certificateFile, keyFile } = dataServer;
    await writeLogins(this.secrets, layout.dataLoginsFile);
    if (rclone === null || directory === null) return;
    const tls = certificateFile === null || keyFile === null ? null : { certificateFile, keyFile };
    await this.startPart(dataPart({ rclone, directory, host, port, htpasswdFile: layout.dataLoginsFile, tls }, new RestServer(addresses.url, certificateFile)));
  }

  private async startPart(definition: PartDefinition): Promise<void> {
    if (this.stopped) throw new ModosuError('INTERNAL', `${definition.name} is not started: Modosu is stopping.`);
    const { log, config } = this;
    const part = new Part(definition, { log, logs: config.layout.logs, processes: processesDirectory(config.layout) });
    this.parts.push(part);
    await part.start();
  }

  /** Both to their end, so that nothing is still being started when the first error is thrown. */
  private async together(starts: readonly (() => Promise<void>)[]): Promise<void> {
    const outcomes = await Promise.allSettled(starts.map((start) => start()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  private async choosePorts(): Promise<Ports> {
    const { config } = this;
    const optional: readonly PortWish[] = [
      ...(config.databaseUrl === null ? [{ name: 'postgres', variable: 'MODOSU_POSTGRES_PORT', host: LOOPBACK, port: config.postgresPort }] : []),
      ...(config.temporalAddress === null ? [{ name: 'temporal', variable: 'MODOSU_TEMPORAL_PORT', host: LOOPBACK, port: config.temporalPort }] : []),
      ...(config.temporalAddress === null && config.temporalUiPort !== null
        ? [{ name: 'temporal-ui', variable: 'MODOSU_TEMPORAL_UI_PORT', host: LOOPBACK, port: config.temporalUiPort }]
        : []),
      ...(config.dataServer.externalUrl === null
        ? [{ name: 'data', variable: 'MODOSU_DATA_PORT', host: config.dataServer.host, port: config.dataServer.port }]
        : []),
    ];
    const chosen = await choosePorts(config.layout.portsFile, [
      { name: 'api', variable: 'MODOSU_API_PORT', host: config.apiHost, port: config.apiPort },
      ...optional,
    ]);
    return { api: chosen.api ?? 0, postgres: chosen.postgres ?? 0, temporal: chosen.temporal ?? 0, data: chosen.data ?? 0 };
  }

  /** The children read the connection from a file: an environment can be read in /proc, and ends up in crash reports. */
  private childEnvironment(temporalAddress: string, ports: Ports): NodeJS.ProcessEnv {
    const { MODOSU_DATABASE_URL, MODOSU_DATABASE_URL_FILE, MODOSU_DATABASE_OWNER_URL, MODOSU_DATABASE_OWNER_URL_FILE, ...rest } = this.env;
    return {
      ...rest,
      MODOSU_STATE_DIR: this.config.stateDirectory,
      MODOSU_DATABASE_URL_FILE: this.config.layout.databaseUrlFile,
      MODOSU_TEMPORAL_ADDRESS: temporalAddress,
      MODOSU_API_PORT: String(ports.api),
      MODOSU_DATA_PORT: String(ports.data),
    };
  }

  private secret(name: string): Promise<string> {
    return this.secrets.getOrMake(name);
  }

  private async embeddedUrl(port: number, role: string, passwordName: string): Promise<string> {
    return postgresUrl(role, await this.secret(passwordName), port, DATABASE);
  }
}

/** An address a client on this machine can use, for one that means "all addresses". */
function reachable(host: string): string {
  if (host === '0.0.0.0') return LOOPBACK;
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

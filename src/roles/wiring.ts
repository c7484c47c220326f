import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ActivityDependencies } from '../../activities/dependencies';
import type { Catalog } from '../catalog/catalog';
import { exportCatalog } from '../catalog/catalog-export';
import { createDataSource } from '../catalog/data-source';
import { createTypeormCatalog } from '../catalog/typeorm-catalog';
import { requireDataAddresses, type Config, type ServiceConfig } from '../config/config';
import { credentialVariables } from '../config/credential-variables';
import type { Log } from '../config/log';
import { programVersion } from '../config/version';
import type { HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration } from '../contracts/estate';
import { isModosuError, ModosuError } from '../contracts/errors';
import { hypervisorNotConfigured, offsiteNotConfigured, repositoryNotConfigured } from '../contracts/not-declared';
import { offsiteLocation } from '../contracts/offsite';
import { DeclaredStores } from '../credentials/declared-stores';
import { SshGuestAgent, type SshIdentity } from '../guests/ssh/ssh-guest-agent';
import type { Hypervisor } from '../hypervisors/hypervisor';
import { createLibvirtHypervisor } from '../hypervisors/libvirt/libvirt-hypervisor';
import type { DataRepository } from '../repositories/data/data-repository';
import { createResticDataRepository } from '../repositories/data/restic-data-repository';
import { createDirectoryImageRepository } from '../repositories/image/directory-image-repository';
import type { ImageRepository } from '../repositories/image/image-repository';
import type { OffsiteRepository } from '../repositories/offsite/offsite-repository';
import { createResticOffsiteRepository } from '../repositories/offsite/restic-offsite-repository';
import { DirectorySecrets } from '../secrets/directory-secrets';
import { sshKey } from '../secrets/ssh-key';
import type { CopyParts } from './catalogue/copy';
import { cataloguePlaces, type CataloguePlaces } from './catalogue/places';
import { TemporalClient } from '../temporal/client';
import { createDataConverter } from '../temporal/data-converter';
import { loadPayloadKeys } from '../temporal/payload-keys';

/** What the roles have in common: which adapter stands behind which port. */

export function openCatalog(databaseUrl: string, log: Log): Catalog {
  return createTypeormCatalog(createDataSource({ url: databaseUrl, onConnectionLost: (error) => log.warn({ error }, 'a connection to PostgreSQL was lost') }));
}

export function openTemporal(config: Pick<ServiceConfig, 'temporalAddress' | 'temporalNamespace' | 'payloadKeysFile'>): TemporalClient {
  return new TemporalClient({
    address: config.temporalAddress,
    namespace: config.temporalNamespace,
    dataConverter: createDataConverter(loadPayloadKeys(config.payloadKeysFile)),
  });
}

/** The one data repository of the installation. Throws `CONFIG_INVALID` when its server is not known, or its certificate cannot be read. */
export function openDataRepository(config: Config): DataRepository {
  const { dataServer, layout } = config;
  const { certificateFile, directory, maintenanceUrl } = dataServer;
  return createResticDataRepository({
    ...requireDataAddresses(config),
    caCertificate: certificateFile === null ? null : { file: certificateFile, pem: certificatesIn(certificateFile) },
    secrets: new DirectorySecrets(layout.secrets),
    htpasswdFile: layout.dataLoginsFile,
    directory,
    maintenanceUrl,
  });
}

/** With a connection of its own each time: the copy is one long reading transaction. */
export const catalogExport =
  ({ databaseUrl }: Pick<Config, 'databaseUrl'>, now: () => Date) =>
  async (directory: string): ReturnType<typeof exportCatalog> => {
    const dataSource = createDataSource({ url: databaseUrl ?? '', poolSize: 1, statementTimeoutMs: 0 });
    try {
      return await exportCatalog(dataSource, directory, { software: programVersion(), now: now() });
    } finally {
      if (dataSource.isInitialized) await dataSource.destroy();
    }
  };

/** Where and how copies of the catalogue are made. */
export function catalogueCopies(config: Config, catalog: Catalog): CopyParts & { readonly places: CataloguePlaces } {
  const { layout } = config;
  const secrets = new DirectorySecrets(layout.secrets);
  return { exportCatalog: catalogExport(config, () => new Date()), secrets, scratch: layout.scratch, places: cataloguePlaces(catalog, secrets) };
}

/** The certificates alone, as guests get them: a key may lie in the same file. */
function certificatesIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ModosuError(
      'CONFIG_INVALID',
      `MODOSU_DATA_TLS_CERT_FILE: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
      { cause: error },
    );
  }
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g);
  if (certificates === null) throw new ModosuError('CONFIG_INVALID', `MODOSU_DATA_TLS_CERT_FILE: ${file} holds no certificate.`);
  return `${certificates.join('\n')}\n`;
}

/** Adapters by declaration; made once for each. A changed declaration gives a new one. */
export class Adapters {
  private readonly hypervisors = new Map<string, Hypervisor>();
  private readonly repositories = new Map<string, ImageRepository>();
  private readonly offsites = new Map<string, OffsiteRepository>();

  private data: DataRepository | null = null;
  private identity: Promise<SshIdentity> | null = null;
  private stores: DeclaredStores | null = null;

  /** @param env where credentials of servers may stand in variables */
  constructor(
    private readonly config: Config,
    private readonly env: NodeJS.ProcessEnv = process.env,
  ) {}

  readonly hypervisor = (declaration: HypervisorDeclaration): Hypervisor =>
    once(this.hypervisors, declaration, () => {
      const { stallTimeoutMs, imageDirectories, proofDirectory, layout } = this.config;
      return createLibvirtHypervisor({
        name: declaration.name,
        uri: declaration.uri,
        stateDirectory: join(layout.hypervisors, declaration.name),
        stallTimeoutMs,
        imageDirectories,
        proofDirectory,
      });
    });

  readonly repository = (declaration: RepositoryDeclaration): ImageRepository =>
    once(this.repositories, declaration, () => createDirectoryImageRepository(declaration));

  /** Throws `OFFSITE_LOCATION_INVALID` for what an earlier version has let in. */
  readonly offsite = (declaration: OffsiteDeclaration): OffsiteRepository =>
    once(this.offsites, declaration, () => {
      const { name, location, media } = declaration;
      return createResticOffsiteRepository({ name, location: offsiteLocation(location), media, secrets: new DirectorySecrets(this.config.layout.secrets) });
    });

  readonly dataRepository = (): DataRepository => (this.data ??= openDataRepository(this.config));

  readonly overSsh: ActivityDependencies['overSsh'] = (agent, server, access) =>
    new SshGuestAgent({
      agent,
      server,
      access,
      identity: this.sshIdentity,
      directory: this.config.layout.guestSsh,
    });

  /** Asked once: a key that could not be made or read is tried again. */
  readonly sshIdentity = (): Promise<SshIdentity> => {
    const asked = (this.identity ??= sshKey(new DirectorySecrets(this.config.layout.secrets)));
    asked.catch(() => (this.identity = null));
    return asked;
  };

  /** Those that the administrator of this worker has declared. */
  readonly secretStores = (): DeclaredStores =>
    (this.stores ??= new DeclaredStores(this.config.secretStoresFile, {
      variables: credentialVariables(this.env),
      secrets: new DirectorySecrets(this.config.layout.secrets),
    }));

  /**
   * By the names of the catalogue, read again each time: an estate may be applied while a worker runs. Of hypervisors and image repositories what was read last counts
   * while the catalogue is away: nobody can apply anything then, and a server that a run has stopped must not stay off for it.
   */
  byName(
    catalog: Pick<Catalog, 'listHypervisors' | 'listRepositories' | 'listOffsite'>,
  ): Pick<ActivityDependencies, 'hypervisor' | 'imageRepository' | 'dataRepository' | 'offsiteRepository' | 'overSsh' | 'secretStore'> {
    const hypervisor = remembered(() => catalog.listHypervisors(), hypervisorNotConfigured);
    const repository = remembered(() => catalog.listRepositories(), repositoryNotConfigured);
    return {
      hypervisor: async (name) => this.hypervisor(await hypervisor(name)),
      imageRepository: async (name) => this.repository(await repository(name)),
      dataRepository: async () => this.dataRepository(),
      offsiteRepository: async (name) => this.offsite(find(await catalog.listOffsite(), name, offsiteNotConfigured)),
      overSsh: this.overSsh,
      secretStore: (name) => this.secretStores().open(name),
    };
  }
}

/**
 * One that is declared, by its name: as it was read last where the catalogue does not answer. Throws `CATALOG_UNAVAILABLE` where this one was not read before, and what
 * `notConfigured` gives for a name that nobody has declared.
 */
function remembered<T extends { readonly name: string }>(
  read: () => Promise<readonly T[]>,
  notConfigured: (name: string) => ModosuError,
): (name: string) => Promise<T> {
  let last: readonly T[] = [];
  return async (name) => {
    try {
      last = await read();
    } catch (error) {
      const known = last.find((declaration) => declaration.name === name);
      if (known === undefined || !isModosuError(error) || error.code !== 'CATALOG_UNAVAILABLE') throw error;
      return known;
    }
    return find(last, name, notConfigured);
  };
}

function once<T>(made: Map<string, T>, declaration: object, make: () => T): T {
  const key = JSON.stringify(declaration);
  const known = made.get(key);
  if (known !== undefined) return known;
  const fresh = make();
  made.set(key, fresh);
  return fresh;
}

function find<T extends { readonly name: string }>(declared: readonly T[], name: string, notConfigured: (name: string) => ModosuError): T {
  const found = declared.find((declaration) => declaration.name === name);
  if (found !== undefined) return found;
  throw notConfigured(name);
}

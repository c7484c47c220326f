import { join } from 'node:path';
import { ENDPOINTS_FILE, type Endpoints } from '../contracts/api/endpoints';

/** Roles that run as a service, in the order in which their settings count for commands. */
export const SERVICE_ROLES = ['up', 'worker', 'api'] as const;
export type ServiceRole = (typeof SERVICE_ROLES)[number];

/** Where things lie in the state directory. Modes are set by `roles/up/state-directory.ts`. */
export interface StateLayout {
  readonly root: string;
  /** 0700: passwords, keys, the first token. */
  readonly secrets: string;
  /** Facts about the running installation: addresses, process ids, chosen ports. No secrets. */
  readonly run: string;
  readonly logs: string;
  readonly postgres: string;
  readonly temporal: string;
  readonly temporalDatabase: string;
  /** Where the embedded server of the data repository stores, unless MODOSU_DATA_DIR says otherwise. */
  readonly dataRepository: string;
  /** Logins of the data repository and hashes of their passwords, for its server. The passwords lie in `secrets/data`. */
  readonly dataLoginsFile: string;
  /** Host keys of guests whose programs are run over SSH, as ssh reads them. */
  readonly guestSsh: string;
  /** 0700: what is put together for a copy of the catalogue, or read back from one; empty otherwise. */
  readonly scratch: string;
  /** The audit of installations that this one was rebuilt from. */
  readonly auditBefore: string;
  /** One directory for each hypervisor: records of running copies, and the definitions a restore has replaced (the way back). */
  readonly hypervisors: string;
  /** Connection URLs of the embedded PostgreSQL, written at each start of `modosu up`. */
  readonly databaseUrlFile: string;
  readonly databaseOwnerUrlFile: string;
  readonly payloadKeysFile: string;
  /** Declarations of secret stores, unless MODOSU_SECRET_STORES_FILE names another file. Holds no secret. */
  readonly secretStoresFile: string;
  readonly adminTokenFile: string;
  /** JSON of type `InstallationEndpoints`. */
  readonly endpointsFile: string;
  /** JSON of type `ServiceSettings`, one for each role; no secrets, for its owner alone. */
  readonly settingsFiles: Readonly<Record<ServiceRole, string>>;
  readonly portsFile: string;
  readonly lockFile: string;
}

export function stateLayout(stateDirectory: string): StateLayout {
  const under = (...parts: string[]): string => join(stateDirectory, ...parts);
  return {
    root: stateDirectory,
    secrets: under('secrets'),
    run: under('run'),
    logs: under('logs'),
    postgres: under('postgres'),
    temporal: under('temporal'),
    temporalDatabase: under('temporal', 'temporal.db'),
    dataRepository: under('data-repository'),
    dataLoginsFile: under('secrets', 'data-logins.htpasswd'),
    guestSsh: under('guest-ssh'),
    scratch: under('scratch'),
    auditBefore: under('audit-before'),
    hypervisors: under('hypervisors'),
    databaseUrlFile: under('secrets', 'database-url'),
    databaseOwnerUrlFile: under('secrets', 'database-owner-url'),
    payloadKeysFile: under('secrets', 'payload-keys.json'),
    secretStoresFile: under('secret-stores.yaml'),
    adminTokenFile: under('secrets', 'admin-token'),
    endpointsFile: under(ENDPOINTS_FILE),
    settingsFiles: {
      up: under('run', 'settings.up.json'),
      worker: under('run', 'settings.worker.json'),
      api: under('run', 'settings.api.json'),
    },
    portsFile: under('run', 'ports.json'),
    lockFile: under('run', 'lock'),
  };
}

/** What `run/endpoints.json` says, to the CLI among others, about an installation that `modosu up` has started. Removed at a clean stop. */
export interface InstallationEndpoints extends Readonly<Required<Pick<Endpoints, 'apiUrl' | 'tokenFile' | 'supervisorPid'>>> {
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** Server of the data repository, as this machine reaches it. */
  readonly dataUrl: string;
  readonly dataGuestUrl: string;
  /** The certificate to trust there. */
  readonly dataCertificateFile: string | null;
  /** Where it stores; null: an external server. */
  readonly dataDirectory: string | null;
  readonly startedAt: string;
}

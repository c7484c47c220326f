import type { Catalog } from '../src/catalog/catalog';
import type { SshAccess } from '../src/contracts/protection';
import type { ServerRef } from '../src/contracts/server';
import type { SecretStore } from '../src/credentials/secret-store';
import type { GuestAgent } from '../src/guests/guest-agent';
import type { Hypervisor } from '../src/hypervisors/hypervisor';
import type { ReadMarkers } from '../src/probes/probe';
import type { ProfileSource } from '../src/profiles/profile-source';
import type { DataRepository } from '../src/repositories/data/data-repository';
import type { OffsiteRepository } from '../src/repositories/offsite/offsite-repository';
import type { ImageRepository } from '../src/repositories/image/image-repository';

/** The part of a logger that activities use. */
export interface ActivityLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What a worker gives its activities. Adapters are chosen by the composition root: activities know only the ports. */
export interface ActivityDependencies {
  readonly catalog: Catalog;
  /** Throws `HYPERVISOR_NOT_CONFIGURED`. */
  hypervisor(name: string): Promise<Hypervisor>;
  /** The same guest, with its programs run over SSH. */
  overSsh(agent: GuestAgent, server: ServerRef, access: SshAccess): GuestAgent;
  /** Throws `REPOSITORY_NOT_CONFIGURED`. */
  imageRepository(name: string): Promise<ImageRepository>;
  /** The one data repository. Throws `CONFIG_INVALID` while its server is not known. */
  dataRepository(): Promise<DataRepository>;
  /** Throws `OFFSITE_NOT_CONFIGURED`. */
  offsiteRepository(name: string): Promise<OffsiteRepository>;
  readonly readMarkers: ReadMarkers;
  readonly profiles: ProfileSource;
  /** One that this worker knows. Throws `SECRET_STORE_NOT_CONFIGURED`, `SECRET_STORE_INVALID`. */
  secretStore(name: string): Promise<SecretStore>;
  readonly log: ActivityLog;
  /** Modosu's version, for manifests. */
  readonly version: string;
  /** How long the volumes a restore has replaced are kept. */
  readonly wayBackDays: number;
  /** Upper bound of each copy; absent: none. */
  readonly copyRateLimitBytesPerSecond?: number;
}

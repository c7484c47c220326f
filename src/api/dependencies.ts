import { Global, Inject, Module, type DynamicModule } from '@nestjs/common';
import type { Catalog } from '../catalog/catalog';
import type { HypervisorDeclaration, RepositoryDeclaration } from '../contracts/estate';
import type { RunStarter } from '../contracts/run-starter';
import type { Hypervisor } from '../hypervisors/hypervisor';
import type { ProfileSource } from '../profiles/profile-source';
import type { ImageRepository } from '../repositories/image/image-repository';

/** What the API writes its log lines to; pino's logger fits. */
export interface ApiLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** How long `/readyz`, `/metrics` and generations wait for one part. */
export const PART_TIMEOUT_MS = 3000;

export interface ApiConfig {
  /** Modosu's version, for `/healthz`. */
  readonly version: string;
  /** Comment lines on an event stream, so that proxies keep it open. Default 15,000 ms. */
  readonly heartbeatMs?: number;
  /** How often an event stream looks for a change of its run. Default 500 ms. */
  readonly runPollMs?: number;
  /** How long the live inspection of a server may take before the answer goes out without it. Default 15,000 ms. */
  readonly inspectionTimeoutMs?: number;
  /**
   * How long a part or a repository may take to answer before `/readyz` and `/metrics` count it as away, and a generation is shown without its definition.
   * Default `PART_TIMEOUT_MS`.
   */
  readonly partTimeoutMs?: number;
}

/** Everything the API needs from outside, put together by the role that starts it. */
export interface ApiDependencies {
  readonly catalog: Catalog;
  readonly runStarter: RunStarter;
  readonly hypervisor: (declaration: HypervisorDeclaration) => Hypervisor;
  readonly repository: (declaration: RepositoryDeclaration) => ImageRepository;
  readonly profiles: ProfileSource;
  readonly log: ApiLog;
  readonly config: ApiConfig;
}

const API_DEPENDENCIES = Symbol('API_DEPENDENCIES');

export const Dependencies = (): ReturnType<typeof Inject> => Inject(API_DEPENDENCIES);

@Global()
@Module({})
export class DependenciesModule {
  static with(dependencies: ApiDependencies): DynamicModule {
    const providers = [{ provide: API_DEPENDENCIES, useValue: dependencies }];
    return { module: DependenciesModule, providers, exports: providers };
  }
}

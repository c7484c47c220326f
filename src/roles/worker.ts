import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import type { ActivityDependencies } from '../../activities/dependencies';
import {
  createControlActivities,
  createHostActivities,
  createOffsiteActivities,
  createTransferActivities,
  createVerificationActivities,
} from '../../activities/registry';
import type { Catalog } from '../catalog/catalog';
import { loadConfigOfService, requireServices, type ServiceConfig } from '../config/config';
import { createLog, type Log } from '../config/log';
import { programVersion } from '../config/version';
import type { AlertChannel } from '../contracts/alert';
import { ModosuError, toModosuError } from '../contracts/errors';
import { ClockWatch } from '../domain/clock-watch';
import { email } from '../notify/email';
import type { SendAlert } from '../notify/send-alert';
import { webhook } from '../notify/webhook';
import { readMarkers } from '../probes/read-markers';
import { directoryProfiles } from '../profiles/directory-profile-source';
import { createDataConverter } from '../temporal/data-converter';
import { loadPayloadKeys } from '../temporal/payload-keys';
import { reconcileUntil } from '../temporal/reconcile';
import { createRunStarter } from '../temporal/run-starter';
import { installRuntime } from '../temporal/runtime';
import { syncSchedules } from '../temporal/schedules';
import { connectWorkers, WorkerFactory } from '../temporal/worker-factory';
import { builtWorkflowBundle } from '../temporal/workflow-bundle';
import { tellParent } from './parent';
import { writeSettings } from './settings';
import { aborted } from './shutdown';
import { keepCatalogueUntil } from './worker/catalogue-keeper';
import { sweepUntil } from './worker/janitor';
import { notifyUntil } from './worker/notifier';
import { offsiteUntil } from './worker/offsite';
import { retainUntil } from './worker/retention';
import { scheduleUntil } from './worker/scheduler';
import { Adapters, catalogueCopies, openCatalog, openTemporal } from './wiring';

/** How soon a newly applied hypervisor gets its workers. */
const HYPERVISORS_POLL_MS = 2_000;

/**
 * Carries out runs until `stop` aborts: workflows, the activities of every hypervisor in the catalogue, and the loop that keeps PostgreSQL and Temporal in
 * agreement. Then drains: running calls get their grace and are cancelled after it; Temporal gives them to the next worker. Needs PostgreSQL and Temporal at
 * start.
 */
export async function runWorker(env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void> {
  const config = requireServices(loadConfigOfService(env));
  const log = createLog({ level: config.logLevel, role: 'worker' });
  await writeSettings('worker', config, env, log);
  const workflowBundle = builtWorkflowBundle();
  const catalog = openCatalog(config.databaseUrl, log);
  const temporal = openTemporal(config);
  const runs = createRunStarter(temporal);
  try {
    await catalog.check();
    await runs.check();
    installRuntime(log);
    const connection = await connectWorkers(config.temporalAddress);
    try {
      const dataConverter = createDataConverter(loadPayloadKeys(config.payloadKeysFile));
      const crew = new Crew(
        new WorkerFactory({ connection, namespace: config.temporalNamespace, dataConverter }),
        activityDependencies(config, catalog, log),
        config,
        log,
      );
      const ending = AbortSignal.any([stop, crew.broken]);
      try {
        await crew.startControl(workflowBundle);
        await crew.serveHypervisors(catalog);
        log.info({ queues: crew.queues }, 'worker is polling');
        await tellParent({ type: 'ready' });
        await Promise.all([
          reconcileUntil(ending, { catalog, runs, log: log.child({ part: 'reconciler' }), now: () => new Date() }),
          followHypervisors(ending, crew, catalog, log),
          sweepUntil(ending, {
            catalog,
            runs,
            ...new Adapters(config).byName(catalog),
            log: log.child({ part: 'janitor' }),
            now: () => new Date(),
            expiryTried: new Map(),
            clock: new ClockWatch(),
          }),
          scheduleUntil(ending, {
            catalog,
            runs,
            imageRepository: new Adapters(config).byName(catalog).imageRepository,
            syncSchedules: (policies) => syncSchedules(temporal, policies),
            maxDataBackups: config.maxDataBackups,
            judgeHourUtc: config.judgeHourUtc,
            log: log.child({ part: 'scheduler' }),
            nowMs: () => performance.now(),
          }),
          retainUntil(ending, {
            catalog,
            ...new Adapters(config).byName(catalog),
            keptMs: config.expiredKeptMs,
            log: log.child({ part: 'retention' }),
            clock: new ClockWatch(),
            nowMs: () => performance.now(),
          }),
          keepCatalogueUntil(ending, {
            catalog,
            ...catalogueCopies(config, catalog),
            everyMs: { image: config.catalogCopyMs, offsite: config.catalogOffsiteCopyMs },
            log: log.child({ part: 'catalogue-keeper' }),
            nowMs: () => performance.now(),
          }),
          offsiteUntil(ending, {
            catalog,
            runs,
            offsiteRepository: new Adapters(config).byName(catalog).offsiteRepository,
            log: log.child({ part: 'offsite' }),
            nowMs: () => performance.now(),
          }),
          notifyUntil(ending, {
            catalog,
            channels: channelsOf(config, log.child({ part: 'notifier' })),
            log: log.child({ part: 'notifier' }),
            clock: new ClockWatch(),
            nowMs: () => performance.now(),
          }),
          aborted(ending),
        ]);
      } finally {
        log.info({}, 'worker is draining');
        await crew.drain();
      }
      if (!stop.aborted) throw toModosuError(crew.broken.reason);
    } finally {
      await connection.close();
    }
  } finally {
    await runs.close();
    await catalog.close();
  }
}

const channelsOf = ({ webhook: hook, email: mail }: ServiceConfig, log: Log): ReadonlyMap<AlertChannel, SendAlert> =>
  new Map<AlertChannel, SendAlert>([
    ...(hook === null ? [] : [['webhook', webhook(hook)] as const]),
    ...(mail === null
      ? []
      : [
          [
            'email',
            email(mail, {
              onRefused: (refused) => log.warn({ refused, of: mail.to.length }, 'the mail server has refused some receivers of a mail about an alert'),
            }),
          ] as const,
        ]),
  ]);

const activityDependencies = (config: ServiceConfig, catalog: Catalog, log: Log): ActivityDependencies => ({
  catalog,
  ...new Adapters(config).byName(catalog),
  readMarkers,
  profiles: directoryProfiles(config.profileDirectory),
  log,
  version: programVersion(),
  wayBackDays: config.wayBackDays,
  ...(config.copyRateLimitBytesPerSecond === null ? {} : { copyRateLimitBytesPerSecond: config.copyRateLimitBytesPerSecond }),
});

async function followHypervisors(signal: AbortSignal, crew: Crew, catalog: Catalog, log: Log): Promise<void> {
  let problem: string | null = null;
  while (!signal.aborted) {
    await delay(HYPERVISORS_POLL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await crew.serveHypervisors(catalog);
      problem = null;
    } catch (thrown) {
      const { code } = toModosuError(thrown);
      if (code !== problem) log.warn({ code, error: thrown }, 'the hypervisors of the catalogue cannot be read; it is tried again');
      problem = code;
    }
  }
}

/** The Temporal workers of this process. */
class Crew {
  private readonly running: { readonly worker: Worker; readonly ended: Promise<void> }[] = [];
  private readonly served = new Set<string>();
  private readonly breakage = new AbortController();

  constructor(
    private readonly factory: WorkerFactory,
    private readonly deps: ActivityDependencies,
    private readonly config: ServiceConfig,
    private readonly log: Log,
  ) {}

  /** Aborts when a worker has ended although nobody asked it to: the process ends and is started again. */
  get broken(): AbortSignal {
    return this.breakage.signal;
  }

  get queues(): readonly string[] {
    return this.running.map(({ worker }) => worker.options.taskQueue);
  }

  async startControl(workflowBundle: { readonly codePath: string }): Promise<void> {
    this.run(await this.factory.control(workflowBundle, { ...createControlActivities(this.deps) }));
  }

  /** Starts workers for hypervisors that have none yet. */
  async serveHypervisors(catalog: Catalog): Promise<void> {
    for (const { name } of await catalog.listHypervisors()) {
      if (this.served.has(name)) continue;
      this.run(await this.factory.host(name, { ...createHostActivities(this.deps) }));
      this.run(await this.factory.transfer(name, this.config.transferSlots, { ...createTransferActivities(this.deps) }));
      this.run(await this.factory.verification(name, { ...createVerificationActivities(this.deps) }));
      this.run(await this.factory.offsite(name, { ...createOffsiteActivities(this.deps) }));
      this.served.add(name);
      this.log.info({ hypervisor: name }, 'serving hypervisor');
    }
  }

  async drain(): Promise<void> {
    for (const { worker } of this.running) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all(this.running.map(({ ended }) => ended));
  }

  private run(worker: Worker): void {
    const { taskQueue } = worker.options;
    const ended = worker.run().then(
      () => this.breakage.abort(new ModosuError('TEMPORAL_UNAVAILABLE', `The worker of the queue ${taskQueue} has ended.`)),
      (error: unknown) => {
        this.log.error({ error, taskQueue }, 'a worker has failed');
        this.breakage.abort(
          new ModosuError(
            'TEMPORAL_UNAVAILABLE',
            `The worker of the queue ${taskQueue} has failed: ${error instanceof Error ? error.message : String(error)}.`,
            { cause: error },
          ),
        );
      },
    );
    this.running.push({ worker, ended });
  }
}

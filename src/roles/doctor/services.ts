import { createServer } from 'node:net';
import type { Catalog } from '../../catalog/catalog';
import type { Config } from '../../config/config';
import { readEndpoints } from '../../config/config';
import type { CatalogCopyState } from '../../contracts/catalog-copy';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids';
import type { DataRepository } from '../../repositories/data/data-repository';
import { offsiteSecret } from '../../repositories/offsite/offsite-place';
import { findProgram } from '../../system/child-process';
import { freeBytes } from '../../system/files';
import type { Secrets } from '../../secrets/secrets';
import type { TemporalClient } from '../../temporal/client';
import { inspectNamespace } from '../../temporal/namespace';
import { loadPayloadKeys } from '../../temporal/payload-keys';
import type { RunDispatcher } from '../../temporal/run-starter';
import { RECOVERY_KEY_SHOWN } from '../catalogue/copy';
import { fail, failed, look, ok, warn, withRoom, type Check } from './check';

/** Programs that copies and calls of a hypervisor on this machine need. */
const PROGRAMS = ['virsh', 'qemu-img', 'setpriv', 'flock', 'restic'];

/** @param servesData whether `modosu up` on this machine serves the data repository itself */
export const checkPrograms = (servesData: boolean): readonly Check[] =>
  [...PROGRAMS, ...(servesData ? ['rclone'] : [])].map((program) => {
    try {
      return ok(`program ${program}`, findProgram(program));
    } catch (error) {
      return failed(`program ${program}`, error);
    }
  });

export const checkPayloadKeys = (config: Config): Promise<readonly Check[]> =>
  look('payload keys', () => {
    const keys = loadPayloadKeys(config.payloadKeysFile);
    return Promise.resolve(ok('payload keys', `${config.payloadKeysFile}, current key "${keys.current.id}", ${keys.byId.size} in all`));
  });

export const checkCatalog = (catalog: Catalog): Promise<readonly Check[]> =>
  look('catalogue', async () => {
    await catalog.check();
    return ok('catalogue', 'PostgreSQL answers; its schema fits this program');
  });

/** Later than this something is wrong: a worker copies within minutes, and off-site within a quarter of an hour, or as it is configured, at most a day. */
const COPY_LATE_MS = { image: 3_600_000, offsite: 48 * 3_600_000 } as const;

/** Whether the restore system itself could be rebuilt. */
export const checkCatalogCopies = (catalog: Pick<Catalog, 'catalogCopies' | 'listOffsite'>, secrets: Secrets): Promise<readonly Check[]> =>
  look('catalogue copies', async () => {
    const copies = await catalog.catalogCopies();
    const removable = new Set((await catalog.listOffsite()).flatMap(({ name, media }) => (media === 'removable' ? [name] : [])));
    const checks: Check[] = [];
    for (const copy of copies) {
      const isUsed = copy.kind === 'image' || (await secrets.read(offsiteSecret(copy.name, 'repository-id'))) !== null;
      if (isUsed) checks.push(catalogCopyCheck(copy, copy.kind === 'offsite' && removable.has(copy.name)));
    }
    if (copies.length === 0 || (await secrets.read(RECOVERY_KEY_SHOWN)) !== null) return checks;
    return [
      ...checks,
      warn(
        'recovery key',
        'Nobody was ever shown it: should this machine be lost, nobody could read the copies of the catalogue.',
        'Write it down, and keep it elsewhere: `modosu catalog key`.',
      ),
    ];
  });

const AWAY: ReadonlySet<string> = new Set(['OFFSITE_OFFLINE', 'OFFSITE_UNREACHABLE']);

function catalogCopyCheck({ kind, name, copiedAt, behindSince, problem }: CatalogCopyState, mayBeAway: boolean): Check {
  const subject = `catalogue copy in ${kind === 'offsite' ? 'the off-site repository ' : ''}${name}`;
  // A medium that is taken away, also in the middle, is asked for by the copies of recovery points.
  if (problem !== null && !(mayBeAway && AWAY.has(problem.code))) {
    return warn(
      subject,
      `The last attempt failed: ${problem.message}`,
      `What the code means says \`modosu explain ${problem.code}\`; it is tried again by itself.`,
      problem.code,
    );
  }
  const isLate = behindSince !== null && Date.now() - Date.parse(behindSince) > COPY_LATE_MS[kind];
  if (copiedAt === null || (isLate && !mayBeAway)) {
    const since = copiedAt === null ? 'There is none.' : `The newest is of ${copiedAt}, and lacks what has happened since ${behindSince ?? ''}.`;
    return warn(subject, since, 'Look whether a worker runs that reaches the repository, or copy now: `modosu catalog copy`.');
  }
  return ok(subject, behindSince === null ? `of ${copiedAt}; everything that has happened is in it` : `of ${copiedAt}`);
}

export const checkTemporal = (temporal: TemporalClient, config: Config): Promise<readonly Check[]> =>
  look('temporal', async () => {
    const { retentionDays, missingSearchAttributes } = await inspectNamespace(temporal);
    const where = `${temporal.address}, namespace "${temporal.namespace}"`;
    if (missingSearchAttributes.length > 0) {
      return fail('temporal', `${where} lacks the search attributes ${missingSearchAttributes.join(', ')}.`, 'Run `modosu migrate`.', 'TEMPORAL_UNAVAILABLE');
    }
    if (retentionDays < config.retentionDays) {
      return warn(
        'temporal',
        `${where} keeps closed runs for ${retentionDays} days, not ${config.retentionDays}.`,
        'Run `modosu migrate`, or lower MODOSU_RETENTION_DAYS.',
      );
    }
    return ok('temporal', `${where}, ${retentionDays} days of history`);
  });

/** One line for each queue: without a worker its runs wait for ever. */
export const checkWorker = (runs: RunDispatcher, subject: string, queues: readonly string[]): Promise<readonly Check[]> =>
  look(subject, async () => {
    const polled = await Promise.all(queues.map((queue) => runs.hasWorker(queue)));
    const idle = queues.filter((_, index) => polled[index] !== true);
    if (idle.length === 0) return ok(subject, `polls ${queues.join(', ')}`);
    return fail(
      subject,
      `No worker polls ${idle.join(', ')}: runs wait there for ever.`,
      'Start one with `modosu up` or `modosu worker`; a new hypervisor is picked up within seconds.',
      'NO_WORKER',
    );
  });

export const checkControlWorker = (runs: RunDispatcher): Promise<readonly Check[]> => checkWorker(runs, 'worker', [CONTROL_TASK_QUEUE]);

/**
 * restic on this machine, and a server that answers, knows logins and takes nobody without one.
 * @param directory where the server stores, when that is on this machine
 */
export const checkDataRepository = (open: () => DataRepository, directory: string | null): Promise<readonly Check[]> =>
  look('data repository', async () => {
    const repository = open();
    const { restic, address } = await repository.probe();
    const detail = `${address} answers and knows its logins, restic ${restic}`;
    const removes = repository.canForget() ? 'what has expired is removed over an endpoint of its own' : 'what has expired is never removed';
    return directory === null
      ? ok('data repository', `${detail}; ${removes}`)
      : withRoom('data repository', `${detail}, ${directory}`, await freeBytes(directory));
  });

/** Answers, is stopped (its port free), or is another program. */
export const checkApi = (config: Config): Promise<readonly Check[]> =>
  look('api', async () => {
    const url = readEndpoints(config.layout)?.apiUrl ?? `http://${config.apiHost}:${config.apiPort}`;
    const version = await healthOf(url);
    if (version !== null) return ok('api', `${url} answers, version ${version}`);
    if (await isFree(config.apiHost, config.apiPort)) {
      return fail(
        'api',
        `Nothing answers at ${url}; the port is free.`,
        'Start Modosu with `modosu up`, or the API alone with `modosu api`.',
        'API_UNREACHABLE',
      );
    }
    return fail(
      'api',
      `Something other than Modosu's API listens at ${url}.`,
      `Find it with \`ss -ltnp 'sport = :${config.apiPort}'\`, or set MODOSU_API_PORT to another port.`,
      'PORT_TAKEN',
    );
  });

async function healthOf(url: string): Promise<string | null> {
  try {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(3000) });
    const body: unknown = await answer.json();
    return answer.ok && typeof body === 'object' && body !== null && 'version' in body ? String(body.version) : null;
  } catch {
    return null;
  }
}

const isFree = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });

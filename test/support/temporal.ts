import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataConverter } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime } from '@temporalio/worker';
import { findTemporalCli, LOCAL_TEMPORAL_ARGS } from '../../src/roles/up/temporal-part';
import { TemporalClient } from '../../src/temporal/client';
import { createDataConverter, FAILURE_CONVERTER_PATH } from '../../src/temporal/data-converter';
import { ensureNamespace } from '../../src/temporal/namespace';
import type { PayloadKeys } from '../../src/temporal/payload-keys';
import { payloadKeysOf } from './payload-keys';

/** A Temporal development server for one test file, with Modosu's namespace settings, search attributes and payload codec. */
export interface TestTemporal {
  readonly environment: TestWorkflowEnvironment;
  readonly address: string;
  readonly namespace: string;
  readonly keys: PayloadKeys;
  /** For workers: `Worker.create({ connection: environment.nativeConnection, namespace, dataConverter, … })`. */
  readonly dataConverter: DataConverter;
  readonly client: TemporalClient;
  close(): Promise<void>;
}

const ROOT = join(__dirname, '..', '..');

export const temporalCliForTests = (): string =>
  findTemporalCli({ temporalCli: process.env.MODOSU_TEMPORAL_CLI ?? null, cacheDirectory: process.env.MODOSU_CACHE_DIR ?? '/var/cache/modosu' });

/** Start it in `beforeAll`, close it in `afterAll`. Takes about a second. */
export async function startTemporalForTests(): Promise<TestTemporal> {
  quietRuntime();
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'existing-path', path: temporalCliForTests() }, extraArgs: [...LOCAL_TEMPORAL_ARGS] },
  });
  const namespace = `modosu-test-${randomBytes(4).toString('hex')}`;
  const keys = payloadKeysOf('test', { test: randomBytes(32) });
  const dataConverter = createDataConverter(keys);
  const client = new TemporalClient({ address: environment.address, namespace, dataConverter });
  await ensureNamespace(client, { retentionDays: 1, deadlineMs: 20_000 });
  return {
    environment,
    address: environment.address,
    namespace,
    keys,
    dataConverter,
    client,
    async close() {
      await client.close();
      await environment.teardown();
    },
  };
}

/** Another namespace of the same server, for what goes on at the same time under the same names. Closed with the server. */
export async function besideForTests(temporal: TestTemporal): Promise<Pick<TestTemporal, 'environment' | 'namespace'>> {
  const namespace = `modosu-test-${randomBytes(4).toString('hex')}`;
  const client = new TemporalClient({ address: temporal.address, namespace, dataConverter: temporal.dataConverter });
  try {
    await ensureNamespace(client, { retentionDays: 1, deadlineMs: 20_000 });
  } finally {
    await client.close();
  }
  return { environment: temporal.environment, namespace };
}

/** The SDK's chatter is kept out of test reports. Must come before the first server or worker of the file. */
function quietRuntime(): void {
  try {
    Runtime.install({ shutdownSignals: [], logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
  } catch {
    // this file has installed one
  }
}

/**
 * The project's workflows, bundled from their sources: `Worker.create({ workflowBundle: await bundleWorkflowsForTests() })`. Bundled once for the same
 * sources, kept in the temporary directory.
 */
export async function bundleWorkflowsForTests(workflowsPath: string = join(ROOT, 'workflows', 'index.ts')): Promise<{ readonly codePath: string }> {
  quietRuntime();
  const directory = join(tmpdir(), 'modosu-test-bundles');
  const codePath = join(directory, `${hashSources(workflowsPath)}.js`);
  if (!existsSync(codePath)) {
    const { code } = await bundleWorkflowCode({ workflowsPath, failureConverterPath: FAILURE_CONVERTER_PATH, logger: new DefaultLogger('ERROR') });
    mkdirSync(directory, { recursive: true });
    const draft = `${codePath}.${process.pid}`;
    writeFileSync(draft, code);
    renameSync(draft, codePath);
  }
  return { codePath };
}

/** Everything a workflow may import, by the import rules of the project, and the SDK's version. */
function hashSources(entry: string): string {
  const hash = createHash('sha256');
  const files = ['workflows', 'src/contracts', 'src/domain', 'src/temporal'].flatMap((directory) =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
      .map((name) => join(ROOT, directory, name)),
  );
  for (const file of [entry, ...files.sort(), join(ROOT, 'package-lock.json')]) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex').slice(0, 32);
}

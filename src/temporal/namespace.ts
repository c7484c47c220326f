import { setTimeout as delay } from 'node:timers/promises';
import { temporal as proto } from '@temporalio/proto';
import { NamespaceNotFoundError } from '@temporalio/common';
import { ModosuError } from '../contracts/errors';
import { SEARCH_ATTRIBUTES } from '../contracts/workflows';
import { grpcStatusOf, type TemporalClient } from './client';

const DAY_SECONDS = 86_400;
const ALREADY_EXISTS = 6;
const PERMISSION_DENIED = 7;

const TYPES = {
  KEYWORD: proto.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
} as const satisfies Record<(typeof SEARCH_ATTRIBUTES)[keyof typeof SEARCH_ATTRIBUTES], number>;

export interface NamespaceOptions {
  readonly retentionDays: number;
  /** How long to wait until namespace and search attributes can be used: up to a minute on a cluster with caches. */
  readonly deadlineMs: number;
  readonly onWarning?: (message: string) => void;
}

/**
 * Makes the namespace with its retention and the search attributes, and waits until both can be used. Idempotent. Without the right to change them an existing
 * namespace is taken as it is. Throws `TEMPORAL_UNAVAILABLE` after `deadlineMs`.
 */
export async function ensureNamespace(temporal: TemporalClient, { retentionDays, deadlineMs, onWarning = () => undefined }: NamespaceOptions): Promise<void> {
  const giveUpAt = Date.now() + deadlineMs;
  const until = async <T>(action: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        const mayPass = error instanceof ModosuError && error.code === 'TEMPORAL_UNAVAILABLE';
        if (!mayPass || Date.now() >= giveUpAt) throw error;
        await delay(100);
      }
    }
  };
  await until(() => ensureRetention(temporal, retentionDays, onWarning));
  await until(() => addSearchAttributes(temporal));
  await until(() => requireUsable(temporal));
}

/** What is wrong with the namespace, one line each; empty when everything a run needs is there. Read-only. Throws `TEMPORAL_UNAVAILABLE`. */
export async function inspectNamespace(
  temporal: TemporalClient,
): Promise<{ readonly retentionDays: number; readonly missingSearchAttributes: readonly string[] }> {
  const retentionDays = await readRetentionDays(temporal);
  const present = await listSearchAttributes(temporal);
  return { retentionDays, missingSearchAttributes: Object.keys(SEARCH_ATTRIBUTES).filter((name) => !present.has(name)) };
}

async function ensureRetention(temporal: TemporalClient, retentionDays: number, onWarning: (message: string) => void): Promise<void> {
  const workflowExecutionRetentionPeriod = { seconds: (retentionDays * DAY_SECONDS) as unknown as Long, nanos: 0 };
  const current = await temporal.call(async (client) => {
    try {
      const { config } = await client.workflowService.describeNamespace({ namespace: temporal.namespace });
      return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / DAY_SECONDS;
    } catch (error) {
      if (isNamespaceMissing(error)) return null;
      throw error;
    }
  });
  if (current === retentionDays) return;
  await temporal.call(async (client) => {
    try {
      if (current === null) {
        await client.workflowService.registerNamespace({ namespace: temporal.namespace, workflowExecutionRetentionPeriod });
      } else {
        await client.workflowService.updateNamespace({
          namespace: temporal.namespace,
          config: { workflowExecutionRetentionTtl: workflowExecutionRetentionPeriod },
        });
      }
    } catch (error) {
      const code = grpcStatusOf(error)?.code;
      if (code === ALREADY_EXISTS) return;
      if (code !== PERMISSION_DENIED || current === null) throw error;
      onWarning(`Temporal keeps closed runs for ${current} days and does not let us change that to ${retentionDays}.`);
    }
  });
}

async function addSearchAttributes(temporal: TemporalClient): Promise<void> {
  const present = await listSearchAttributes(temporal);
  const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => !present.has(name));
  if (missing.length === 0) return;
  await temporal.call(async () => {
    try {
      await temporal.connection.operatorService.addSearchAttributes({
        namespace: temporal.namespace,
        searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, TYPES[type]])),
      });
    } catch (error) {
      if (grpcStatusOf(error)?.code !== ALREADY_EXISTS) throw error;
    }
  });
}

/** A count by every attribute passes only when the front end has all of them in its cache; a start is checked against the same cache. */
async function requireUsable(temporal: TemporalClient): Promise<void> {
  const query = Object.keys(SEARCH_ATTRIBUTES)
    .map((name) => `${name} = 'none'`)
    .join(' AND ');
  await temporal.call(async (client) => {
    try {
      await client.workflow.count(query);
    } catch (error) {
      const status = grpcStatusOf(error);
      throw new ModosuError('TEMPORAL_UNAVAILABLE', `Namespace "${temporal.namespace}" of Temporal is not usable yet: ${status?.details ?? String(error)}.`, {
        cause: error,
      });
    }
  });
}

const readRetentionDays = (temporal: TemporalClient): Promise<number> =>
  temporal.call(async (client) => {
    const { config } = await client.workflowService.describeNamespace({ namespace: temporal.namespace });
    return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / DAY_SECONDS;
  });

const listSearchAttributes = (temporal: TemporalClient): Promise<ReadonlySet<string>> =>
  temporal.call(async () => {
    const { customAttributes } = await temporal.connection.operatorService.listSearchAttributes({ namespace: temporal.namespace });
    return new Set(Object.keys(customAttributes ?? {}));
  });

const isNamespaceMissing = (error: unknown): boolean => {
  if (error instanceof NamespaceNotFoundError) return true;
  const status = grpcStatusOf(error);
  return status?.code === 5;
};

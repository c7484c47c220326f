import { defineSearchAttributeKey, TypedSearchAttributes, type SearchAttributePair } from '@temporalio/common';

/** Typed keys of `SEARCH_ATTRIBUTES` in contracts. Their values are readable for everybody who can reach Temporal: ids and names only. */
const SERVER_KEY = defineSearchAttributeKey('ModosuServer', 'KEYWORD');
const HYPERVISOR_KEY = defineSearchAttributeKey('ModosuHypervisor', 'KEYWORD');
const KIND_KEY = defineSearchAttributeKey('ModosuKind', 'KEYWORD');
export const RUN_KEY = defineSearchAttributeKey('ModosuRun', 'KEYWORD');

export function searchAttributesOf(values: {
  readonly serverId: string;
  /** Absent for a plan: which hypervisor it concerns is found out while planning. */
  readonly hypervisor?: string;
  readonly kind: string;
  /** Run id, or plan id for a planning workflow. */
  readonly runId: string;
}): TypedSearchAttributes {
  const pairs: SearchAttributePair[] = [
    { key: SERVER_KEY, value: values.serverId },
    { key: KIND_KEY, value: values.kind },
    { key: RUN_KEY, value: values.runId },
  ];
  if (values.hypervisor !== undefined) pairs.push({ key: HYPERVISOR_KEY, value: values.hypervisor });
  return new TypedSearchAttributes(pairs);
}

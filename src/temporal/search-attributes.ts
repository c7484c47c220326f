import { defineSearchAttributeKey, TypedSearchAttributes, type SearchAttributePair } from '@temporalio/common';

/** Typed keys of `SEARCH_ATTRIBUTES` in contracts. Their values are readable for everybody who can reach Temporal: ids and names only. */
const SERVER_KEY = defineSearchAttributeKey('ModosuServer', 'KEYWORD');
const HYPERVISOR_KEY = defineSearchAttributeKey('ModosuHypervisor', 'KEYWORD');
const KIND_KEY = defineSearchAttributeKey('ModosuKind', 'KEYWORD');
export const RUN_KEY = defineSearchAttributeKey('ModosuRun', 'KEYWORD');

export function searchAttributesOf(values: {
  /** Absent for what concerns no single server. */
  readonly serverId?: string;
  /** Absent for a plan: which hypervisor it concerns is found out while planning. */
  readonly hypervisor?: string;
  readonly kind: string;
  /** Run id, or the id of the plan, verification or set for their workflows. */
  readonly runId: string;
}): TypedSearchAttributes {
  const pairs: SearchAttributePair[] = [
    { key: KIND_KEY, value: values.kind },
    { key: RUN_KEY, value: values.runId },
  ];
  if (values.serverId !== undefined) pairs.push({ key: SERVER_KEY, value: values.serverId });
  if (values.hypervisor !== undefined) pairs.push({ key: HYPERVISOR_KEY, value: values.hypervisor });
  return new TypedSearchAttributes(pairs);
}

import { isModosuError, type ModosuError } from '../../contracts/errors';
import { placeholdersOf } from '../../contracts/placeholders';
import type { MarkerSpec, ProbeSpec, Profile } from '../../contracts/profile';
import type { Relation, RelationPeer } from '../../contracts/relation';
import { parameterFaults, ruleFaults } from './relation-faults';

/** Stands for an address that nothing asks. */
const SOME_ADDRESS = '192.0.2.1';

/** What is wrong with a relation beside its profile, and where. */
export interface DeclaredFault {
  /** Below the relation, such as `peers[0]` or `parameters.hours`. */
  readonly field: string;
  readonly message: string;
  /** Which part of the profile is in the way of it, such as `marker zone-serial`; null: none. */
  readonly part: string | null;
}

/** What would be asked with these values: throws `PROBE_INVALID` for what could not be asked, whatever a server says. */
export type Askable = (spec: MarkerSpec, values: Readonly<Record<string, string>>) => unknown;

/**
 * Whatever would keep a rule of the profile from ever being judged for this relation, or a marker from ever being read: parameters, rules, and what would be
 * asked of each peer. Each fault once. Pure, as `askable` is.
 */
export function declaredFaults(relation: Relation, profile: Profile, askable: Askable): readonly DeclaredFault[] {
  const { parameters, server, peers } = relation;
  const ofParameters = [...parameterFaults(profile, parameters), ...peers.flatMap((peer) => ruleFaults(profile, parameters, { server, peer: peer.server }))];
  const ofProbes = peers.flatMap((peer, index) =>
    profile.markers.filter((spec) => index === 0 || isOfItsPeer(spec)).flatMap((spec) => probeFaults({ relation, profile, askable }, spec, peer, index)),
  );
  const found = [...ofParameters.map(({ parameter, ...fault }) => ({ field: fieldOf(parameter), ...fault })), ...ofProbes];
  // One value may be in the way of every part of a profile; the first one tells enough.
  return found.filter((fault, index) => index === found.findIndex(({ field, message }) => field === fault.field && message === fault.message));
}

/** The fault for people, with the part of the profile. */
export const faultText = ({ message, part }: DeclaredFault, { name }: Profile): string => (part === null ? message : `${message} (${part} of ${name})`);

const fieldOf = (parameter: string | null): string => (parameter === null ? 'parameters' : `parameters.${parameter}`);

interface Declared {
  readonly relation: Relation;
  readonly profile: Profile;
  readonly askable: Askable;
}

function probeFaults({ relation, profile, askable }: Declared, spec: MarkerSpec, peer: RelationPeer, index: number): readonly DeclaredFault[] {
  const part = `marker ${spec.name}`;
  const names = namesIn(spec.probe);
  const given = valuesOf(profile, relation.parameters);
  const isOverNetwork = NETWORK_KINDS.includes(spec.probe.kind) || names.includes('address');
  if (peer.address === null && spec.of !== 'server' && isOverNetwork) {
    return [{ field: `peers[${index}]`, message: `"${peer.server}" needs an address, because it is asked over the network`, part }];
  }
  if (relation.address === null && spec.of !== 'peer' && isOverNetwork) {
    return [{ field: 'address', message: `"${relation.server}" needs an address, because it is asked over the network`, part }];
  }
  const values = { ...given, server: relation.server, peer: peer.server, address: peer.address ?? SOME_ADDRESS };
  // What is missing was told already.
  if (names.some((name) => !Object.hasOwn(values, name))) return [];
  try {
    askable(spec, values);
    return [];
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'PROBE_INVALID') throw error;
    return [{ field: culprit(error, relation, names, index), message: error.message.replace(/\.$/, ''), part }];
  }
}

/** Which field of the relation is in the way, as near as can be told. */
function culprit(error: ModosuError, { parameters }: Relation, names: readonly string[], index: number): string {
  const named = error.context['parameter'];
  if (named === 'peer' || named === 'address') return `peers[${index}]`;
  if (named === 'server') return 'server';
  return fieldOf([named, ...names].find((name): name is string => typeof name === 'string' && Object.hasOwn(parameters, name)) ?? null);
}

const NETWORK_KINDS: readonly ProbeSpec['kind'][] = ['dns', 'tcp'];

const isOfItsPeer = ({ probe }: MarkerSpec): boolean =>
  NETWORK_KINDS.includes(probe.kind) || namesIn(probe).some((name) => name === 'peer' || name === 'address');

const namesIn = (probe: ProbeSpec): readonly string[] =>
  Object.values(probe)
    .flat()
    .flatMap((text: string) => placeholdersOf(text));

const valuesOf = (profile: Profile, parameters: Relation['parameters']): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(profile.parameters.flatMap((parameter) => (parameter.default === null ? [] : [[parameter.name, parameter.default]]))),
  ...parameters,
});

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
 * asked of the server and of each peer. Each fault once. Pure, as `askable` is.
 */
export function declaredFaults(relation: Relation, profile: Profile, askable: Askable): readonly DeclaredFault[] {
  const { parameters, server, peers } = relation;
  const ofParameters = [...parameterFaults(profile, parameters), ...peers.flatMap((peer) => ruleFaults(profile, parameters, { server, peer: peer.server }))];
  const ofProbes = peers.flatMap((peer, index) =>
    profile.markers.flatMap((spec) => sidesOf(relation, spec, peer, index).flatMap((side) => probeFaults({ relation, profile, askable }, spec, side))),
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

/** One of the two that a marker is asked of. */
interface Side {
  readonly name: string;
  readonly address: string | null;
  /** Where its address is declared. */
  readonly field: string;
  /** The peer beside which it is asked, and where that is declared. */
  readonly peer: string;
  readonly peerField: string;
}

function sidesOf(relation: Relation, { of }: MarkerSpec, peer: RelationPeer, index: number): readonly Side[] {
  const peerField = `peers[${index}]`;
  const beside = { peer: peer.server, peerField };
  return [
    ...(of === 'server' ? [] : [{ name: peer.server, address: peer.address, field: peerField, ...beside }]),
    ...(of === 'peer' ? [] : [{ name: relation.server, address: relation.address, field: 'address', ...beside }]),
  ];
}

function probeFaults({ relation, profile, askable }: Declared, spec: MarkerSpec, side: Side): readonly DeclaredFault[] {
  const part = `marker ${spec.name}`;
  const names = namesIn(spec.probe);
  if (side.address === null && (NETWORK_KINDS.includes(spec.probe.kind) || names.includes('address'))) {
    return [{ field: side.field, message: `"${side.name}" needs an address, because it is asked over the network`, part }];
  }
  const given = valuesOf(profile, relation.parameters);
  const values = { ...given, server: relation.server, peer: side.peer, address: side.address ?? SOME_ADDRESS };
  // What is missing was told already.
  if (names.some((name) => !Object.hasOwn(values, name))) return [];
  try {
    askable(spec, values);
    return [];
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'PROBE_INVALID') throw error;
    return [{ field: culprit(error, relation, names, side), message: error.message.replace(/\.$/, ''), part }];
  }
}

/** Which field of the relation is in the way, as near as can be told. */
function culprit(error: ModosuError, { parameters }: Relation, names: readonly string[], side: Side): string {
  const named = error.context['parameter'];
  if (named === 'peer') return side.peerField;
  if (named === 'address') return side.field;
  if (named === 'server') return 'server';
  return fieldOf([named, ...names].find((name): name is string => typeof name === 'string' && Object.hasOwn(parameters, name)) ?? null);
}

const NETWORK_KINDS: readonly ProbeSpec['kind'][] = ['dns', 'tcp'];

const namesIn = (probe: ProbeSpec): readonly string[] =>
  Object.values(probe)
    .flat()
    .flatMap((text: string) => placeholdersOf(text));

const valuesOf = (profile: Profile, parameters: Relation['parameters']): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(profile.parameters.flatMap((parameter) => (parameter.default === null ? [] : [[parameter.name, parameter.default]]))),
  ...parameters,
});

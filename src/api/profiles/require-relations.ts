import { isModosuError, type ModosuError } from '../../contracts/errors';
import { placeholdersOf } from '../../contracts/placeholders';
import type { MarkerSpec, ProbeSpec, Profile } from '../../contracts/profile';
import type { Relation, RelationPeer } from '../../contracts/relation';
import { parameterFaults, ruleFaults } from '../../domain/consistency/relation-faults';
import { askable } from '../../probes/askable';
import type { ProfileSource } from '../../profiles/profile-source';
import { RequestInvalidError, type FieldError } from '../http/request-invalid.error';
import { meant } from './find-profile';

/** More are not told at once. */
const MAX_ERRORS = 100;
/** Stands for an address that nothing asks. */
const SOME_ADDRESS = '192.0.2.1';

/**
 * Holds relations against the profiles they name: whatever would keep a rule from ever being judged, or a marker from ever being read, is told when it is
 * declared. Profiles are not looked at when no relation has one.
 *
 * @throws PROFILE_NOT_FOUND as soon as one profile is not there, RELATION_INVALID otherwise; `errors` names each wrong field, such as
 *   `estate.relations[0].parameters.hours`. PROFILE_INVALID when the files of profiles are wrong
 */
export async function requireRelations(relations: readonly Relation[], source: ProfileSource): Promise<void> {
  if (relations.every(({ profile }) => profile === null)) return;
  const profiles = await source.load();
  const byName = new Map(profiles.map((loaded) => [loaded.profile.name, loaded.profile]));
  const errors: FieldError[] = [];
  let code: 'PROFILE_NOT_FOUND' | 'RELATION_INVALID' = 'RELATION_INVALID';
  for (const [index, relation] of relations.entries()) {
    if (relation.profile === null) continue;
    const path = `estate.relations[${index}]`;
    const profile = byName.get(relation.profile);
    if (profile === undefined) {
      code = 'PROFILE_NOT_FOUND';
      errors.push({ path: `${path}.profile`, message: `no profile is named "${relation.profile}"${meant(profiles, relation.profile)}` });
    } else errors.push(...faultsOf(relation, profile).map((fault) => ({ path: `${path}.${fault.field}`, message: sentenceOf(fault, profile) })));
    if (errors.length >= MAX_ERRORS) break;
  }
  if (errors.length > 0) throw new RequestInvalidError(code, errors.slice(0, MAX_ERRORS));
}

interface RelationFault {
  /** Below the relation. */
  readonly field: string;
  readonly message: string;
  readonly part: string | null;
}

function faultsOf(relation: Relation, profile: Profile): readonly RelationFault[] {
  const { parameters, server, peers } = relation;
  const ofParameters = [...parameterFaults(profile, parameters), ...peers.flatMap((peer) => ruleFaults(profile, parameters, { server, peer: peer.server }))];
  const ofProbes = peers.flatMap((peer, index) =>
    profile.markers.filter((spec) => index === 0 || isOfItsPeer(spec)).flatMap((spec) => probeFaults(relation, profile, spec, peer, index)),
  );
  const found = [...ofParameters.map(({ parameter, ...fault }) => ({ field: fieldOf(parameter), ...fault })), ...ofProbes];
  // One value may be in the way of every part of a profile; the first one tells enough.
  return found.filter((fault, index) => index === found.findIndex(({ field, message }) => field === fault.field && message === fault.message));
}

const sentenceOf = ({ message, part }: RelationFault, { name }: Profile): string => (part === null ? message : `${message} (${part} of ${name})`);

const fieldOf = (parameter: string | null): string => (parameter === null ? 'parameters' : `parameters.${parameter}`);

function probeFaults(relation: Relation, profile: Profile, spec: MarkerSpec, peer: RelationPeer, index: number): readonly RelationFault[] {
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

import type { Relation } from '../../contracts/relation';
import { declaredFaults, faultText } from '../../domain/consistency/declared-faults';
import { askable } from '../../probes/askable';
import type { ProfileSource } from '../../profiles/profile-source';
import { RequestInvalidError, type FieldError } from '../http/request-invalid.error';
import { meant } from './find-profile';

/** More are not told at once. */
const MAX_ERRORS = 100;

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
    } else errors.push(...declaredFaults(relation, profile, askable).map((fault) => ({ path: `${path}.${fault.field}`, message: faultText(fault, profile) })));
    if (errors.length >= MAX_ERRORS) break;
  }
  if (errors.length > 0) throw new RequestInvalidError(code, errors.slice(0, MAX_ERRORS));
}

import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { planHash } from '../../src/catalog/plan-hash';
import { estateSchema } from '../../src/contracts/api/estate';
import type { RestorePlanBody } from '../../src/contracts/plan';
import type { FoundProfiles, LoadedProfile, Profile, ProfileProblem } from '../../src/contracts/profile';
import type { Relation } from '../../src/contracts/relation';
import type { ActivityDependencies } from '../../activities/dependencies';
import { givenReadyPlan, planBodyOf } from '../contract/catalog.fixtures';
import { createFakeCatalog } from './fake-catalog';
import { madeUpProfile } from './made-up-relations';

/** Three servers on two hypervisors with relations, and profiles that a test may change. db01 is the one that goes back. */

export interface RelationLab {
  readonly catalog: Catalog;
  readonly server: ServerRecord;
  readonly deps: ActivityDependencies;
  /** As the estate file does; what is not in it stays. */
  declare(relations: readonly Declared[]): Promise<void>;
  /** From now on these are the profiles; an error: finding them throws it. */
  profiles: readonly Profile[] | BrokenProfiles | Error;
}

export interface BrokenProfiles {
  readonly sound: readonly Profile[];
  readonly problems: readonly ProfileProblem[];
}

type Declared = Partial<Relation> & Pick<Relation, 'name' | 'server' | 'peers'>;

export async function relationLab(relations: readonly Declared[], more: Partial<ActivityDependencies> = {}): Promise<RelationLab> {
  const catalog = createFakeCatalog();
  const declare = async (declared: readonly Declared[]): Promise<void> => {
    await catalog.applyEstate('setup', estateWith(declared), RESOLVED);
  };
  await declare(relations);
  const lab = { catalog, server: await catalog.getServer('db01'), declare, profiles: [madeUpProfile()] as RelationLab['profiles'] };
  const find = async (): Promise<FoundProfiles> => {
    if (lab.profiles instanceof Error) throw lab.profiles;
    const { sound, problems } = 'sound' in lab.profiles ? lab.profiles : { sound: lab.profiles, problems: [] };
    return { profiles: sound.map(loaded), problems };
  };
  return Object.assign(lab, { deps: { catalog, profiles: { find }, ...more } as unknown as ActivityDependencies });
}

const loaded = (profile: Profile): LoadedProfile => ({ profile, origin: 'own', file: `${profile.name}.yaml` });

const NAMES = ['db01', 'db02', 'db03'];
const RESOLVED = NAMES.map((name, index) => ({ name, domainName: name, uuid: `${index + 1}1111111-1111-4111-8111-111111111111` }));

const estateWith = (relations: readonly Declared[]) =>
  estateSchema.parse({
    hypervisors: ['hv1', 'hv2'].map((name) => ({ name, kind: 'libvirt' })),
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
    servers: NAMES.map((name) => ({ name, hypervisor: name === 'db03' ? 'hv2' : 'hv1', repository: 'main' })),
    relations: relations.map((relation) => ({ type: 'replicates-with', profile: 'made-up', ...relation })),
  });

export const peer = (server: string, address: string | null = null) => ({ server, address });

/** The file of one has an error; the others are as they are. */
export const brokenProfiles = (broken = 'made-up', sound: readonly Profile[] = []): BrokenProfiles => ({
  sound,
  problems: [{ profile: broken, errors: [`${broken}.yaml:2:10: version: expected 1`] }],
});

export async function outOfService({ catalog }: RelationLab, name: string): Promise<void> {
  const { id } = await catalog.getServer(name);
  await catalog.decommissionServer({ actor: 'setup', serverId: id, confirm: name, reason: 'it is gone', keepDays: 30 });
}

/** A plan that is ready, of a recovery point of its own. */
export async function plannedWith({ catalog, server }: RelationLab, more: Partial<RestorePlanBody>): Promise<RestorePlanBody> {
  const { recoveryPointId } = await givenReadyPlan(catalog, server);
  const { planId } = await catalog.acceptPlan({
    actor: 'alice',
    idempotencyKey: null,
    requestDigest: 'p',
    serverId: server.id,
    scenario: 'server',
    recoveryPointId,
    keepDisks: [],
    attachOldDisks: [],
  });
  const body = { ...planBodyOf(planId, server, recoveryPointId), ...more };
  await catalog.completePlan(planId, body, planHash(body));
  return body;
}

import type { Finding, RestorePlanBody } from '../../contracts/plan';
import { markerNamed, placeholdersOf } from '../../contracts/placeholders';
import type { Profile, Rule } from '../../contracts/profile';
import type { PlannedRelationStep } from '../../contracts/reading';
import type { Relation } from '../../contracts/relation';
import type { SetOfPlan } from '../../contracts/restore-set';
import { referencesOf } from '../consistency/conditions';
import { keyed } from './judge-relations';
import { hasRules, judgedPairs, type RelationPair } from './pairs';
import { judgeTogether, type TogetherSide } from './restored-together';

/** What the relations of one server of a set say in its plan, and which of them are judged in its run. Pure. */

export interface MemberJudgement {
  readonly findings: readonly Finding[];
  readonly steps: readonly PlannedRelationStep[];
  /** A peer that was live before has rules to say about this one. */
  readonly hasLiveRules: boolean;
}

export interface MemberSituation {
  readonly server: string;
  readonly set: Pick<SetOfPlan, 'members'>;
  readonly relations: readonly Relation[];
  readonly profiles: ReadonlyMap<string, Profile>;
  /** By name of the server; all members are there. */
  readonly sides: ReadonlyMap<string, TogetherSide>;
  readonly now: Date;
}

/**
 * The relations of a server with the others of its set. What has to be done about two of them once the one is live is done when the other is live, too: of two servers the
 * later one has the step, and the proof.
 */
export function judgeMember({ server, set, relations, profiles, sides, now }: MemberSituation): MemberJudgement {
  const own = sides.get(server);
  const others = set.members.map((member) => member.server).filter((name) => name !== server);
  const pairsOf = (name: string, peer: string): readonly RelationPair[] => judgedPairs(relations, name, profiles).filter((pair) => pair.peer.server === peer);
  const judged = others.map((peer) => {
    const side = sides.get(peer);
    if (own === undefined || side === undefined) return { findings: [], steps: [], hasLiveRules: false };
    const isLater = goesLiveLater(set, server, peer);
    const [ours, theirs] = [pairsOf(server, peer), pairsOf(peer, server)];
    const between = [...ours, ...theirs];
    const mine = ours.map((pair) => judgeTogether(pair, relations, own, side, now));
    const asked = mine.flatMap(({ steps }) => steps).filter((step) => isLater || !isForLater(step));
    const left = isLater ? theirs.flatMap((pair) => judgeTogether(pair, relations, side, own, now).steps).filter(isForLater) : [];
    return {
      findings: mine.flatMap(({ findings }) => findings),
      steps: [...asked.map((step) => keyed(step, between)), ...left.map((step) => fromOtherSide(step, peer, between))],
      hasLiveRules: isLater && theirs.some(({ profile }) => hasRules(profile, 'live')),
    };
  });
  return {
    findings: judged.flatMap(({ findings }) => findings),
    steps: judged.flatMap(({ steps }) => steps),
    hasLiveRules: judged.some(({ hasLiveRules }) => hasLiveRules),
  };
}

/**
 * Of a set of which the server alone is restored: what its plan says of those that were to be made anew from it, and for which no rule asks for that now. A profile
 * that has such a rule is not enough: of a peer that was promoted, or has nothing in common any more, it asks for something else.
 *
 * @param of the pairs of the server, and its relations as they are declared: whatever has become of profiles, people may know better
 * @param steps those of its plan
 */
export function notMadeAnew(
  server: string,
  others: readonly string[],
  { pairs, declared }: { readonly pairs: readonly RelationPair[]; readonly declared: readonly Relation[] },
  steps: readonly Pick<PlannedRelationStep, 'code' | 'relation' | 'peer'>[],
): readonly Finding[] {
  return others.flatMap((peer): readonly Finding[] => {
    const own = pairs.filter((pair) => pair.peer.server === peer);
    const asks = ({ relation, profile }: RelationPair): boolean =>
      steps.some((step) => step.peer === peer && step.relation === relation.name && reseeding(profile).some(({ code }) => code === step.code));
    if (own.some(asks)) return [];
    const pair = own.find(({ profile }) => reseeding(profile).length > 0) ?? own[0];
    const relation = pair?.relation ?? declared.find((one) => one.server === server && one.peers.some((other) => other.server === peer));
    return [
      {
        code: 'RESEED_NOT_PLANNED',
        severity: 'block',
        message: `"${peer}" was to be made anew from "${server}", and no rule asks for that by what is known of the two now: nothing in this plan does it.`,
        remedy: `What else this plan says of "${peer}" tells why. Mend that and plan the set again; or make "${peer}" anew by hand once "${server}" is live, and override this.`,
        evidence: [],
        ...(relation === undefined ? {} : { relation: { name: relation.name, peer, profile: relation.profile } }),
      },
    ];
  });
}

const reseeding = ({ rules }: Profile): readonly Rule[] => rules.filter(({ step }) => step?.reseeds === true);

/** Nobody can see whether a standby streams before its primary is there. */
const isForLater = ({ when }: PlannedRelationStep): boolean => when === 'live';

/** A step of the relation of `peer` with a server, as the run of that server takes it. `between`: as for `keyed`. */
export const fromOtherSide = (step: PlannedRelationStep, peer: string, between: readonly RelationPair[]): PlannedRelationStep =>
  keyed({ ...step, on: step.on === 'server' ? 'peer' : 'server', peer }, between);

/** Whether the one goes live after the other. */
export function goesLiveLater({ members }: Pick<SetOfPlan, 'members'>, one: string, other: string): boolean {
  const place = (name: string): number => members.findIndex(({ server }) => server === name);
  return place(one) > place(other);
}

/** Of which of the others nothing can be proven when a server is live, because they are not: the run of the later one proves that. */
export const isProvenLater = ({ restoreSet, server }: Pick<RestorePlanBody, 'restoreSet' | 'server'>, peer: string): boolean =>
  restoreSet !== undefined && goesLiveLater(restoreSet, peer, server.name);

/** Whether a plan has this server restored together with its own. */
export const isTogether = ({ restoreSet }: Pick<RestorePlanBody, 'restoreSet'>, peer: string): boolean =>
  restoreSet?.members.some(({ server }) => server === peer) ?? false;

/** What can be asked while the peer is not there yet: rules that look at it now are left out. */
export function withoutPeer(pair: RelationPair): RelationPair {
  return { ...pair, profile: { ...pair.profile, rules: pair.profile.rules.filter((rule) => !looksAtPeer(rule)) } };
}

const looksAtPeer = (rule: Rule): boolean =>
  [
    ...rule.when.flatMap(referencesOf),
    ...[rule.message, rule.remedy ?? '', rule.step?.title ?? ''].flatMap(placeholdersOf).flatMap((name) => markerNamed(name) ?? []),
  ].some(({ of, at }) => of === 'peer' && at === 'now');

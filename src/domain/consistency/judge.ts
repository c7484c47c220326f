import type { Finding } from '../../contracts/plan';
import { markerNamed, nameOfMarker, placeholdersOf } from '../../contracts/placeholders';
import type { MarkerReference, PlannedRuleStep, Profile, Rule } from '../../contracts/profile';
import { cleanWords } from '../../contracts/text';
import { holds, referencesOf } from './conditions';
import { isDecidedByTexts } from './decided-by-texts';
import { markerOf, type Cause, type JudgeContext, type Situation } from './known';
import { lackedLater, openLater, type OpenLater } from './later-phases';
import { argumentOf, evidenceOf, sentenceOf } from './rule-texts';

export type { JudgeContext } from './known';

/**
 * What a profile says of two servers, one of which goes back in time, by what was read of them. Pure.
 *
 * Each rule of the phase holds, does not, or is not known (`conditions.ts`): one condition that does not hold decides a rule, whatever the others; else one
 * that is not known leaves it open. Every rule that holds is a finding. What left rules open is one `unknown` finding for each cause, whatever else was found.
 * Only when every rule is decided and none holds is there an `ok`. A plan also counts rules of later phases as open that its recovery point will never decide.
 *
 * So a reading that fails makes nothing better: no rule holds that did not hold with it, each that held with it holds or is open with an `unknown` in its place,
 * and no `ok` comes that was not there. Nor does the order of the rules matter, but for the order of the findings.
 *
 * A profile that was never run against the real software says so in every judgement, as a `warn`: whoever reads an `ok` has to know what it is worth.
 *
 * @param profile as `profileSchema` has let it pass
 */
export function judge(profile: Profile, context: JudgeContext): readonly Finding[] {
  const situation: Situation = { ...context, profile };
  const rules = profile.rules.filter(({ phases }) => phases.includes(context.phase));
  const judged = rules.map((rule) => ({ rule, ...judgeRule(situation, rule) }));
  const found = judged.filter(({ doesHold }) => doesHold).map(({ rule }) => findingOf(situation, rule));
  const findings = [...found, ...openFindings(situation, [...judged, ...openLater(situation)])];
  return [
    ...(findings.length === 0 && rules.length > 0 ? [agreement(situation, rules)] : findings),
    ...(profile.status === 'experimental' ? [notProven(situation)] : []),
  ];
}

/**
 * The steps that findings of `judge` ask for, in the order of the profile's rules: one for each rule of the severity `step` among them. Only findings of this
 * profile: another one may have the same codes.
 */
export function planSteps(profile: Profile, context: JudgeContext, findings: readonly Finding[]): readonly PlannedRuleStep[] {
  const situation: Situation = { ...context, profile };
  return profile.rules.flatMap(({ code, step }) => {
    if (step === null || !findings.some((finding) => finding.code === code)) return [];
    const argv = step.argv?.map((text) => argumentOf(situation, text)) as unknown as typeof step.argv | undefined;
    return [{ code, title: sentenceOf(situation, step.title), argv: argv ?? null, on: step.on, when: step.when }];
  });
}

interface Judged {
  readonly doesHold: boolean;
  /** Why it is open; none: it is decided. */
  readonly causes: readonly Cause[];
}

function judgeRule(situation: Situation, rule: Rule): Judged {
  const answers = rule.when.map((condition) => holds(situation, condition));
  if (answers.some((answer) => answer.isKnown && !answer.value)) return { doesHold: false, causes: [] };
  const causes = answers.flatMap((answer) => (answer.isKnown ? [] : answer.causes));
  return { doesHold: causes.length === 0, causes };
}

function findingOf(situation: Situation, rule: Rule): Finding {
  const { code, severity } = rule;
  const remedy = rule.remedy === null ? {} : { remedy: sentenceOf(situation, rule.remedy) };
  const together = rule.together === true ? ({ together: true } as const) : {};
  return { code, severity, message: sentenceOf(situation, rule.message), ...remedy, evidence: evidenceOf(situation, markersOf(rule)), ...together };
}

/** Those it is asked of and those it tells of. */
const markersOf = (rule: Rule): readonly MarkerReference[] => [
  ...rule.when.flatMap((condition) => referencesOf(condition)),
  ...[rule.message, rule.remedy ?? '', ...rule.when.map((condition) => ('compare' in condition ? (condition.from ?? '') : ''))]
    .flatMap((text) => placeholdersOf(text))
    .flatMap((name) => markerNamed(name) ?? []),
];

/** Only those that a cause is about, and which rules it leaves open. Rules without a cause are decided, and count for nothing. */
function openFindings(situation: Situation, rules: readonly OpenLater[]): readonly Finding[] {
  const groups = new Map<string, CauseGroup>();
  for (const { rule, causes } of rules) {
    for (const cause of causes) {
      const key = JSON.stringify([cause.code, cause.why]);
      const group = groups.get(key) ?? { cause, what: new Set(), references: [], notKnown: new Set(), codes: new Set() };
      groups.set(key, group);
      group.what.add(cause.what);
      group.references.push(...cause.references);
      for (const name of notKnownOf(cause)) group.notKnown.add(name);
      group.codes.add(rule.code);
    }
  }
  const lacked = lackedLater(situation);
  const lackedWith = ({ code }: Cause): readonly MarkerReference[] => (code === 'MARKER_NOT_CAPTURED' ? lacked : []);
  return [...groups]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, { cause, what, references, notKnown, codes }]) => ({
      code: cause.code,
      severity: 'unknown',
      message: `${subjectOf(situation, cause, [...what].sort())}: ${cause.why}`,
      remedy: REMEDIES[cause.code] ?? REMEDY,
      evidence: [...evidenceOf(situation, [...references, ...lackedWith(cause)]), `left open: ${[...codes].sort().join(', ')}`],
      leavesOpen: [...codes].sort(),
      notKnown: [...new Set([...notKnown, ...lackedWith(cause).map(nameOfMarker)])].sort(),
      ...(isNothingKnown(situation, cause) ? { nothingKnown: true as const } : {}),
    }));
}

interface CauseGroup {
  readonly cause: Cause;
  readonly what: Set<string>;
  readonly references: MarkerReference[];
  readonly notKnown: Set<string>;
  readonly codes: Set<string>;
}

/** Which of the two sides, and of which time, a cause is about; absent: neither was at fault. */
const SIDES: Readonly<Partial<Record<Cause['code'], (reference: MarkerReference) => boolean>>> = {
  SERVER_UNKNOWN: ({ of, at }) => of === 'server' && at === 'now',
  PEER_UNKNOWN: ({ of, at }) => of === 'peer' && at === 'now',
  MARKER_NOT_CAPTURED: ({ at }) => at === 'recovery-point',
};

/** What it is that is not known. Of values that cannot be compared only their markers: what is compared before the restore and after it are two readings of the same. */
function notKnownOf({ code, what, references }: Cause): readonly string[] {
  if (SIDES[code] !== undefined) return references.map(nameOfMarker);
  return references.length > 0 ? references.map(({ marker }) => marker) : [what];
}

/** Whether the side that a cause is about has said nothing at all of what rules of this phase ask of it. What hypervisors and manifests say of it, it has not said. */
function isNothingKnown(situation: Situation, { code }: Cause): boolean {
  const isOfSide = SIDES[code];
  if (isOfSide === undefined) return false;
  const { phase, profile } = situation;
  const asked = profile.rules
    .filter(({ phases }) => phases.includes(phase))
    .flatMap(markersOf)
    .filter((reference) => isOfSide(reference) && profile.markers.some(({ name, probe }) => name === reference.marker && isSaidByServer(probe)));
  return asked.length > 0 && !asked.some((reference) => markerOf(situation, reference).isKnown);
}

const isSaidByServer = (probe: Profile['markers'][number]['probe']): boolean => probe.kind !== 'fact' || probe.fact === 'clock';

const REMEDY = 'Make it known and plan again; or find out by hand what the rules ask, and acknowledge that it is not known.';
const REMEDIES: Readonly<Partial<Record<Cause['code'], string>>> = {
  MARKER_NOT_CAPTURED: 'Choose a recovery point that has it; or find out by hand what the rules ask, and acknowledge that it is not known.',
  CLOCKS_DISAGREE: 'Correct the clock that is wrong and plan again.',
  RULE_UNUSABLE: 'Correct the parameters of the relation, or the profile, and plan again.',
};

function subjectOf({ profile, server, peer }: Situation, { code }: Cause, what: readonly string[]): string {
  const names = what.join(', ');
  if (code === 'PEER_UNKNOWN') return `What "${peer}" says now of ${names} is not known (${profile.name})`;
  if (code === 'SERVER_UNKNOWN') return `What "${server}" says now of ${names} is not known (${profile.name})`;
  if (code === 'MARKER_NOT_CAPTURED') return `What "${server}" and "${peer}" said of ${names} at the recovery point is not known (${profile.name})`;
  return `Rules of ${profile.name} cannot be judged between "${server}" and "${peer}"${names === '' ? '' : `, because of ${names}`}`;
}

function agreement(situation: Situation, rules: readonly Rule[]): Finding {
  const { profile, server, peer } = situation;
  const codes = rules.map(({ code }) => code).sort();
  return {
    code: 'RELATION_AGREES',
    severity: 'ok',
    message: `${profile.name}: nothing speaks against "${server}" beside "${peer}".`,
    evidence: [
      `asked and not so: ${codes.join(', ')}`,
      ...evidenceOf(
        situation,
        rules.flatMap((rule) => comparedIn(situation, rule)),
      ),
    ],
  };
}

/** Of a rule that texts decide only what was read anyway: nobody had to be asked for it. */
function comparedIn(situation: Situation, rule: Rule): readonly MarkerReference[] {
  const references = rule.when.flatMap((condition) => referencesOf(condition));
  return isDecidedByTexts(situation, rule) ? references.filter((reference) => situation.readings[nameOfMarker(reference)] !== undefined) : references;
}

const notProven = ({ profile, server, peer }: Situation): Finding => ({
  code: 'PROFILE_EXPERIMENTAL',
  severity: 'warn',
  message: `The profile ${profile.name}, by which "${server}" and "${peer}" were compared, is experimental: no test has run it against the real software.`,
  remedy: 'Look at the evidence of its findings, and at the two servers themselves, before you rely on what it says.',
  evidence: [cleanWords(profile.title, 200)],
});

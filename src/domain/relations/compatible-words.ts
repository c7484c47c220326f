import type { PlanSource } from '../../contracts/activities/planning';
import { describeAge, formatDuration } from '../../contracts/format';
import { ModosuError } from '../../contracts/errors';
import type { Finding } from '../../contracts/plan';
import { namesOf } from '../../contracts/text';
import type { CompatibleSearch, PointToTry, TriedPoint } from './find-compatible';

/** What a plan says of the search for a recovery point that the peers would accept. */

/** What one recovery point loses beside another one. */
export interface CostOfChoice {
  /** By which its point in time is older; negative: it is newer. */
  readonly seconds: number;
  /** Data sets that follow it, and so lose nothing by it. */
  readonly dataSets: readonly string[];
  /** Titles of the configuration changes that only the other one has. */
  readonly changes: readonly string[];
}

export interface SetMember {
  readonly server: string;
  readonly recoveryPointId: string;
  readonly pointInTime: string;
}

/** Images of a server and all that it replicates with that agree: what `modosu restore plan-set` would choose, the newest backup set or else the newest combination. */
export interface SharedSet {
  /** The backup set that they are of; null: they are of different moments. */
  readonly id: string | null;
  /** The first is the server that the plan is about. */
  readonly members: readonly [SetMember, ...SetMember[]];
  /** `freeze`: that nothing went from one to the other before they were frozen is not proven. */
  readonly basis: 'freeze' | 'readings';
  /** Codes of the rules between them that hold only with steps. */
  readonly steps: readonly string[];
  /** Names of relations between them that no profile judges. */
  readonly unjudged: readonly string[];
  /** Codes of what would stand against it all the same: of peers that do not go back with it, and of relations that nothing judges. */
  readonly against: readonly string[];
  /** Of the server that the plan is about, beside what the other costs are counted against. No data set follows. */
  readonly cost: CostOfChoice;
  /** Data sets of that server. */
  readonly leftOut: readonly string[];
}

/** What was found among the images of a server and all that it replicates with. */
export interface SearchOfSets {
  /** Null: no images agree. */
  readonly set: SharedSet | null;
  /** Newer sets, and why they do not agree; a line each. */
  readonly passedOver: readonly string[];
}

/** What was asked for besides the recovery point. */
export type AskedFor = Pick<PlanSource, 'serverName' | 'incidentAt' | 'keepDisks' | 'attachOldDisks' | 'data' | 'leaveChanges' | 'leaveCredentials'>;

/** What plans the same with another recovery point. @param recoveryPointId null: with the newest */
export const planCommand = (
  { serverName, incidentAt = null, keepDisks = [], attachOldDisks = [], data = [], leaveChanges = false, leaveCredentials = false }: AskedFor,
  recoveryPointId: string | null,
): string =>
  [
    `modosu restore plan ${serverName} --scenario server`,
    ...(recoveryPointId === null ? [] : [`--recovery-point ${recoveryPointId}`]),
    ...(incidentAt === null ? [] : [`--incident-at ${incidentAt}`]),
    ...keepDisks.map((target) => `--keep-disk ${target}`),
    ...attachOldDisks.map((target) => `--attach-old-disk ${target}`),
    ...(data.some(({ why }) => why === 'left-out') ? ['--no-data'] : []),
    ...(leaveChanges ? ['--leave-changes'] : []),
    ...(leaveCredentials ? ['--leave-credentials'] : []),
  ].join(' ');

/** Where it was looked. */
export interface SearchedIn {
  readonly serverName: string;
  readonly incidentAt: string | null;
  /** There are older ones that were not tried. */
  readonly hasMore: boolean;
  /** Null: it replicates with none. */
  readonly sets: SearchOfSets | null;
}

/** With its cost beside the one that it is compared with, and the command that plans with it. */
export interface PricedPoint {
  readonly tried: TriedPoint;
  readonly cost: CostOfChoice;
  readonly command: string;
}

/** What a search has found, beside what would be restored otherwise. */
export interface PricedChoice {
  readonly search: CompatibleSearch;
  readonly found: PricedPoint;
  /** One that asks for steps, and is newer; null: there is none. */
  readonly newer: PricedPoint | null;
  /** What the costs are counted against. */
  readonly compared: PointToTry;
  readonly now: Date;
}

/** Of a plan with something against it: the better choice. `against`: that; where a rule of it asks for a restore of both, a set goes before a point of this server alone. */
export function compatiblePoint(choice: PricedChoice, of: SearchedIn, against: readonly Finding[]): Finding {
  const { search, found, newer, compared, now } = choice;
  const together = togetherText(of, compared, now);
  const asking = together === null ? [] : codesOf(against.filter((finding) => finding.together === true));
  const alone = [`lan with it: \`${found.command}\`.`, ...(newer === null ? [] : [`Or with the steps: \`${newer.command}\`.`])].join(' ');
  const count = search.tried.length;
  return {
    code: 'COMPATIBLE_POINT',
    severity: 'warn',
    message: [
      ...(asking.length === 0 ? [] : [`${asking.join(', ')} ${asking.length === 1 ? 'asks' : 'ask'} for a restore of both, and there are images that agree.`]),
      `There is a better choice${asking.length === 0 ? '' : ' of this server alone, too'}: ${described(found.tried.point, now)}, ${count === 1 ? '' : `the newest of ${count} looked at `}that its peers would accept${stepsOf(found.tried)}.`,
      ...costs(choice),
    ].join(' '),
    remedy: together === null ? `P${alone}` : asking.length > 0 ? `${capital(together)} Or p${alone}` : `P${alone} Or ${together}`,
    // Why there is none is of interest only to whoever has no other choice.
    evidence: [...pointLines(choice), ...passedOver(search, found.tried.point), ...(together === null ? [] : setLines(of.sets))],
  };
}

/** Of a plan that has chosen by it. `compared`: the newest, which would have been chosen otherwise. */
export function chosenPoint(choice: PricedChoice): Finding {
  const { search, found, newer, now } = choice;
  return {
    code: 'COMPATIBLE_POINT',
    severity: 'ok',
    message: [
      `${capital(described(found.tried.point, now))} was chosen: it is the newest that its peers would accept${stepsOf(found.tried)}.`,
      ...costs(choice),
    ].join(' '),
    ...(newer === null ? {} : { remedy: `Who would rather have the steps plans with \`${newer.command}\`.` }),
    evidence: [...pointLines(choice), ...passedOver(search, found.tried.point)],
  };
}

/** Nothing where it is compared with itself. */
function costs({ found, newer, compared, now }: PricedChoice): readonly string[] {
  const cost = found.tried.point.id === compared.id ? [] : [costText(found, compared)];
  if (newer === null) return cost;
  const costsLess = newer.tried.point.id === compared.id ? [] : [costText(newer, compared)];
  return [...cost, `${capital(described(newer.tried.point, now))} would do as well${stepsOf(newer.tried)}.`, ...costsLess];
}

const pointLines = ({ found, newer }: PricedChoice): readonly string[] => (newer === null ? [found] : [found, newer]).map(pointLine);

/** Of a plan with something against it: there is no better choice. @param compared what is planned */
export function noCompatiblePoint(search: CompatibleSearch, of: SearchedIn, compared: PointToTry, now: Date): Finding {
  const together = togetherText(of, compared, now);
  return {
    code: 'NO_COMPATIBLE_POINT',
    severity: 'warn',
    message: noneText(search, of),
    remedy: [
      ...(together === null ? [] : [capital(together)]),
      `${together === null ? 'Follow' : 'Or follow'} the remedy of what stands against this one: no other recovery point avoids it.`,
    ].join(' '),
    evidence: [...passedOver(search, null), ...setLines(of.sets)],
  };
}

/** Such a one was asked for, and there is none: `NO_COMPATIBLE_RECOVERY_POINT`; `NO_RECOVERY_POINT` where there is none of any kind. */
export function noCompatibleRecoveryPoint(search: CompatibleSearch, of: SearchedIn, command: string, now: Date): ModosuError {
  const [newest] = search.tried;
  if (newest === undefined) {
    // One that is taken now does not help against an incident that was before.
    const hint = of.incidentAt === null ? {} : { hint: `Choose one by its id (--recovery-point): \`modosu recovery-point list --server ${of.serverName}\`.` };
    return new ModosuError('NO_RECOVERY_POINT', noneText(search, of), { ...hint, context: { server: of.serverName } });
  }
  const { point, because } = newest;
  const remedies = [...new Set(because.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy])))];
  const said = `Of generation ${point.generation}, the newest: ${because.map(({ code, message }) => `${code}: ${message}`).join(' ')}`;
  const together = togetherText(of, point, now);
  return new ModosuError('NO_COMPATIBLE_RECOVERY_POINT', `${noneText(search, of)} ${said}`, {
    hint: [...(together === null ? [] : [capital(together)]), ...remedies, `\`${command}\` plans with the newest, and says what stands against it.`].join(' '),
    context: { findings: codesOf(because) },
  });
}

function noneText({ tried }: CompatibleSearch, { serverName, incidentAt, hasMore }: SearchedIn): string {
  const which = `of "${serverName}"${incidentAt === null ? '' : ` from before the incident at ${incidentAt}`}`;
  if (tried.length === 0) return `There is no usable recovery point ${which}.`;
  const looked =
    tried.length === 1
      ? `The only usable recovery point ${which} is none`
      : `None of the ${hasMore ? 'newest ' : ''}${tried.length} usable recovery points ${which} is one`;
  const codes = codesOf(tried.flatMap(({ because }) => because));
  const always = codes.filter((code) => tried.every(({ because }) => because.some((finding) => finding.code === code)));
  const why =
    always.length > 0
      ? `${always.join(', ')} ${always.length === 1 ? 'stands' : 'stand'} against ${tried.length === 1 ? 'it' : 'every one'}`
      : `each has something against it (${codes.join(', ')})`;
  return `${looked} that its peers would accept: ${why}.`;
}

const described = ({ generation, pointInTime }: PointToTry, now: Date): string =>
  `generation ${generation} of ${pointInTime} (${describeAge(pointInTime, now)} ago)`;

const stepsOf = ({ verdict, because }: TriedPoint): string => (verdict === 'steps' ? withSteps(codesOf(because)) : '');

const withSteps = (codes: readonly string[]): string => `, with the steps that rules ask for (${codes.join(', ')})`;

const costText = ({ cost, tried: { point } }: PricedPoint, compared: PointToTry): string => costWords(cost, point.pointInTime, compared);

function costWords({ seconds, dataSets, changes }: CostOfChoice, pointInTime: string, compared: PointToTry): string {
  const follows = dataSets.length === 0 ? '' : `, except the data of ${namesOf(dataSets)}, which ${dataSets.length === 1 ? 'follows' : 'follow'} it`;
  const lost =
    changes.length === 0
      ? ''
      : ` Lost with it: ${changes.length === 1 ? 'the configuration change' : `${changes.length} configuration changes,`} ${namesOf(changes)}.`;
  // A newer one may lack changes, too: of a server that has gone back since.
  if (seconds < 0) return `It loses ${formatDuration(-seconds)} less than generation ${compared.generation}.${lost}`;
  return `It costs ${formatDuration(seconds)} beside generation ${compared.generation}: what was written to the disks after ${pointInTime} is not in it${follows}.${lost}`;
}

/** A remedy for people: what plans it, which images agree, and what going back to them costs. Null: there is none. */
function togetherText({ sets, incidentAt }: SearchedIn, compared: PointToTry, now: Date): string | null {
  const set = sets?.set ?? null;
  if (set === null) return null;
  const { id, members, steps, unjudged, basis, against, cost, leftOut } = set;
  const [own, ...others] = members;
  const names = members.map(({ server }) => server);
  const which =
    id === null
      ? `Their newest images that agree are of ${members.map(({ pointInTime }) => pointInTime).join(', ')}`
      : `The images of backup set ${id} of ${own.pointInTime} belong together (\`modosu backup-set show ${id}\`)`;
  const unproven = basis === 'freeze' ? '; that nothing went from one to the other before they were frozen is not proven' : '';
  return [
    `restore ${namesOf(names)} together: \`modosu restore plan-set ${names.join(' ')}${incidentAt === null ? '' : ` --incident-at ${incidentAt}`}\`.`,
    `${which}, and ${holdsText(unjudged)}${steps.length === 0 ? '' : withSteps(steps)}${unproven}.`,
    own.recoveryPointId === compared.id
      ? `It costs nothing of "${own.server}" beside generation ${compared.generation}, which is of it.`
      : costWords(cost, own.pointInTime, compared),
    ...(leftOut.length === 0 ? [] : [`The data of ${namesOf(leftOut)} ${leftOut.length === 1 ? 'does' : 'do'} not follow.`]),
    ...others.map(({ server, pointInTime }) => `"${server}" goes back as well, to ${pointInTime} (${describeAge(pointInTime, now)} ago).`),
    ...(against.length === 0 ? [] : [`It does not settle ${against.join(', ')}: that would still stand against it.`]),
  ].join(' ');
}

const holdsText = (unjudged: readonly string[]): string =>
  unjudged.length === 0
    ? 'every rule holds between them'
    : `no rule stands against it; no profile judges ${unjudged.length === 1 ? 'the relation' : 'the relations'} ${namesOf(unjudged)}: of ${unjudged.length === 1 ? 'it' : 'those'} is known only that they were frozen together`;

const pointLine = ({ tried: { point }, cost: { seconds } }: PricedPoint): string =>
  `recovery point ${point.id}, generation ${point.generation}, ${point.pointInTime}: ${seconds >= 0 ? `costs ${seconds} s` : `loses ${-seconds} s less`}`;

function setLines(sets: SearchOfSets | null): readonly string[] {
  if (sets === null) return [];
  const { set, passedOver: others } = sets;
  const lines = others.map((line) => `together: ${line}`);
  if (set === null) return lines;
  const { seconds } = set.cost;
  return [
    ...(set.id === null ? [] : [`backup set ${set.id}, ${set.members[0].pointInTime}: ${set.members.map(({ server }) => server).join(', ')}`]),
    ...set.members.map(({ server, recoveryPointId, pointInTime }, index) => {
      const cost = index > 0 ? '' : seconds >= 0 ? `: costs ${seconds} s` : `: loses ${-seconds} s less`;
      return `together, ${server}: recovery point ${recoveryPointId}, ${pointInTime}${cost}`;
    }),
    ...lines,
  ];
}

const SHOWN = 20;

/** What the others were refused for. */
function passedOver({ tried }: CompatibleSearch, found: PointToTry | null): readonly string[] {
  const others = tried.filter(({ point }) => point.id !== found?.id);
  return [
    ...others
      .slice(0, SHOWN)
      .map(
        ({ point, verdict, because }) =>
          `generation ${point.generation}, ${point.pointInTime}: ${verdict === 'steps' ? 'steps for ' : ''}${codesOf(because).join(', ')}`,
      ),
    ...(others.length > SHOWN ? [`and ${others.length - SHOWN} more`] : []),
  ];
}

const codesOf = (findings: readonly Finding[]): readonly string[] => [...new Set(findings.map(({ code }) => code))].sort();

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

import type { LostChange, RecordedChange } from '../../contracts/change';
import type { FactsNotCompared, FactsNow, Finding, LostChanges } from '../../contracts/plan';
import { namesOf, quoted } from '../../contracts/text';

/** What going back to a generation does to the configuration of its server. Pure. */

/** `lost` undefined: a plan of an earlier version asks. `areApplied`: the run applies them again. */
export function changeFindings(lost: LostChanges | undefined, server: string, generation: number, areApplied: boolean): readonly Finding[] {
  if (lost === undefined) return [];
  const missing = lost.changes.filter(({ how }) => how === 'missing');
  const partly = lost.changes.filter(({ how }) => how === 'partly');
  return [
    ...(missing.length === 0
      ? []
      : [lostFinding('CHANGES_LOST', missing, `generation ${generation} does not contain, and that the server has now`, server, areApplied)]),
    ...(partly.length === 0 ? [] : [lostFinding('CHANGES_HALF_DONE', partly, `generation ${generation} was taken in the middle of`, server, areApplied)]),
    ...openFindings(lost.open, `generation ${generation} does not contain it whole`, 'after the restore'),
    ...(lost.returning.length === 0
      ? []
      : [
          {
            code: 'CHANGES_RETURN',
            severity: 'ok' as const,
            message: `${count(lost.returning.length)} ${lost.returning.length === 1 ? 'comes' : 'come'} back with generation ${generation} that the server does not have now: ${namesOf(lost.returning.map(({ title }) => title))}.`,
            evidence: lost.returning.map(({ id }) => id),
          },
        ]),
    ...(lost.isKnown
      ? []
      : [
          {
            code: 'CHANGES_UNKNOWN',
            severity: 'unknown' as const,
            message: `Which configuration changes generation ${generation} contains is not known: an earlier version has taken it.`,
            remedy: 'Compare the server after the restore with what it should be.',
            evidence: [],
          },
        ]),
    ...driftFindings(lost, server),
  ];
}

/** What an undo takes away with the disks that it leaves; they are kept for a redo. */
export function undoChangeFindings(lost: LostChanges | undefined, server: string): readonly Finding[] {
  if (lost === undefined) return [];
  const open = openFindings(lost.open, 'those that it returns to do not have it whole', 'after the undo');
  if (lost.changes.length === 0) return open;
  const finding = lostFinding('CHANGES_LOST', lost.changes, 'the server has now, and the disks that it returns to do not have', server, false);
  return [
    { ...finding, remedy: 'Apply them again after the undo; `modosu change show CHANGE` says how. The disks that have them are kept for a redo.' },
    ...open,
  ];
}

/** Completed afterwards as if nothing had happened, such a change would count as whole, and half of it would be missing. */
function openFindings(open: readonly RecordedChange[] = [], lacks: string, when: string): readonly Finding[] {
  if (open.length === 0) return [];
  return [
    {
      code: 'CHANGES_OPEN_LOST',
      severity: 'warn',
      message: `There ${open.length === 1 ? 'is' : 'are'} ${count(open.length)} being made, begun on disks that go: ${namesOf(open.map(({ title }) => title))}. What was done of ${open.length === 1 ? 'it' : 'each'} goes with them: ${lacks}.`,
      remedy: `Make ${open.length === 1 ? 'it' : 'each'} again from the beginning ${when}, and complete it with \`modosu change complete CHANGE --made-again\`; or cancel it: \`modosu change cancel CHANGE --reason TEXT\`.`,
      evidence: open.map(({ id, ticket }) => [id, ...(ticket === null ? [] : [ticket]), 'open'].join(', ')),
    },
  ];
}

const count = (changes: number): string => (changes === 1 ? '1 configuration change' : `${changes} configuration changes`);

const lostFinding = (code: string, changes: readonly LostChange[], what: string, server: string, areApplied: boolean): Finding => ({
  code,
  severity: areApplied ? 'step' : 'warn',
  message: `There ${changes.length === 1 ? 'is' : 'are'} ${count(changes.length)} that ${what}: ${namesOf(changes.map(({ title }) => title))}.`,
  remedy: areApplied
    ? `The run applies them again before go-live: by their programs, and by people, for whom it waits. Or choose a newer generation: \`modosu generation list ${server}\`.`
    : `Apply them again after the restore; \`modosu change show CHANGE\` says how. Or choose a newer generation: \`modosu generation list ${server}\`.`,
  evidence: changes.map(evidenceOf),
});

function evidenceOf({ id, ticket, completedAt, applyAgain }: LostChange): string {
  const how =
    applyAgain === null
      ? 'nobody has said how it is applied again'
      : applyAgain.kind === 'command'
        ? `applied again by a program in the guest: ${applyAgain.argv.map((part) => quoted(part)).join(' ')}`
        : 'applied again by hand';
  return [id, ...(ticket === null ? [] : [ticket]), ...(completedAt === null ? [] : [`complete ${completedAt}`]), how].join(', ');
}

/**
 * What differs although nobody has said so: whoever restores finds out from here, not from the users. The server itself says more than its images; these are what is left where it
 * could not be asked, and they fill in where it has not told everything.
 */
function driftFindings(lost: LostChanges, server: string): readonly Finding[] {
  const { now } = lost;
  if (now?.state !== 'compared') return [...imageDriftFindings(lost, server), ...notComparedFindings(lost, server, now)];
  return [
    ...(now.sentences.length === 0
      ? []
      : [
          {
            code: 'FACTS_DIFFER',
            severity: 'warn' as const,
            message: `The server itself differs from generation ${now.of}, which is restored, as its guest agent told at ${now.at}.`,
            remedy: `What is wanted of it has to be done again after the restore. To see all of it: \`modosu backup image ${server} --mode online --reason TEXT\`, then \`modosu generation diff ${server} ${now.of} N\` with the generation of that image.`,
            evidence: now.sentences,
          },
        ]),
    ...(now.gaps.length === 0
      ? []
      : [
          ...imageDriftFindings(lost, server),
          {
            code: 'FACTS_NOT_COMPARED',
            severity: 'warn' as const,
            message: `Not everything of the server itself, as its guest agent told at ${now.at}, could be compared with generation ${now.of}: of the rest it is not known whether it differs from what is restored.`,
            remedy: `${namedCommands([now.of], server)} what is known of then; compare the rest of the server after the restore with what it should be.`,
            evidence: now.gaps,
          },
        ]),
  ];
}

/** What differs between the images. */
function imageDriftFindings({ drift, notCompared }: LostChanges, server: string): readonly Finding[] {
  const gaps = notCompared?.why === 'in-part' ? notCompared.sentences : [];
  const differences = drift?.sentences.filter((sentence) => !gaps.includes(sentence)) ?? [];
  if (drift === null || differences.length === 0) return [];
  return [
    {
      code: 'FACTS_DIFFER',
      severity: 'warn',
      message: `The server was different in its newest image, generation ${drift.generation}, which is not what is restored.`,
      remedy: `See all of it: \`modosu generation diff ${server} ${drift.of} ${drift.generation}\`.`,
      evidence: differences,
    },
  ];
}

type NotAsked = Extract<FactsNow, { readonly state: 'not-compared' }>;

/** Without it, a plan that could not look would read like one that has found nothing. It warns and asks for nothing: a server whose agent tells nothing can be restored. */
function notComparedFindings({ drift, notCompared }: LostChanges, server: string, now: NotAsked | undefined): readonly Finding[] {
  if (notCompared !== undefined) return [notComparedFinding(notCompared, server, now)];
  // Its images were compared, all of them; what came after the newest one is not in them.
  return now === undefined || drift === null ? [] : [notComparedFinding({ why: 'newest', generations: [drift.generation], sentences: [] }, server, now)];
}

function notComparedFinding({ why, generations, sentences }: FactsNotCompared, server: string, now: NotAsked | undefined): Finding {
  const [first = 0] = generations;
  const isNewest = why === 'newest';
  const again = now === undefined || now.why === 'no-facts' ? '' : ' Where the server runs and its guest agent answers, a new plan compares the server itself.';
  return {
    code: 'FACTS_NOT_COMPARED',
    // Nothing is amiss with a server that is off, as most are that are restored: that what came after its newest image is unknown is so with every one of them.
    severity: isNewest && now?.why !== 'failed' && now?.why !== 'no-facts' ? 'ok' : 'warn',
    message: notComparedText(why, generations, now),
    remedy: `${
      isNewest
        ? `\`modosu generation show ${server} ${first}\` shows what is known of the server then; what was done to it since, only those know who did it.`
        : why === 'in-part'
          ? `${namedCommands(generations, server)} what is known; compare the rest of the server after the restore with what it should be.`
          : `${namedCommands(generations, server)} what is known, \`modosu generation list ${server}\` which generations have facts: \`modosu generation diff\` compares any two of those. Compare the server after the restore with what it should be.`
    }${again}`,
    evidence: sentences,
  };
}

const namedCommands = (generations: readonly number[], server: string): string =>
  `${generations.map((generation) => `\`modosu generation show ${server} ${generation}\``).join(' and ')} ${generations.length === 1 ? 'shows' : 'show'}`;

function notComparedText(why: FactsNotCompared['why'], generations: readonly number[], now: NotAsked | undefined): string {
  const unknown = 'Whether the server differs from what is restored, beside its registered changes, is not known';
  const which = `${generations.length === 1 ? 'generation' : 'generations'} ${generations.join(' and ')}`;
  const itself = now === undefined ? '' : ` The server itself was not compared: ${now.reason}.`;
  switch (why) {
    case 'newest':
      return now === undefined
        ? `What was changed on the server since ${which} without being registered is not known: it is the newest image, and there is nothing newer to compare it with.`
        : `What was changed on the server since ${which}, its newest image, without being registered is not known.${itself}`;
    case 'no-image':
      return `${unknown}: there is no newer image of the disks that it has now to compare ${which} with.${itself}`;
    case 'no-facts':
      return `${unknown}: there are no facts of ${which}.${itself}`;
    case 'in-part':
      return `Not everything of ${which} could be compared: of the rest it is not known whether the server differs from what is restored.${itself}`;
  }
}

/** One sentence for each of what is lost. */
export const changeLosses = (lost: LostChanges | undefined): readonly string[] => [
  ...(lost?.changes ?? []).map((change) => `${named(change)}${change.how === 'partly' ? ', of which a part is in the image' : ''}.`),
  ...(lost?.open ?? []).map((change) => `${named(change)}, which is being made: what was done of it.`),
];

const named = ({ title, ticket }: RecordedChange): string => `Configuration change "${title}"${ticket === null ? '' : ` (${ticket})`}`;

import type { LostChange } from '../../contracts/change';
import type { FactsNotCompared, Finding, LostChanges } from '../../contracts/plan';
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
  if (lost === undefined || lost.changes.length === 0) return [];
  const finding = lostFinding('CHANGES_LOST', lost.changes, 'the server has now, and the disks that it returns to do not have', server, false);
  return [{ ...finding, remedy: 'Apply them again after the undo; `modosu change show CHANGE` says how. The disks that have them are kept for a redo.' }];
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

/** What differs between the images although nobody has said so: whoever restores finds out from here, not from the users. */
function driftFindings({ drift, notCompared }: LostChanges, server: string): readonly Finding[] {
  const gaps = notCompared?.why === 'in-part' ? notCompared.sentences : [];
  const differences = drift?.sentences.filter((sentence) => !gaps.includes(sentence)) ?? [];
  return [
    ...(drift === null || differences.length === 0
      ? []
      : [
          {
            code: 'FACTS_DIFFER',
            severity: 'warn' as const,
            message: `The server was different in its newest image, generation ${drift.generation}, which is not what is restored.`,
            remedy: `See all of it: \`modosu generation diff ${server} ${drift.of} ${drift.generation}\`.`,
            evidence: differences,
          },
        ]),
    ...(notCompared === undefined ? [] : [notComparedFinding(notCompared, server)]),
  ];
}

/** Without it, a plan that could not look would read like one that has found nothing. It warns and asks for nothing: a server whose agent tells nothing can be restored. */
function notComparedFinding({ why, generations, sentences }: FactsNotCompared, server: string): Finding {
  const [first = 0] = generations;
  const isNewest = why === 'newest';
  return {
    code: 'FACTS_NOT_COMPARED',
    // Nothing is amiss with a restore of the newest image: that what came after it is unknown is so with every one.
    severity: isNewest ? 'ok' : 'warn',
    message: notComparedText(why, generations),
    remedy: isNewest
      ? `\`modosu generation show ${server} ${first}\` shows what is known of the server then; what was done to it since, only those know who did it.`
      : why === 'in-part'
        ? `${namedCommands(generations, server)} what is known; compare the rest of the server after the restore with what it should be.`
        : `${namedCommands(generations, server)} what is known, \`modosu generation list ${server}\` which generations have facts: \`modosu generation diff\` compares any two of those. Compare the server after the restore with what it should be.`,
    evidence: sentences,
  };
}

const namedCommands = (generations: readonly number[], server: string): string =>
  `${generations.map((generation) => `\`modosu generation show ${server} ${generation}\``).join(' and ')} ${generations.length === 1 ? 'shows' : 'show'}`;

function notComparedText(why: FactsNotCompared['why'], generations: readonly number[]): string {
  const unknown = 'Whether the server differs from what is restored, beside its registered changes, is not known';
  const which = `${generations.length === 1 ? 'generation' : 'generations'} ${generations.join(' and ')}`;
  switch (why) {
    case 'newest':
      return `What was changed on the server since ${which} without being registered is not known: it is the newest image, and there is nothing newer to compare it with.`;
    case 'no-image':
      return `${unknown}: there is no newer image of the disks that it has now to compare ${which} with.`;
    case 'no-facts':
      return `${unknown}: there are no facts of ${which}.`;
    case 'in-part':
      return `Not everything of ${which} could be compared: of the rest it is not known whether the server differs from what is restored.`;
  }
}

/** One sentence for each of what is lost. */
export const changeLosses = (lost: LostChanges | undefined): readonly string[] =>
  (lost?.changes ?? []).map(
    ({ title, ticket, how }) =>
      `Configuration change "${title}"${ticket === null ? '' : ` (${ticket})`}${how === 'partly' ? ', of which a part is in the image' : ''}.`,
  );

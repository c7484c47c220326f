import type { LostChange } from '../../contracts/change';
import type { Finding, LostChanges } from '../../contracts/plan';
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
function driftFindings({ drift }: LostChanges, server: string): readonly Finding[] {
  if (drift === null || drift.sentences.length === 0) return [];
  return [
    {
      code: 'FACTS_DIFFER',
      severity: 'warn',
      message: `The server was different in its newest image, generation ${drift.generation}, which is not what is restored.`,
      remedy: `See all of it: \`modosu generation diff ${server} ${drift.of} ${drift.generation}\`.`,
      evidence: drift.sentences,
    },
  ];
}

/** One sentence for each of what is lost. */
export const changeLosses = (lost: LostChanges | undefined): readonly string[] =>
  (lost?.changes ?? []).map(
    ({ title, ticket, how }) =>
      `Configuration change "${title}"${ticket === null ? '' : ` (${ticket})`}${how === 'partly' ? ', of which a part is in the image' : ''}.`,
  );

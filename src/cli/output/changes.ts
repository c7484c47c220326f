import type { ApplyAgain, ChangeView } from '../../contracts/change';
import { fields, plain, table, utc } from './text';

export const changeTable = (changes: readonly ChangeView[]): string =>
  table(
    ['ID', 'SERVER', 'STATE', 'TITLE', 'TICKET', 'AUTHOR', 'OPENED', 'COMPLETED', 'GENERATION', 'IN SERVER'],
    changes.map((one) => [
      one.id,
      one.serverName,
      one.state,
      one.title,
      one.ticket ?? '-',
      one.author,
      utc(one.openedAt),
      utc(one.completedAt),
      generationText(one),
      one.state === 'cancelled' ? '-' : one.inServer,
    ]),
  );

const generationText = ({ generation, state }: ChangeView): string => (generation === null ? (state === 'completed' ? 'not yet' : '-') : String(generation));

export function changeText(one: ChangeView): string {
  const card = fields(
    [
      ['server', `${one.serverName} (${one.serverId})`],
      ['title', one.title],
      ['ticket', one.ticket ?? '-'],
      ['author', one.author],
      ['state', one.state],
      ['opened', `${utc(one.openedAt)} by ${one.openedBy}`],
      ...(one.completedAt === null ? [] : [['completed', `${utc(one.completedAt)} by ${one.completedBy ?? ''}`] as const]),
      ...(one.cancelledAt === null ? [] : [['cancelled', `${utc(one.cancelledAt)} by ${one.cancelledBy ?? ''}: ${one.cancelReason ?? ''}`] as const]),
      ...(one.externalId === null ? [] : [['external id', one.externalId] as const]),
      ['generation', one.generation === null ? `none contains it yet${imageText(one)}` : `${one.generation} (${one.recoveryPointId ?? ''})`],
      ['in the server', IN_SERVER[one.inServer]],
      ['apply again', applyAgainText(one.applyAgain)],
    ],
    '  ',
  );
  return `Change ${one.id}\n${card}`;
}

const imageText = ({ imageComes }: ChangeView): string =>
  imageComes === 'with-schedule' ? '; once it is complete, the next image of the schedule does (the server is imaged offline)' : '';

const IN_SERVER = {
  yes: 'yes',
  partly: 'partly: it is being made, or was when the image was taken that the server comes from',
  no: 'no: it was not made, or the server has gone back to a time before it',
} as const;

/** How it is made once more, in one line. */
export function applyAgainText(applyAgain: ApplyAgain | null): string {
  if (applyAgain === null) return 'nobody has said how';
  return applyAgain.kind === 'text' ? plain(applyAgain.text) : `in the guest: ${applyAgain.argv.map(plain).join(' ')} (within ${applyAgain.timeoutSeconds} s)`;
}

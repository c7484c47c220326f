import { describeAge, formatBytes, formatDuration } from '../../contracts/format';
import { keptBytes, type WayBackState, type WayBackView } from '../../contracts/way-back';
import { keptDataText } from './data';
import { fields, table, utc } from './text';

export const wayBackTable = (wayBacks: readonly WayBackView[]): string =>
  table(
    ['RUN', 'SERVER', 'STATE', 'HOLDS', 'LIVES UNTIL', 'WENT LIVE'],
    wayBacks.map((wayBack) => [
      wayBack.runId,
      wayBack.serverName,
      wayBack.state,
      holds(wayBack),
      livesUntil(wayBack),
      wayBack.wentLiveAt === null ? 'no' : utc(wayBack.wentLiveAt),
    ]),
  );

/** What one run has kept of the server it replaced. */
export function wayBackText(wayBack: WayBackView, now: Date): string {
  const { state, wasGone, volumes, nvramPath, data, closedBy, closedAt } = wayBack;
  const kept = [
    ...(data === null ? [] : [`data set ${data.dataSet.name}, in the guest`, ...keptDataText(data.kept)]),
    ...volumes.map(({ target, path, allocatedBytes }) => `${target} ${path} (${formatBytes(allocatedBytes)})`),
    ...(nvramPath === null ? [] : [`NVRAM ${nvramPath}`]),
  ];
  const open = state === 'open';
  const card = fields(
    [
      ['state', open && wasGone ? 'open: nothing was there to be kept' : aboutData(wayBack, STATE_WORDS[state])],
      ...(open ? [['holds', wasGone ? 'nothing: the hypervisor did not know the server' : [holds(wayBack), ...kept]] as const] : []),
      ...(open ? [['lives until', aboutData(wayBack, livesWords(wayBack, now))] as const] : []),
      ...(data !== null
        ? []
        : [
            [
              'went live',
              wayBack.wentLiveAt === null
                ? 'no: its production network has never been up'
                : `${utc(wayBack.wentLiveAt)}, ${describeAge(wayBack.wentLiveAt, now)} ago`,
            ] as const,
          ]),
      ...(closedBy === null ? [] : [['closed', `${utc(closedAt)} by run ${closedBy}`] as const]),
    ],
    '  ',
  );
  return `Way back\n${card}`;
}

/** One line, for the card of a server. */
export const wayBackLine = (wayBack: WayBackView): string => `run ${wayBack.runId}, holds ${holds(wayBack)}, lives until ${livesUntil(wayBack)}`;

const STATE_WORDS: Readonly<Record<WayBackState, string>> = {
  open: 'open: the old volumes are kept',
  reverted: 'reverted: the run has put back itself what it had replaced',
  undone: 'undone: a later run has returned to the old volumes',
  confirmed: 'confirmed: the old volumes were deleted',
};

/** The same words, for what a restore of data keeps. */
const aboutData = ({ data }: WayBackView, words: string): string =>
  data === null ? words : words.replace('volumes are', 'data is').replace('volumes were', 'data was').replace('volumes', 'data');

const holds = (wayBack: WayBackView): string => (wayBack.state === 'open' ? formatBytes(keptBytes(wayBack)) : '-');

/** What has never been live is still the server as people know it: it is not deleted by itself. */
const livesUntil = ({ state, wentLiveAt, expiresAt }: WayBackView): string =>
  state !== 'open' ? '-' : wentLiveAt === null ? 'go-live or undo' : utc(expiresAt);

function livesWords(wayBack: WayBackView, now: Date): string {
  const { wentLiveAt, expiresAt, wasGone } = wayBack;
  if (wentLiveAt === null) return 'it is undone, or has gone live and its time is over';
  const leftSeconds = (Date.parse(expiresAt) - now.getTime()) / 1000;
  if (leftSeconds <= 0) return `${utc(expiresAt)}, over: ${wasGone ? 'it is closed soon' : 'the old volumes are deleted soon'}`;
  return `${utc(expiresAt)}, ${formatDuration(leftSeconds)} from now; then ${wasGone ? 'it is closed' : 'the old volumes are deleted'}`;
}

import type { PolicyView } from '../../contracts/api/policy-view';
import type { DueBackupView } from '../../contracts/due-backup';
import { describeIncrements, describeRetention, describeSchedule, describeVerification, type DataPolicy, type ImagePolicy } from '../../contracts/policy';
import { fields, plain, table, utc } from './text';

export const policyTable = (policies: readonly PolicyView[]): string =>
  table(
    ['NAME', 'IMAGES', 'DATA', 'TIME ZONE', 'SERVERS', 'NEXT IMAGE', 'NEXT DATA'],
    policies.map(({ name, image, data, timeZone, servers, nextImages, nextData }) => [
      name,
      image === null ? '-' : describeSchedule(image.schedule),
      data === null ? '-' : describeSchedule(data.schedule),
      timeZone,
      String(servers.length),
      utc(nextImages[0] ?? null),
      utc(nextData[0] ?? null),
    ]),
  );

export function policyText(policy: PolicyView): string {
  const { image, data, verification, rtoMinutes } = policy;
  const card = fields(
    [
      ['time zone', policy.timeZone],
      ['servers', policy.servers.length === 0 ? 'none' : policy.servers],
      ['verification', verification === null ? 'none by itself' : describeVerification(verification)],
      ['RTO', rtoMinutes === null ? 'nothing promised' : `${rtoMinutes} min`],
      ['images', image === null ? 'none are taken by themselves' : kindText(image, imageWords(image))],
      ...(image === null ? [] : [['next images', policy.nextImages.map(utc)] as const]),
      ['data', data === null ? 'none is saved by itself' : kindText(data, [])],
      ...(data === null ? [] : [['next data', policy.nextData.map(utc)] as const]),
    ],
    '  ',
  );
  return `Policy ${plain(policy.name)}\n${card}`;
}

const imageWords = (image: ImagePolicy): readonly string[] =>
  [image.mode, image.allowCrashConsistent ? 'also crash consistent' : '', describeIncrements(image)].filter((words) => words !== '');

const kindText = ({ schedule, jitterMinutes, rpoHours, retention }: ImagePolicy | DataPolicy, words: readonly string[]): readonly string[] => [
  [describeSchedule(schedule), ...(jitterMinutes === 0 ? [] : [`spread over ${jitterMinutes} min`]), ...words].join(', '),
  rpoHours === null ? 'no RPO' : `RPO ${rpoHours} h`,
  `keeps ${describeRetention(retention)}`,
];

export const dueBackupTable = (due: readonly DueBackupView[]): string =>
  table(
    ['SERVER', 'KIND', 'POLICY', 'CAUSE', 'DUE', 'NOT BEFORE', 'STATE', 'MISSED', 'RUN', 'WAITS FOR'],
    due.map(({ serverName, kind, policy, cause, dueAt, notBefore, state, missedBefore, runId, waitsFor }) => [
      serverName,
      kind,
      policy ?? '-',
      cause,
      utc(dueAt),
      utc(notBefore),
      state,
      missedBefore === 0 ? '-' : `${missedBefore} before it`,
      runId ?? '-',
      waitsFor ?? '-',
    ]),
  );

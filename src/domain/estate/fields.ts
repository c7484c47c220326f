import type { Relation } from '../../contracts/relation';
import type { ServerGroup } from '../../contracts/backup-set';
import type { CredentialDeclaration } from '../../contracts/credential';
import type { Protection } from '../../contracts/protection';
import {
  describeIncrements,
  describeOffsite,
  describeRetention,
  describeSchedule,
  describeVerification,
  type DataPolicy,
  type ImagePolicy,
  type Policy,
} from '../../contracts/policy';
import { storableText } from '../../contracts/text';
import { canonicalJson } from '../canonical-json';

/** The fields of a declaration, as an estate's diff compares and shows them. */

export interface Field {
  readonly label: string;
  /** Two declarations are the same when these are. */
  readonly compared: string;
  /** Short, on one line. */
  readonly shown: string;
  /** Declared by nobody: a new server does not show it. */
  readonly isAbsent: boolean;
}

const MAX_SHOWN_BYTES = 160;

/** Plain values. */
export const placeFields = (values: Readonly<Record<string, string | number>>): readonly Field[] =>
  Object.entries(values).map(([label, value]) => ({ label, compared: String(value), shown: String(value), isAbsent: false }));

/** What a server's owner declares besides its place. Of health checks only the names are shown: their programs and queries are long. */
export const protectionFields = ({
  disks,
  nics,
  healthChecks,
  quiesce,
  onlineBackup,
  dataSets,
  ssh,
  configurationPaths = [],
  credentials = [],
}: Protection): readonly Field[] => [
  declared('disks', disks, disks.map(({ target, role }) => `${target} ${role}`).join(', ')),
  declared('nics', nics, nics.map(({ mac, role }) => `${mac} ${role}`).join(', ')),
  declared('healthChecks', healthChecks, healthChecks.map(({ name }) => name).join(', ')),
  declared('quiesce', quiesce, compact(quiesce)),
  declared('onlineBackup', onlineBackup, compact(onlineBackup)),
  declared('dataSets', dataSets, dataSets.map(({ name, kind }) => `${name} (${kind})`).join(', ')),
  declared('configurationPaths', configurationPaths, configurationPaths.join(', ')),
  declared('credentials', credentials, credentials.map(credentialWords).join(', ')),
  declared('ssh', ssh, ssh === null ? '' : `${ssh.user}@${ssh.host}:${ssh.port}${ssh.sudo ? ' with sudo' : ''}, host key …${ssh.hostKey.slice(-12)}`),
];

const credentialWords = ({ account, store, path, field, reapply }: CredentialDeclaration): string =>
  `${account} in ${store} ${path}${field === undefined ? '' : `#${field}`}${reapply ? ', set after restores' : ''}`;

/** The policy of a server; none is not worth a line. */
export const policyField = (policy: string | null): Field => declared('policy', policy, policy ?? '');

const spread = ({ jitterMinutes }: Pick<DataPolicy, 'jitterMinutes'>): string => (jitterMinutes === 0 ? '' : ` within ${jitterMinutes} min`);

const increments = (image: ImagePolicy): string => (describeIncrements(image) === '' ? '' : `, ${describeIncrements(image)}`);

const promised = (label: string, value: number | null | undefined): Field => declared(label, value ?? null, String(value ?? ''));

export const policyFields = ({ timeZone, image, data, verification, offsite, rtoMinutes }: Policy): readonly Field[] => [
  ...placeFields({ timeZone }),
  declared(
    'image',
    image,
    image === null
      ? ''
      : `${describeSchedule(image.schedule)}${spread(image)}, ${image.mode}${image.allowCrashConsistent ? ', also crash consistent' : ''}${increments(image)}, keeps ${describeRetention(image.retention)}`,
  ),
  declared('data', data, data === null ? '' : `${describeSchedule(data.schedule)}${spread(data)}, keeps ${describeRetention(data.retention)}`),
  promised('imageRpoHours', image?.rpoHours),
  promised('dataRpoHours', data?.rpoHours),
  declared('verification', verification, verification === null ? '' : describeVerification(verification)),
  declared('offsite', offsite, offsite === null ? '' : describeOffsite(offsite)),
  promised('rtoMinutes', rtoMinutes),
];

export const groupFields = ({ servers }: Pick<ServerGroup, 'servers'>): readonly Field[] => [declared('servers', servers, servers.join(', '))];

export const relationFields = ({ type, server, address, peers, strength, profile, parameters }: Relation): readonly Field[] => [
  ...placeFields({ type, server: address === null ? server : `${server} at ${address}`, strength }),
  declared('peers', peers, peers.map((peer) => (peer.address === null ? peer.server : `${peer.server} at ${peer.address}`)).join(', ')),
  declared('profile', profile, profile ?? ''),
  declared('parameters', parameters, compact(parameters)),
];

export const createdLines = (fields: readonly Field[]): readonly string[] =>
  fields.filter(({ isAbsent }) => !isAbsent).map(({ label, shown }) => `${label}: ${shown}`);

/** `before` and `after` have the same labels. */
export const changedLines = (before: readonly Field[], after: readonly Field[]): readonly string[] =>
  before.flatMap((was) =>
    after
      .filter(({ label, compared }) => label === was.label && compared !== was.compared)
      .map(({ label, shown }) => `${label}: ${was.shown} -> ${shown}${was.shown === shown ? ' (changed)' : ''}`),
  );

function declared(label: string, value: unknown, text: string): Field {
  const isAbsent = text === '';
  return { label, compared: canonicalJson(value), shown: isAbsent ? 'none' : storableText(text, MAX_SHOWN_BYTES), isAbsent };
}

/** The properties that are set, as JSON; empty when none is. */
function compact(value: object): string {
  const set = Object.fromEntries(Object.entries(value).filter(([, property]) => property !== null));
  return Object.keys(set).length === 0 ? '' : canonicalJson(set);
}

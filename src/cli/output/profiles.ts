import type { ProfileSummary, ProfileView } from '../../contracts/api/profile-view';
import type { MarkerSpec, ProbeSpec, Profile } from '../../contracts/profile';
import { fields, plain, table } from './text';

/** What `profile check` says of a file. */
export interface CheckedProfile {
  readonly file: string;
  readonly isValid: boolean;
  /** Null: of a file that is wrong. */
  readonly name: string | null;
  readonly status: Profile['status'] | null;
  /** Each with file, line and column where it has them. */
  readonly errors: readonly string[];
}

export const checkedTable = (checked: readonly CheckedProfile[]): string =>
  table(
    ['FILE', 'STATE', 'PROFILE', 'ERRORS'],
    checked.map(({ file, isValid, name, errors }) => [file, isValid ? 'valid' : 'wrong', name ?? '-', isValid ? '-' : String(errors.length)]),
  );

export const profileTable = (profiles: readonly ProfileSummary[]): string =>
  table(
    ['NAME', 'STATUS', 'ORIGIN', 'PARAMETERS', 'TITLE'],
    profiles.map(({ name, status, origin, parameters, title }) => [name, status, origin, parameters.map(parameterText).join(' ') || '-', title]),
  );

const parameterText = ({ name, default: preset }: Profile['parameters'][number]): string => (preset === null ? name : `[${name}]`);

/** For people; the whole of it is there as JSON and YAML. */
export function profileText({ origin, profile }: ProfileView): string {
  const { name, title, status, description, parameters, markers, rules } = profile;
  const head = fields([
    ['name', name],
    ['title', title],
    [
      'status',
      status === 'proven' ? 'proven: the tests of Modosu have run it against the real software' : 'experimental: no test has run it against the real software',
    ],
    ['origin', origin === 'shipped' ? 'shipped with Modosu' : 'your own'],
    ['about', description],
  ]);
  return [
    head,
    ...section(
      'Parameters',
      ['NAME', 'DEFAULT', 'MEANING'],
      parameters.map((one) => [one.name, one.default ?? 'must be given', one.description]),
    ),
    ...section('Markers', ['NAME', 'TYPE', 'OF', 'CAPTURED', 'READ BY'], markers.map(markerRow)),
    ...section(
      'Rules',
      ['CODE', 'WHEN', 'SEVERITY', 'WHAT IT SAYS'],
      rules.map(({ code, phases, severity, message }) => [code, phases.join(', '), severity, message]),
    ),
  ].join('\n');
}

const section = (title: string, headers: readonly string[], rows: readonly (readonly string[])[]): readonly string[] =>
  rows.length === 0 ? [] : ['', `${title}:`, table(headers, rows)];

const markerRow = ({ name, type, of, isCaptured, probe }: MarkerSpec): readonly string[] => [name, type, of, isCaptured ? 'yes' : 'no', probeText(probe)];

function probeText(probe: ProbeSpec): string {
  switch (probe.kind) {
    case 'command':
      return plain(`command ${probe.argv.join(' ')}`);
    case 'sql':
      return plain(`sql (${probe.engine}) ${probe.query}`);
    case 'dns':
      return `dns ${probe.name} ${probe.type}${probe.field === undefined ? '' : ` ${probe.field}`}`;
    case 'http':
      return `http ${probe.url}${probe.pointer === undefined ? '' : ` at ${probe.pointer}`}`;
    case 'tcp':
      return `tcp port ${probe.port}`;
    case 'fact':
      return `fact ${probe.fact}`;
  }
}

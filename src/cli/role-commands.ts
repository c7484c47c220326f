/** An option of a role. */
export interface RoleOption {
  /** One letter. */
  readonly short?: string;
  /** What follows it, as help and completion name it. Absent: nothing does. */
  readonly value?: string;
  /** It may be said several times. */
  readonly isRepeated?: true;
  readonly description: string;
}

/** A command that is a role of the program, not a request to the API: `src/roles/main.ts` carries it out. */
export interface RoleCommand<Name extends string = string> {
  /** As it is typed after the program's name. */
  readonly path: string;
  readonly description: string;
  /** Its output is data, in the form that `--output` names. */
  readonly givesData: boolean;
  /** By long name, without the dashes. What a role reads and what its help shows is both this. */
  readonly options: Readonly<Record<Name, RoleOption>>;
  readonly examples: readonly string[];
}

const role = <Name extends string>(command: RoleCommand<Name>): RoleCommand<Name> => command;

const service = (path: string, description: string): RoleCommand<never> => ({
  path,
  description,
  givesData: false,
  options: {},
  examples: [`modosu ${path}`],
});

export const MIGRATE = role({
  path: 'migrate',
  description: 'bring the database schema up to date',
  givesData: false,
  options: { down: { description: 'undo the newest migration instead, with all data in what it had made' } },
  examples: ['modosu migrate'],
});

/** Not `--env-file`: Node takes an option of that name for its own wherever it stands, and reads the file in its own way before anything of this program runs. */
const ENV_FILE = {
  value: 'file',
  description: 'file with variables of the services, as systemd reads them; those of the environment count first',
} as const;

export const DOCTOR = role({
  path: 'doctor',
  description: 'check everything a run needs, and say what to do; exit code 0 only when nothing failed',
  givesData: true,
  options: { variables: ENV_FILE },
  examples: ['modosu doctor', 'modosu doctor -o json   # the same for a script'],
});

const PLACES = {
  repository: {
    value: 'directory',
    isRepeated: true,
    description: 'where an image repository is mounted now, also as NAME=DIRECTORY; may be repeated',
  },
  offsite: { value: 'location', isRepeated: true, description: 'where an off-site repository lies, as the estate file writes it; may be repeated' },
  'offsite-environment': { value: 'file', description: 'file with the credentials of the off-site repositories, as it lay among the secrets' },
  'key-file': { value: 'file', description: 'file with the recovery key; the key of this machine where left out' },
} as const;

const HYPERVISOR = {
  value: 'name',
  description: 'hypervisor of the servers that only the repositories know of; needed where there are several',
} as const;

/** `modosu catalog`. */
export const CATALOG = {
  key: role({
    path: 'catalog key',
    description: 'print the recovery key, without which nobody reads the copies of the catalogue',
    givesData: true,
    options: {},
    examples: ['modosu catalog key   # write it down, keep it away from this machine and from the repositories'],
  }),
  copy: role({
    path: 'catalog copy',
    description: 'copy the catalogue and the secrets into every repository now',
    givesData: true,
    options: {},
    examples: ['modosu catalog copy'],
  }),
  copies: role({
    path: 'catalog copies',
    description: 'list the copies of the catalogue that lie in repositories',
    givesData: true,
    options: PLACES,
    examples: ['modosu catalog copies --repository /srv/modosu/repository', 'modosu catalog copies --offsite /mnt/vault --key-file /root/recovery-key'],
  }),
  rebuild: role({
    path: 'catalog rebuild',
    description:
      'bring a lost installation back from its repositories, into an empty catalogue; exit code 0 only when all was looked at and nothing is missing',
    givesData: true,
    options: {
      ...PLACES,
      copy: { value: 'copy', description: 'take the copy of this id, not the newest' },
      'without-copy': { description: 'there is no copy, or no key: bring back what the images alone tell' },
      hypervisor: HYPERVISOR,
      'dry-run': { description: 'only show what would come back' },
    },
    examples: [
      'modosu catalog rebuild --repository /srv/modosu/repository --key-file /root/recovery-key --dry-run',
      'modosu catalog rebuild --repository /srv/modosu/repository --key-file /root/recovery-key',
      'modosu catalog rebuild --offsite s3:https://store.example/backups --offsite-environment /root/store-credentials --key-file /root/recovery-key',
      'modosu catalog rebuild --repository /srv/modosu/repository --without-copy   # no key, or no copy',
    ],
  }),
  compare: role({
    path: 'catalog compare',
    description:
      'record what the repositories hold and the catalogue does not know, mark what is missing; exit code 0 only when all was looked at and nothing is missing',
    givesData: true,
    options: { hypervisor: HYPERVISOR, 'dry-run': { description: 'only show what differs' } },
    examples: ['modosu catalog compare --dry-run', 'modosu catalog compare'],
  }),
} as const;

export const RENEW = role({
  path: 'data-repository renew',
  description: 'begin data repositories anew whose storage is lost for good; those that are there stay as they are',
  givesData: true,
  options: {
    server: { value: 'server', isRepeated: true, description: 'of this server; may be repeated' },
    all: { description: 'of every server' },
    reason: { value: 'text', description: 'why; it goes into the audit; not needed with --dry-run' },
    'dry-run': { description: 'only show which are gone, and what was in them' },
  },
  examples: ['modosu data-repository renew --all --dry-run', 'modosu data-repository renew --server db01 --reason "the storage burnt"'],
});

export const SUPPORT_BUNDLE = role({
  path: 'support-bundle',
  description: 'pack logs, configuration and the newest runs without secrets',
  givesData: true,
  options: {
    file: { short: 'f', value: 'file', description: 'where to; modosu-support-TIME.tar.gz in this directory where left out' },
    variables: ENV_FILE,
  },
  examples: [
    'modosu support-bundle',
    'modosu support-bundle --file /tmp/modosu-support.tar.gz',
    'modosu support-bundle --variables /etc/modosu.env   # where secrets stand in it, so that they are taken out',
  ],
});

/** Words in front of several roles. */
export const ROLE_GROUPS: Readonly<Record<string, string>> = {
  catalog: 'keep the restore system itself from being lost, and rebuild it',
  'data-repository': 'the repositories of data backups, on the machine of the worker',
};

/** All roles, in the order of help. */
export const ROLE_COMMANDS: readonly RoleCommand[] = [
  service('up', 'run everything on this machine: API, worker, PostgreSQL, Temporal'),
  service('api', 'run the API only'),
  service('worker', 'run a worker only'),
  MIGRATE,
  DOCTOR,
  ...Object.values(CATALOG),
  RENEW,
  SUPPORT_BUNDLE,
];

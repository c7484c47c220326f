import { identifier, literal, literals } from './sql';
import { named, some } from './words';

/** A role as `pg_dumpall --globals-only` has written it. Holds a password's hash: never for messages. */
export interface GlobalRole {
  readonly name: string;
  /** Such as `NOSUPERUSER`, `LOGIN`. */
  readonly attributes: readonly string[];
  readonly connectionLimit: number | null;
  readonly password: string | null;
  readonly validUntil: string | null;
  readonly comment: string | null;
  readonly settings: readonly { readonly name: readonly string[]; readonly values: readonly string[] }[];
}

export interface Membership {
  readonly role: string;
  readonly member: string;
  readonly admin: boolean;
  /** Since version 16; null: not said. */
  readonly inherit: boolean | null;
  readonly set: boolean | null;
}

export interface Globals {
  readonly roles: ReadonlyMap<string, GlobalRole>;
  readonly memberships: readonly Membership[];
}

type Token = { readonly kind: 'word' | 'name' | 'text' | 'sign'; readonly value: string };

/** psql's own commands (`\restrict`, `\connect`) go to the end of their line. */
const TOKEN = /\s+|--[^\n]*|\\[^\n]*|(?<name>"(?:[^"]|"")*")|(?<text>'(?:[^']|'')*')|(?<word>[\p{L}_][\p{L}\p{N}_$]*|-?\d+)|(?<sign>[^\s])/gsuy;
const ATTRIBUTE = /^(NO)?(SUPERUSER|INHERIT|CREATEROLE|CREATEDB|LOGIN|REPLICATION|BYPASSRLS)$/;

/**
 * Reads the roles of a globals file, which is hostile: only statements of exactly the known forms count, and nothing of the text is ever sent anywhere as it
 * is. A role with a statement that is not understood is left out.
 */
export function parseGlobals(sql: string): Globals {
  const roles = new Map<string, GlobalRole>();
  const memberships: Membership[] = [];
  const refused = new Set<string>();
  for (const tokens of statements(sql)) {
    const line = new Reader(tokens);
    if (line.words('CREATE', 'ROLE')) {
      const name = line.name();
      if (name !== null && line.end()) {
        roles.set(name, { name, attributes: [], connectionLimit: null, password: null, validUntil: null, comment: null, settings: [] });
      }
    } else if (line.words('ALTER', 'ROLE')) {
      const name = line.name();
      const known = name === null ? undefined : roles.get(name);
      if (known === undefined || line.words('IN', 'DATABASE')) continue;
      const changed = line.words('WITH') ? attributesOf(known, line) : line.words('SET') ? settingOf(known, line) : null;
      if (changed === null) refused.add(known.name);
      else roles.set(known.name, changed);
    } else if (line.words('COMMENT', 'ON', 'ROLE')) {
      const name = line.name();
      const known = name === null ? undefined : roles.get(name);
      const comment = line.words('IS') ? line.text() : null;
      if (known !== undefined && comment !== null && line.end()) roles.set(known.name, { ...known, comment });
    } else if (line.words('GRANT')) {
      const membership = membershipOf(line);
      if (membership !== null) memberships.push(membership);
    }
  }
  for (const name of refused) roles.delete(name);
  return { roles, memberships };
}

function attributesOf(role: GlobalRole, line: Reader): GlobalRole | null {
  const attributes: string[] = [];
  let { connectionLimit, password, validUntil } = role;
  while (!line.end()) {
    if (line.words('CONNECTION', 'LIMIT')) {
      const limit = line.number();
      if (limit === null) return null;
      connectionLimit = limit;
    } else if (line.words('PASSWORD')) {
      password = line.text();
      if (password === null) return null;
    } else if (line.words('VALID', 'UNTIL')) {
      validUntil = line.text();
      if (validUntil === null) return null;
    } else {
      const word = line.word();
      if (word === null || !ATTRIBUTE.test(word)) return null;
      attributes.push(word);
    }
  }
  return { ...role, attributes, connectionLimit, password, validUntil };
}

function settingOf(role: GlobalRole, line: Reader): GlobalRole | null {
  const name = [line.name()];
  while (line.sign('.')) name.push(line.name());
  if (!line.words('TO') && !line.sign('=')) return null;
  const values = [line.text()];
  while (line.sign(',')) values.push(line.text());
  if (!line.end() || !name.every(isText) || !values.every(isText)) return null;
  return { ...role, settings: [...role.settings, { name, values }] };
}

function membershipOf(line: Reader): Membership | null {
  const role = line.name();
  if (role === null || !line.words('TO')) return null;
  const member = line.name();
  if (member === null) return null;
  let [admin, inherit, set]: [boolean, boolean | null, boolean | null] = [false, null, null];
  if (line.words('WITH')) {
    do {
      if (line.words('ADMIN')) admin = line.words('OPTION') || line.truth() === true;
      else if (line.words('INHERIT')) inherit = line.words('OPTION') || line.truth();
      else if (line.words('SET')) set = line.words('OPTION') || line.truth();
      else return null;
    } while (line.sign(','));
  }
  if (line.words('GRANTED', 'BY')) line.name();
  return line.end() ? { role, member, admin, inherit, set } : null;
}

const isText = (value: string | null): value is string => value !== null;

class Reader {
  private at = 0;
  constructor(private readonly tokens: readonly Token[]) {}

  words(...wanted: readonly string[]): boolean {
    const found = wanted.every((word, index) => {
      const token = this.tokens[this.at + index];
      return token?.kind === 'word' && token.value.toUpperCase() === word;
    });
    if (found) this.at += wanted.length;
    return found;
  }
  sign(value: string): boolean {
    const found = this.tokens[this.at]?.kind === 'sign' && this.tokens[this.at]?.value === value;
    if (found) this.at += 1;
    return found;
  }
  word(): string | null {
    return this.take('word')?.toUpperCase() ?? null;
  }
  name(): string | null {
    return this.take('name') ?? this.take('word');
  }
  text(): string | null {
    return this.take('text');
  }
  number(): number | null {
    const value = this.take('word');
    return value !== null && /^-?\d{1,10}$/.test(value) ? Number(value) : null;
  }
  truth(): boolean | null {
    return this.words('TRUE') ? true : this.words('FALSE') ? false : null;
  }
  end(): boolean {
    return this.at >= this.tokens.length;
  }
  private take(kind: Token['kind']): string | null {
    const token = this.tokens[this.at];
    if (token?.kind !== kind) return null;
    this.at += 1;
    return token.value;
  }
}

function* statements(sql: string): Generator<readonly Token[]> {
  let tokens: Token[] = [];
  for (const { groups = {} } of sql.matchAll(TOKEN)) {
    const { name, text, word, sign } = groups;
    if (sign === ';') {
      if (tokens.length > 0) yield tokens;
      tokens = [];
    } else if (name !== undefined) tokens.push({ kind: 'name', value: name.slice(1, -1).replaceAll('""', '"') });
    else if (text !== undefined) tokens.push({ kind: 'text', value: text.slice(1, -1).replaceAll("''", "'") });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word });
    else if (sign !== undefined) tokens.push({ kind: 'sign', value: sign });
  }
}

/**
 * SQL that makes roles as they were, with their memberships. A role that exists is never changed: neither its attributes, nor what it is a member of. Groups
 * that do not exist are left out, and said. Holds password hashes: only for the standard input of a program.
 */
export function makeRoles(
  globals: Globals,
  wanted: readonly string[],
  existing: ReadonlySet<string>,
  engineMajor: number,
): { readonly sql: string; readonly unknown: readonly string[]; readonly notes: readonly string[] } {
  const roles = wanted.map((name) => globals.roles.get(name)).filter((role) => role !== undefined);
  const made = new Set(roles.map(({ name }) => name));
  const unknown = wanted.filter((name) => !made.has(name));
  const statementsOf = roles.flatMap((role) => [
    `CREATE ROLE ${identifier(role.name)};`,
    `ALTER ROLE ${identifier(role.name)} WITH ${[
      ...role.attributes,
      ...(role.connectionLimit === null ? [] : [`CONNECTION LIMIT ${role.connectionLimit}`]),
      ...(role.password === null ? [] : [`PASSWORD ${literal(role.password)}`]),
      ...(role.validUntil === null ? [] : [`VALID UNTIL ${literal(role.validUntil)}`]),
      // A statement without any attribute is an error.
      ...(role.attributes.length === 0 ? ['NOSUPERUSER'] : []),
    ].join(' ')};`,
    ...(role.comment === null ? [] : [`COMMENT ON ROLE ${identifier(role.name)} IS ${literal(role.comment)};`]),
    ...role.settings.map(({ name, values }) => `ALTER ROLE ${identifier(role.name)} SET ${name.map(identifier).join('.')} TO ${literals(values)};`),
  ]);
  const { grants, notes } = grantsTo(made, globals, new Set([...made, ...existing]), engineMajor);
  return { sql: [...statementsOf, ...grants].join('\n'), unknown, notes };
}

/** What the recovery point's memberships of some roles are as SQL. Groups that are not there are left out, and said. */
function grantsTo(
  members: ReadonlySet<string>,
  globals: Globals,
  there: ReadonlySet<string>,
  engineMajor: number,
): { readonly grants: readonly string[]; readonly notes: readonly string[] } {
  const saved = globals.memberships.filter(({ member }) => members.has(member));
  const possible = saved.filter(({ role }) => there.has(role));
  const grants = possible.map(({ role, member, admin, inherit, set }) => {
    const options = [
      ...(admin ? [engineMajor >= 16 ? 'ADMIN TRUE' : 'ADMIN OPTION'] : []),
      ...(engineMajor >= 16 && inherit !== null ? [`INHERIT ${inherit ? 'TRUE' : 'FALSE'}`] : []),
      ...(engineMajor >= 16 && set !== null ? [`SET ${set ? 'TRUE' : 'FALSE'}`] : []),
    ];
    return `GRANT ${identifier(role)} TO ${identifier(member)}${options.length === 0 ? '' : ` WITH ${options.join(', ')}`};`;
  });
  return {
    grants,
    notes: saved.filter((entry) => !possible.includes(entry)).map(({ role, member }) => `Role ${member} is no member of ${role}, which does not exist here.`),
  };
}

export interface PresentRoles {
  readonly names: ReadonlySet<string>;
  readonly memberships: readonly { readonly role: string; readonly member: string; readonly grantor: string; readonly admin: boolean }[];
  /** Those that have to stay superusers who can log in: the account that does this, and the server's own first one. */
  readonly ours: ReadonlySet<string>;
}

/**
 * SQL that makes roles what they were, also those that exist: attributes, password, settings and memberships, which are given and taken. Login roles that are
 * missing are made, with the groups they are in, and so are those of `wanted`. No role is dropped; one that the recovery point does not describe stays as it
 * is, and is said. Holds password hashes.
 */
export function rolesAsSaved(
  globals: Globals,
  wanted: readonly string[],
  { names, memberships, ours }: PresentRoles,
  engineMajor: number,
): { readonly sql: string; readonly unknown: readonly string[]; readonly notes: readonly string[] } {
  const logins = [...globals.roles.values()].filter(({ attributes }) => attributes.includes('LOGIN')).map(({ name }) => name);
  const missing = new Set([...wanted, ...logins].filter((name) => !names.has(name)));
  // A set that grows is walked to its end: groups of those that are missing, and of those that are there.
  const walked = new Set([...missing, ...[...globals.roles.keys()].filter((name) => names.has(name))]);
  for (const name of walked) {
    for (const { role, member } of globals.memberships) {
      if (member !== name || names.has(role) || !globals.roles.has(role)) continue;
      missing.add(role);
      walked.add(role);
    }
  }
  const made = makeRoles(globals, [...missing], names, engineMajor);
  const present = [...globals.roles.values()].filter(({ name }) => names.has(name));
  // Dumped by somebody who may not read them, no role has one: that says nothing.
  const passwords = [...globals.roles.values()].some(({ password }) => password !== null);
  const alter = (role: GlobalRole): readonly string[] => {
    const own = ours.has(role.name);
    const options = [
      ...role.attributes.filter((attribute) => !own || !['NOSUPERUSER', 'NOLOGIN'].includes(attribute)),
      ...(own ? [] : [`CONNECTION LIMIT ${role.connectionLimit ?? -1}`, `VALID UNTIL ${literal(role.validUntil ?? 'infinity')}`]),
      // Of our own account the one that opens the door now: what it is told by lies on the image too.
      ...(passwords && !own ? [`PASSWORD ${role.password === null ? 'NULL' : literal(role.password)}`] : []),
    ];
    return [
      ...(options.length === 0 ? [] : [`ALTER ROLE ${identifier(role.name)} WITH ${options.join(' ')};`]),
      `COMMENT ON ROLE ${identifier(role.name)} IS ${role.comment === null ? 'NULL' : literal(role.comment)};`,
      `ALTER ROLE ${identifier(role.name)} RESET ALL;`,
      ...role.settings.map(({ name, values }) => `ALTER ROLE ${identifier(role.name)} SET ${name.map(identifier).join('.')} TO ${literals(values)};`),
    ];
  };
  const taken = memberships.flatMap(({ role, member, grantor, admin }) => {
    if (ours.has(member) || !globals.roles.has(member)) return [];
    const saved = globals.memberships.filter((entry) => entry.role === role && entry.member === member);
    const by = engineMajor >= 16 ? ` GRANTED BY ${identifier(grantor)}` : '';
    if (saved.length === 0) return [`REVOKE ${identifier(role)} FROM ${identifier(member)}${by} CASCADE;`];
    return admin && !saved.some((entry) => entry.admin) ? [`REVOKE ADMIN OPTION FOR ${identifier(role)} FROM ${identifier(member)}${by} CASCADE;`] : [];
  });
  const given = grantsTo(new Set(present.map(({ name }) => name)), globals, new Set([...names, ...missing]), engineMajor);
  const keptPasswords = present.filter(({ name, password }) => ours.has(name) && password !== null).map(({ name }) => name);
  const others = [...names].filter((name) => !globals.roles.has(name) && !/^pg_/.test(name));
  return {
    sql: [made.sql, ...present.flatMap(alter), ...taken, ...given.grants].filter((part) => part !== '').join('\n'),
    unknown: made.unknown,
    notes: [
      ...made.notes,
      ...given.notes,
      ...keptPasswords.map((name) => `The password of ${named(name)}, as whom this was done, stays as the image has it.`),
      ...(others.length === 0 ? [] : [`Roles that the recovery point does not describe stay as they are: ${some(others.map(named))}.`]),
    ],
  };
}

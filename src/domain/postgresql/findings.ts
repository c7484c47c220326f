import type { DatabaseFacts, KeptData, PostgresqlFacts } from '../../contracts/data';
import type { Finding } from '../../contracts/plan';
import { columnDifferences } from './facts';
import type { PresentDatabase } from './present-database';
import type { Requirements } from './requirements';
import { fits, rolesOf, type ObjectItems } from './selection';
import { named, tableNamed } from './words';

/** What people should know before a database is restored, or its restore undone. `items` null: the whole database. */

const MAX_EXAMPLES = 20;

const examples = (names: readonly string[]): readonly string[] => names.slice(0, MAX_EXAMPLES).map(named);

/** What the database needs of its server. */
export function requirementFindings(
  found: Requirements,
  all: Pick<PostgresqlFacts, 'engineVersion'>,
  facts: Pick<DatabaseFacts, 'name'>,
  items: ObjectItems | null,
): readonly Finding[] {
  const findings: Finding[] = [
    found.engineTooOld
      ? {
          code: 'DATABASE_ENGINE_TOO_OLD',
          severity: 'block',
          message: `The dump is of PostgreSQL ${all.engineVersion}, the server is ${found.engine.version}: a dump cannot be loaded into an older major version.`,
          remedy: 'Upgrade the database server, or choose an older recovery point.',
          evidence: [],
        }
      : {
          code: 'DATABASE_ENGINE',
          severity: 'ok',
          message: `The dump is of PostgreSQL ${all.engineVersion}, the server is ${found.engine.version}.`,
          evidence: [],
        },
  ];
  if (!found.engine.superuser) {
    findings.push({
      code: 'DATABASE_NOT_SUPERUSER',
      severity: 'block',
      message: 'The user of the data set is no superuser of the database server.',
      remedy: 'Correct "user" of the data set.',
      evidence: [],
    });
  }
  const needed = items === null ? null : new Set(rolesOf(items));
  const roles = found.missingRoles.filter((role) => needed === null || needed.has(role));
  if (roles.length > 0) {
    findings.push(
      needed === null
        ? {
            code: 'ROLES_ARE_MADE',
            severity: 'warn',
            message: 'Roles that the database needs are missing: they are made as the recovery point says, with their passwords.',
            evidence: examples(roles),
          }
        : {
            code: 'DATABASE_ROLE_MISSING',
            severity: 'block',
            message: 'Roles that the selected objects belong or are granted to are missing.',
            remedy: 'Make them, then make a new plan.',
            evidence: examples(roles),
          },
    );
  }
  if (found.missingExtensions.length > 0) {
    findings.push({
      code: 'DATABASE_EXTENSION_MISSING',
      severity: 'block',
      message: `Extensions that ${named(facts.name)} uses are not to be had in the guest.`,
      remedy: 'Install their packages, then make a new plan.',
      evidence: examples(found.missingExtensions),
    });
  }
  if (found.otherVersions.length > 0) {
    findings.push({
      code: 'EXTENSION_VERSION_DIFFERS',
      severity: 'warn',
      message: 'Extensions are not to be had in the version of the recovery point: the present one is used.',
      evidence: found.otherVersions.slice(0, MAX_EXAMPLES).map((entry) => `${named(entry.name)} ${named(entry.version)} then, ${named(entry.available)} now`),
    });
  }
  if (found.missingTablespaces.length > 0) {
    findings.push({
      code: 'DATABASE_TABLESPACE_MISSING',
      severity: 'block',
      message: 'Tablespaces are missing.',
      remedy: 'Make them, then make a new plan.',
      evidence: examples(found.missingTablespaces),
    });
  }
  return findings;
}

/** What stands under the name of the database, and who uses it. */
export function presenceFindings(facts: Pick<DatabaseFacts, 'name'>, present: PresentDatabase | null, items: ObjectItems | null): readonly Finding[] {
  const whole = items === null;
  if (present === null) {
    return [
      whole
        ? { code: 'DATABASE_ABSENT', severity: 'ok', message: `The database ${named(facts.name)} is not there: it is put in place.`, evidence: [] }
        : {
            code: 'DATABASE_NOT_FOUND',
            severity: 'block',
            message: `The database ${named(facts.name)} is not there: there is nothing that tables or schemas could be put into.`,
            remedy: 'Restore the whole database.',
            evidence: [],
          },
    ];
  }
  const closed: Finding = {
    code: 'DATABASE_CLOSED',
    severity: whole ? 'warn' : 'block',
    message: `The database ${named(facts.name)} accepts no connections now.`,
    remedy: `ALTER DATABASE … ALLOW_CONNECTIONS true`,
    evidence: [],
  };
  return [
    ...(present.allowsConnections ? [] : [closed]),
    ...heldFindings(present.prepared, whole ? 'block' : 'warn'),
    ...(whole ? sessionFindings(present.sessions) : []),
  ];
}

/** Prepared transactions: nobody's session, so nobody can be asked to end them. */
const heldFindings = (prepared: readonly string[], severity: 'block' | 'warn'): readonly Finding[] =>
  prepared.length === 0
    ? []
    : [
        {
          code: 'DATABASE_IN_USE',
          severity,
          message: 'Prepared transactions hold the database.',
          remedy: 'COMMIT PREPARED or ROLLBACK PREPARED them.',
          evidence: examples(prepared),
        },
      ];

const sessionFindings = (sessions: number): readonly Finding[] =>
  sessions === 0
    ? []
    : [
        {
          code: 'DATABASE_SESSIONS',
          severity: 'warn',
          message: `${sessions} ${sessions === 1 ? 'session is' : 'sessions are'} ended when the databases are exchanged.`,
          evidence: [],
        },
      ];

/** What of logical replication hangs on the database that is to be replaced. */
export function replicationFindings({ slots, subscriptions }: { readonly slots: number; readonly subscriptions: number }): readonly Finding[] {
  if (slots + subscriptions === 0) return [];
  return [
    {
      code: 'REPLICATION_STAYS_BEHIND',
      severity: 'warn',
      message: 'Logical replication stays with the replaced database: slots and subscriptions have to be made anew in the restored one.',
      evidence: [`${slots} logical ${slots === 1 ? 'slot' : 'slots'}`, `${subscriptions} ${subscriptions === 1 ? 'subscription' : 'subscriptions'}`],
    },
  ];
}

/** Tables whose columns are not what they were. */
export function structureFindings(items: ObjectItems): readonly Finding[] {
  return items.tables.flatMap((item): readonly Finding[] => {
    if (item.live === null || fits(item)) return [];
    const evidence = ['r', 'p'].includes(item.live.kind) ? examples(columnDifferences(item.live.columns, item.table.columns)) : ['it is no table now'];
    const message = `The columns of ${tableNamed(item.table)} are not what they were in the recovery point.`;
    return item.action === 'replace'
      ? [
          {
            code: 'DATABASE_STRUCTURE_DIFFERS',
            severity: 'block',
            message,
            remedy: 'Restore it beside (without --replace), compare, and copy what is needed.',
            evidence,
          },
        ]
      : [{ code: 'COLUMNS_DIFFER', severity: 'ok', message, evidence }];
  });
}

/** Against undoing the restore of a whole database. `found`: of the live and the kept one those that are there, by their names. */
export function wholeUndoFindings(
  { database, keptDatabase }: Pick<Extract<KeptData, { kind: 'postgresql' }>, 'database' | 'keptDatabase'>,
  found: ReadonlyMap<string, PresentDatabase>,
): readonly Finding[] {
  const held = [...found.values()].flatMap(({ prepared }) => prepared);
  return [
    ...(keptDatabase !== null && !found.has(keptDatabase) ? [gone(`The database ${named(keptDatabase)}, which was kept,`)] : []),
    ...heldFindings(held, 'block'),
    ...sessionFindings(found.get(database)?.sessions ?? 0),
  ];
}

/** Against undoing the restore of tables and schemas: what was kept of them is gone. */
export const keptObjectsGone = (database: string): Finding => gone(`What was kept in ${named(database)}`);

const gone = (what: string): Finding => ({
  code: 'DATABASE_NOT_FOUND',
  severity: 'block',
  message: `${what} is not there any more: there is nothing to go back to.`,
  evidence: [],
});

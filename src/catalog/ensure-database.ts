import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { translateDatabaseError } from './database-errors';

export interface DatabaseRoles {
  /** Connection of a superuser, to any database. */
  readonly superuserUrl: string;
  readonly database: string;
  /** Owns the database and runs the migrations. */
  readonly ownerRole: string;
  readonly ownerPassword: string;
  /** The processes connect as this one; `runMigrations` gives it its rights. */
  readonly appRole: string;
  readonly appPassword: string;
}

const SETUP_LOCK = 7_361_004;
/** Object exists already, because another process was faster (one that is connected to another database has another lock). */
const EXISTS_STATES = new Set(['42710', '42P04', '23505']);

/**
 * Makes the two roles and the database where they are missing and sets both passwords; idempotent. The server is sent only what it stores anyway
 * (a SCRAM verifier), so no password can show in its log. Throws `CATALOG_UNAVAILABLE`.
 */
export async function ensureDatabase(options: DatabaseRoles): Promise<void> {
  const client = new Client({ connectionString: options.superuserUrl, connectionTimeoutMillis: 5000, application_name: 'modosu-setup' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Two at once would meet in the catalogue of roles ("tuple concurrently updated"). Ends with the session.
    await client.query('SELECT pg_advisory_lock($1)', [SETUP_LOCK]);
    await ensureRole(client, options.ownerRole, options.ownerPassword);
    await ensureRole(client, options.appRole, options.appPassword);
    const database = escapeIdentifier(options.database);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [options.database]);
    if (rowCount === 0) {
      await unlessItExists(client.query(`CREATE DATABASE ${database} OWNER ${escapeIdentifier(options.ownerRole)} ENCODING 'UTF8' TEMPLATE template0`));
    }
    await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${database} TO ${escapeIdentifier(options.appRole)}`);
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function ensureRole(client: Client, role: string, password: string): Promise<void> {
  const name = escapeIdentifier(role);
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
  if (rowCount === 0) await unlessItExists(client.query(`CREATE ROLE ${name}`));
  await client.query(
    `ALTER ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD ${escapeLiteral(scramVerifier(password))}`,
  );
}

async function unlessItExists(statement: Promise<unknown>): Promise<void> {
  try {
    await statement;
  } catch (error) {
    if (!EXISTS_STATES.has(String((error as { readonly code?: unknown }).code))) throw error;
  }
}

/** What PostgreSQL stores of a password with scram-sha-256 (RFC 5803). Exact for ASCII passwords; others are normalised as RFC 4013 mostly does. */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest();
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${hmac('Server Key').toString('base64')}`;
}

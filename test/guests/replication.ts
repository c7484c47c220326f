/**
 * A primary of PostgreSQL and its streaming standby, two real servers in two guests on one LAN, and what people do with them. Everything is done by
 * PostgreSQL's own programs in the guests, independent of the code under test.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { guestOutput } from './guest-commands';
import type { GuestServer } from './guest-server';

/** Where one of the two runs: a guest, or what runs in one. */
export interface ReplicaMachine {
  /** On the LAN of the two, without a prefix. */
  readonly address: string;
  /** Standard output of a program in it, which is looked for in its PATH; throws when it ends badly. */
  output(argv: readonly [string, ...string[]], options: { readonly timeoutMs: number }): Promise<string>;
}

const DATA = '/var/lib/postgresql/data';
const HOME = '/var/lib/postgresql';
/** On the second disk. */
const COPY = '/data/postgresql';
const WITHIN_MS = 90_000;

/**
 * As Debian's package installs it: whoever is locally of that name, and nobody else (`peer`). The other lines are what replication and pg_rewind need.
 */
const PG_HBA = `local all postgres peer
local all all peer
host all all 127.0.0.1/32 scram-sha-256
local replication all peer
host replication replicator 192.168.0.0/16 scram-sha-256
host postgres replicator 192.168.0.0/16 scram-sha-256
`;

const SETTINGS = `
listen_addresses = '*'
wal_level = replica
wal_log_hints = on
hot_standby = on
max_wal_senders = 4
wal_keep_size = 16MB
max_wal_size = 32MB
wal_retrieve_retry_interval = '500ms'
wal_receiver_timeout = '5s'
wal_sender_timeout = '5s'
`;

const PASSWORD = 'of-the-lab';

/** What a role of Debian's documentation may do with which pg_rewind reads a server, and replicate from it. */
const REPLICATOR = `CREATE ROLE replicator LOGIN REPLICATION PASSWORD '${PASSWORD}';
GRANT EXECUTE ON function pg_catalog.pg_ls_dir(text, boolean, boolean) TO replicator;
GRANT EXECUTE ON function pg_catalog.pg_stat_file(text, boolean) TO replicator;
GRANT EXECUTE ON function pg_catalog.pg_read_binary_file(text) TO replicator;
GRANT EXECUTE ON function pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;
CREATE TABLE written (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, by text NOT NULL, note text NOT NULL);`;

/** Stopped, it stays so: init starts PostgreSQL again whenever it ends. */
const HELD = `${HOME}/held`;

/** One of the two servers, whatever it is at the moment. */
export class ReplicaServer {
  constructor(readonly machine: ReplicaMachine) {}

  /** A shell script as the user `postgres`; throws when it ends badly. Returns standard output. */
  run(script: string, ...args: readonly string[]): Promise<string> {
    const asPostgres = ['/usr/bin/setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] as const;
    return this.machine.output([...asPostgres, 'sh', '-euc', `cd ${HOME}; ${script}`, 'sh', ...args], { timeoutMs: WITHIN_MS });
  }

  /** As `run`, as root. */
  runAsRoot(script: string, ...args: readonly string[]): Promise<string> {
    return this.machine.output(['sh', '-euc', script, 'sh', ...args], { timeoutMs: WITHIN_MS });
  }

  /** Rows come unaligned, without header. */
  sql = async (statements: string, database = 'postgres'): Promise<string> =>
    (await this.run('exec psql -X -A -t -q -v ON_ERROR_STOP=1 -d "$1" -c "$2"', database, statements)).trim();

  /** Stops PostgreSQL, and keeps it from being started again until `start`. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.run(`touch ${HELD}; pg_ctl -D ${DATA} status >/dev/null || exit 0; exec pg_ctl -D ${DATA} stop -m "$1" -w -t 60`, mode);
  }

  /** Resolves when it accepts connections. */
  async start(): Promise<void> {
    await this.run(`rm -f ${HELD}`);
    for (
      const giveUpAt = performance.now() + WITHIN_MS;
      (await this.runAsRoot('pg_isready -q -h /run/postgresql && echo ready || :')) === '';
      await delay(200)
    ) {
      if (performance.now() > giveUpAt) throw new Error(`PostgreSQL in ${this.machine.address} does not accept connections`);
    }
  }

  /** Writes rows, and has them flushed. Returns the ids of the first and the last one. */
  write = (by: string, rows = 10): Promise<string> =>
    this.sql(
      `WITH new AS (INSERT INTO written (by, note) SELECT '${by}', md5(n::text || '${by}') FROM generate_series(1, ${rows}) AS n RETURNING id)
       SELECT min(id) || '-' || max(id) FROM new`,
    );

  /** All rows that were ever written by `write`, as they stand. */
  rows = (): Promise<string> =>
    this.sql(
      "SELECT coalesce(string_agg(id || ' ' || by, ',' ORDER BY id), '') || ' ' || md5(coalesce(string_agg(written::text, ',' ORDER BY id), '')) FROM written",
    );

  /** How far its log goes: what is flushed of a primary, what is replayed of a standby. */
  position = (): Promise<string> => this.sql('SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END');

  /** As the profile's step NEW_TIMELINE_NEEDED says. */
  async newTimeline(): Promise<void> {
    await this.stop();
    await this.run(`touch ${DATA}/standby.signal; printf "primary_conninfo = ''\\nrestore_command = ''\\n" >>${DATA}/postgresql.auto.conf`);
    await this.start();
    await this.promote();
  }

  promote = async (): Promise<void> => void (await this.sql('SELECT pg_promote(true, 60)'));

  /** As an image that was taken online has it: stopped in mid-sentence, copied, started again. */
  async keepCopy(): Promise<void> {
    await this.stop('immediate');
    await this.runAsRoot(`rm -rf ${COPY}; cp -a ${DATA} ${COPY}`);
    await this.start();
  }

  /** Back in time, to the last copy; not started. */
  async goBack(): Promise<void> {
    await this.stop('immediate');
    await this.runAsRoot(`rm -rf ${DATA}; cp -a ${COPY} ${DATA}`);
  }
}

/** Makes `primary` one and `standby` its standby, which has streamed all there is. The guests run, with their addresses. */
export async function replicate(primary: ReplicaServer, standby: ReplicaServer): Promise<void> {
  await Promise.all([primary, standby].map(prepare));
  await primary.run(`cat >>${DATA}/postgresql.conf <<'END'${SETTINGS}END\ncat >${DATA}/pg_hba.conf <<'END'\n${PG_HBA}END`);
  await primary.start();
  await primary.sql(REPLICATOR);
  await rebuildByBasebackup(standby, primary);
}

async function prepare(server: ReplicaServer): Promise<void> {
  const held = `[ ! -e ${HELD} ] || exec sleep 0.3`;
  await server.runAsRoot('sed -i "2i $1" /etc/init.d/postgresql', held);
  await server.stop();
  await server.run(`umask 077; echo '*:*:*:replicator:${PASSWORD}' >.pgpass`);
}

/** Ten seconds: on a busy machine an emulated guest takes more than three for a login. */
const LOGIN = `user=replicator passfile=${HOME}/.pgpass connect_timeout=10`;
const conninfo = ({ machine }: ReplicaServer): string => `host=${machine.address} ${LOGIN}`;

/** `standby` becomes a new copy of `source`, and streams from it. */
export async function rebuildByBasebackup(standby: ReplicaServer, source: ReplicaServer): Promise<void> {
  await standby.stop();
  await standby.run(`rm -rf ${DATA}; exec pg_basebackup -D ${DATA} -R -X stream -c fast -d "$1"`, conninfo(source));
  await standby.start();
  await follows(standby, source);
}

/** `standby` is taken back to where it parted from `source`, and streams from there on. Returns what pg_rewind said. */
export async function rebuildByRewind(standby: ReplicaServer, source: ReplicaServer): Promise<string> {
  await standby.stop();
  const said = await rewind(standby, source);
  await standby.start();
  await follows(standby, source);
  return said;
}

/** Of a stopped server. */
export const rewind = (stopped: ReplicaServer, source: ReplicaServer): Promise<string> =>
  stopped.run(`exec pg_rewind -D ${DATA} -R --source-server "$1 dbname=postgres" 2>&1`, conninfo(source));

/** Waits until `standby` has replayed all that `primary` has. Throws with what the standby's log says. */
export async function follows(standby: ReplicaServer, primary: ReplicaServer, deadlineMs = WITHIN_MS): Promise<void> {
  for (const giveUpAt = performance.now() + deadlineMs; ; await delay(300)) {
    const state = await primary.sql("SELECT state = 'streaming' AND replay_lsn >= pg_current_wal_flush_lsn() FROM pg_stat_replication");
    if (state === 't') return;
    if (performance.now() < giveUpAt) continue;
    throw new Error(`the standby does not follow: ${await standby.runAsRoot('tail -n 15 /var/log/postgresql/postgresql.log || :')}`);
  }
}

const AS_POSTGRES = '/usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups';
const READY = 'until pg_isready -q; do sleep 0.2; done';
const START = `rm -f ${HELD}; ${READY}`;

/** In a guest the names of the servers are names of hosts. The first one is run as soon as the restored guest's agent answers: PostgreSQL may be starting. */
const PROGRAMS = {
  '/usr/local/sbin/new-timeline': `${READY}
touch ${HELD}
${AS_POSTGRES} pg_ctl -D ${DATA} stop -m fast -w -t 60
${AS_POSTGRES} touch ${DATA}/standby.signal
printf "primary_conninfo = ''\\nrestore_command = ''\\n" >>${DATA}/postgresql.auto.conf
${START}
exec ${AS_POSTGRES} psql -X -q -d postgres -c 'SELECT pg_promote(true, 60)'`,
  '/usr/local/sbin/rebuild': `touch ${HELD}
! ${AS_POSTGRES} pg_ctl -D ${DATA} status >/dev/null || ${AS_POSTGRES} pg_ctl -D ${DATA} stop -m fast -w -t 60
rm -rf ${DATA}
${AS_POSTGRES} pg_basebackup -D ${DATA} -R -X stream -c fast -d "host=$2 ${LOGIN}"
${START}`,
} as const;

/**
 * What an operator has in the guest for the parameters `new-timeline-program` and `rebuild-program` of the profile.
 *
 * @param names of both servers, with their addresses
 */
export async function installPrograms(server: ReplicaServer, names: Readonly<Record<string, string>>): Promise<void> {
  const install = 'mkdir -p "${1%/*}"; printf "#!/bin/sh\\nset -eu\\n%s\\n" "$2" >"$1"; chmod 755 "$1"';
  for (const [path, program] of Object.entries(PROGRAMS)) await server.runAsRoot(install, path, program);
  const hosts = Object.entries(names).map(([name, address]) => `${address} ${name}\n`);
  await server.runAsRoot('printf %s "$1" >>/etc/hosts', hosts.join(''));
}

/** A guest of `layWire` as one of two servers. */
export const replicaOf = ({ uuid, lan }: GuestServer): ReplicaServer =>
  new ReplicaServer({ address: lan?.address.replace(/\/.*$/, '') ?? '', output: (argv, options) => guestOutput(uuid, argv, options) });

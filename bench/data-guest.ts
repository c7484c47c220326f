import { createGuestServer, guestExec, waitForAgent, waitForPostgresql, type GuestServer } from '../test/guests/guest-server';
import type { FilesDataSet, PostgresqlDataSet } from '../src/contracts/data';
import { DOMAIN, PLACE } from './place';

/** How much data is saved and brought back. */
export interface DataSizes {
  readonly files: number;
  readonly fileBytes: number;
  /** Of text in the rows of the database. */
  readonly databaseBytes: number;
}

const MIB = 1024 * 1024;
const MEMORY_MIB = 512;
const FILES_IN_A_DIRECTORY = 100;
const ROW_BYTES = 400;
/** Of an emulated guest on a busy machine. */
const BOOT_MS = 10 * 60_000;
const SCRIPT_TIMEOUT_MS = 30 * 60_000;

/** Where everything lies in the guest: the system's own disk is small. */
export const AT = { uploads: '/data/uploads', spool: '/data/spool', bare: '/data/bare', seed: '/etc/hostname' };

const NO_HOOKS = { before: null, after: null };
export const FILES_SET: FilesDataSet = { kind: 'files', name: 'uploads', paths: [AT.uploads], excludes: [], ...NO_HOOKS };
export const DATABASE_SET: PostgresqlDataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop'],
  user: 'postgres',
  osUser: 'postgres',
  socketDirectory: '/run/postgresql',
  port: 5432,
  spoolDirectory: AT.spool,
  ...NO_HOOKS,
};
/** One small file: saved before anything is measured, so that the repository is made and every program has run once. */
export const SEED_SET: FilesDataSet = { kind: 'files', name: 'seed', paths: [AT.seed], excludes: [], ...NO_HOOKS };

/** A server with PostgreSQL, whose data and files lie on a disk of their own, full of random data. */
export class DataGuest {
  private constructor(
    readonly server: GuestServer,
    readonly sizes: DataSizes,
    private readonly signal: AbortSignal,
  ) {}

  static async make(sizes: DataSizes, signal: AbortSignal): Promise<DataGuest> {
    // Files twice, and the database with its dumps, each beside its own copy.
    const sizeBytes = Math.ceil((3 * sizes.fileBytes + 10 * sizes.databaseBytes) / MIB + 768) * MIB;
    const server = await createGuestServer({
      name: DOMAIN,
      guest: 'postgresql',
      directory: PLACE.servers,
      dataDisk: { sizeBytes, format: 'qcow2' },
      memoryMiB: MEMORY_MIB,
    });
    try {
      await waitForAgent(server.uuid, BOOT_MS);
      await waitForPostgresql(server.uuid, BOOT_MS);
      const guest = new DataGuest(server, sizes, signal);
      await guest.moveDatabaseServer();
      await guest.writeFiles();
      await guest.fillDatabase();
      return guest;
    } catch (error) {
      await server.destroy();
      throw error;
    }
  }

  /** Standard output of a shell script in the guest that has to succeed. Its shell takes busybox for what is not said with its whole path. */
  async sh(script: string, ...args: readonly string[]): Promise<string> {
    this.signal.throwIfAborted();
    const { exitCode, stdout, stderr } = await guestExec(this.server.uuid, ['sh', '-euo', 'pipefail', '-c', script, 'sh', ...args], {
      timeoutMs: SCRIPT_TIMEOUT_MS,
    });
    if (exitCode !== 0) throw new Error(`In the guest: ${script.trim().slice(0, 300)}\nended with ${exitCode}: ${stderr.trim().slice(-1000)}`);
    return stdout;
  }

  /** What is read from now on comes from the disk. */
  async forget(): Promise<void> {
    await this.sh('psql -qX -U postgres -h /run/postgresql -d postgres -c CHECKPOINT; sync; echo 3 > /proc/sys/vm/drop_caches');
  }

  /** Everything in the declared directory; the directory itself stays. */
  async loseFiles(): Promise<void> {
    await this.sh('/usr/bin/find "$1" -mindepth 1 -delete', AT.uploads);
  }

  /**
   * Throws when fewer files or bytes lie below a directory than were written: whoever has moved less has not done the work. What a restore keeps beside does
   * not count.
   */
  async requireFiles(directory: string): Promise<void> {
    const [files, bytes] = (
      await this.sh(
        `/usr/bin/find "$1" -name '.modosu-restore-*' -prune -o -type f -printf '%s\\n' | awk '{ n += 1; s += $1 } END { printf "%.0f %.0f", n, s }'`,
        directory,
      )
    )
      .split(' ')
      .map(Number);
    const { files: wanted, bytes: wantedBytes } = this.written();
    if (files !== wanted || bytes !== wantedBytes) {
      throw new Error(`${directory} holds ${files} files of ${bytes} bytes, not ${wanted} of ${wantedBytes}: it does not count.`);
    }
  }

  async requireRows(database: string): Promise<void> {
    const rows = Number(await this.sh('psql -qAtX -U postgres -h /run/postgresql -d "$1" -c "SELECT count(*) FROM documents"', database));
    if (rows !== this.rows()) throw new Error(`The database ${database} has ${rows} rows, not ${this.rows()}: it does not count.`);
  }

  private rows(): number {
    return Math.ceil(this.sizes.databaseBytes / ROW_BYTES);
  }

  /** Directories are full, files are of one length: what was asked for, rounded. */
  private written(): { readonly directories: number; readonly fileBytes: number; readonly files: number; readonly bytes: number } {
    const directories = Math.max(1, Math.round(this.sizes.files / FILES_IN_A_DIRECTORY));
    const files = directories * FILES_IN_A_DIRECTORY;
    const fileBytes = Math.floor(this.sizes.fileBytes / files);
    return { directories, fileBytes, files, bytes: files * fileBytes };
  }

  /** init starts the database server again from where the script says now. */
  private async moveDatabaseServer(): Promise<void> {
    await this.sh(`
as_postgres='/usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups'
cat > /etc/init.d/postgresql.new <<END
#!/bin/sh
mkdir -p /run/postgresql
chown postgres:postgres /run/postgresql
[ -d /data/postgresql ] || { cp -a /var/lib/postgresql/data /data/postgresql.part && mv /data/postgresql.part /data/postgresql; }
exec $as_postgres sh -c 'exec postgres -D /data/postgresql >>/var/log/postgresql/postgresql.log 2>&1'
END
chmod 755 /etc/init.d/postgresql.new
mv /etc/init.d/postgresql.new /etc/init.d/postgresql
$as_postgres pg_ctl -D /var/lib/postgresql/data stop -m fast -w -t 60`);
    await waitForPostgresql(this.server.uuid, BOOT_MS);
  }

  private async writeFiles(): Promise<void> {
    const { directories, fileBytes } = this.written();
    await this.sh(
      `
i=0
while [ $i -lt "$2" ]; do
  directory=$(printf '%s/%04d' "$1" $i)
  mkdir -p "$directory"
  /usr/bin/head -c "$3" /dev/urandom | /usr/bin/split -b "$4" -a 3 -d - "$directory/upload-"
  i=$((i + 1))
done
sync`,
      AT.uploads,
      String(directories),
      String(fileBytes * FILES_IN_A_DIRECTORY),
      String(fileBytes),
    );
    await this.requireFiles(AT.uploads);
  }

  private async fillDatabase(): Promise<void> {
    const rows = this.rows();
    await this.sh(
      `
sql() { psql -qX -U postgres -h /run/postgresql -d shop -v ON_ERROR_STOP=1 -c "$1"; }
sql 'CREATE TABLE documents (id integer PRIMARY KEY, owner integer NOT NULL, body text NOT NULL)'
/usr/bin/head -c "$1" /dev/urandom | /usr/bin/base64 -w ${ROW_BYTES} | awk '{ print NR "\\t" NR % 1000 "\\t" $0 }' | sql 'COPY documents FROM STDIN'
sql 'CREATE INDEX documents_owner ON documents (owner)'
sql 'VACUUM ANALYZE'
sql CHECKPOINT`,
      String((rows * ROW_BYTES * 3) / 4),
    );
    await this.requireRows('shop');
  }
}

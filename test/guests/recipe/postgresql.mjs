/** PostgreSQL in a guest's tree, with a database of rows that are the same in every build. */
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../scripts/setup/programs.mjs';
import { POSTGRES_UID, installFile, list, write } from './root-tree.mjs';

const DATA = '/var/lib/postgresql/data';

const SETTINGS = `
listen_addresses = ''
unix_socket_directories = '/run/postgresql'
max_connections = 20
shared_buffers = 24MB
min_wal_size = 32MB
max_wal_size = 128MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
`;

/** Single-user mode takes one statement per line. */
const SHOP = [
  `CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, city text NOT NULL)`,
  `CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, ordered_on date NOT NULL, item text NOT NULL, quantity integer NOT NULL, price_cents integer NOT NULL)`,
  `INSERT INTO customers SELECT n, 'Customer ' || n, (ARRAY['Osaka','Kyoto','Sapporo','Nagoya','Fukuoka'])[1 + n % 5] FROM generate_series(1, 500) AS n`,
  `INSERT INTO orders SELECT n, 1 + (n * 7919) % 500, DATE '2024-01-01' + n % 700, 'item-' || md5(n::text), 1 + n % 9, 100 + (n * 104729) % 90000 FROM generate_series(1, 5000) AS n`,
];

/** Makes the data directory with the tree's own programs, in a chroot, as the user it belongs to. */
export async function addPostgresql(tree) {
  const [version] = list(join(tree, 'usr/lib/postgresql'));
  if (version === undefined) throw new Error('The PostgreSQL packages hold no usr/lib/postgresql.');
  const programs = `/usr/lib/postgresql/${version}/bin`;
  for (const name of list(join(tree, programs))) {
    if (!existsSync(join(tree, 'usr/bin', name))) symlinkSync(`${programs}/${name}`, join(tree, 'usr/bin', name));
  }
  const libraries = join(tree, `usr/lib/postgresql/${version}/lib`);
  rmSync(join(libraries, 'bitcode'), { recursive: true, force: true });
  for (const name of list(libraries)) if (name.startsWith('llvmjit')) rmSync(join(libraries, name));

  for (const directory of ['var/lib/postgresql', 'var/log/postgresql']) {
    mkdirSync(join(tree, directory), { recursive: true });
    chownSync(join(tree, directory), POSTGRES_UID, POSTGRES_UID);
  }
  await run('mknod', ['-m', '666', join(tree, 'dev/null'), 'c', '1', '3']);
  mkdirSync(join(tree, 'dev/shm'), { recursive: true });
  chmodSync(join(tree, 'dev/shm'), 0o1777);
  const inTree = (program, args, input) =>
    run('chroot', [`--userspec=${POSTGRES_UID}:${POSTGRES_UID}`, tree, `${programs}/${program}`, ...args], { input, env: { TZ: 'UTC', HOME: '/' } });
  await inTree('initdb', ['-D', DATA, '-U', 'postgres', '--locale=C', '--encoding=UTF8', '--auth=trust', '--no-sync', '--data-checksums']);
  appendFileSync(join(tree, DATA, 'postgresql.conf'), SETTINGS);
  await inTree('postgres', ['--single', '-j', '-D', DATA, 'postgres'], 'CREATE DATABASE shop;\n\n');
  await inTree('postgres', ['--single', '-D', DATA, 'shop'], SHOP.map((statement) => `${statement}\n`).join(''));
  rmSync(join(tree, 'dev/shm'), { recursive: true, force: true });
  rmSync(join(tree, 'dev/null'));

  installFile(tree, 'postgresql', 'etc/init.d/postgresql');
  installFile(tree, 'postgresql-before', 'etc/init.d/start.d/postgresql');
  installFile(tree, 'postgresql-stop', 'etc/init.d/stop.d/postgresql');
  appendFileSync(join(tree, 'etc/inittab'), '::respawn:/etc/init.d/postgresql\n');
  // The packages' own files include ones that only maintainer scripts write.
  for (const service of ['su', 'runuser']) {
    write(tree, `etc/pam.d/${service}`, 'auth required pam_rootok.so\naccount required pam_permit.so\nsession required pam_permit.so\n');
  }
  write(tree, 'root/.psqlrc', '\\pset pager off\n');
}

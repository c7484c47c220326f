/** Knot, an authoritative name server, in a guest's tree: it runs from the first boot on, and serves what its configuration and zone files on the disk say. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { installFile, write } from './root-tree.mjs';

export function addNameServer(tree) {
  for (const directory of ['var/lib/knot', 'var/log']) mkdirSync(join(tree, directory), { recursive: true });
  installFile(tree, 'knot.conf', 'etc/knot/knot.conf', 0o644);
  write(tree, 'etc/knot/zones.conf', '');
  installFile(tree, 'name-server', 'etc/init.d/name-server');
  installFile(tree, 'name-server-stop', 'etc/init.d/stop.d/name-server');
  appendFileSync(join(tree, 'etc/inittab'), '::respawn:/etc/init.d/name-server\n');
}

/** The root file system of a guest: unpacked packages, busybox as init, and the few files that maintainer scripts would have written. */
import { chmodSync, chownSync, copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../../scripts/setup/programs.mjs';

export const recipeFiles = join(dirname(fileURLToPath(import.meta.url)), 'files');

export const POSTGRES_UID = 105;
const OPENLDAP_UID = 106;

const NOT_NEEDED = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'usr/share/lintian',
  'usr/share/bash-completion',
  'usr/share/bug',
  'usr/share/common-licenses',
  'usr/share/doc-base',
  'usr/share/zsh',
  'usr/share/fish',
  'usr/share/gdb',
  'usr/lib/systemd',
  'usr/lib/udev',
  'usr/share/initramfs-tools',
  'etc/cron.d',
  'etc/cron.daily',
  'etc/init.d',
  'etc/default',
  'boot',
];

/** Brings unpacked packages into the shape that can boot. Idempotent. */
export async function finishRootTree(tree, { release }) {
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) mergeIntoUsr(tree, name);
  for (const path of NOT_NEEDED) rmSync(join(tree, path), { recursive: true, force: true });
  for (const path of [
    'proc',
    'sys',
    'dev',
    'run',
    'tmp',
    'root',
    'data',
    'etc/init.d/start.d',
    'etc/init.d/stop.d',
    'etc/pam.d',
    'var/log',
    'var/lib',
    'var/tmp',
  ]) {
    mkdirSync(join(tree, path), { recursive: true });
  }
  chmodSync(join(tree, 'root'), 0o700);
  for (const path of ['tmp', 'var/tmp']) chmodSync(join(tree, path), 0o1777);
  link(tree, 'var/run', '/run');
  await installBusybox(tree);
  installFile(tree, 'inittab', 'etc/inittab', 0o644);
  installFile(tree, 'rcS', 'etc/init.d/rcS');
  installFile(tree, 'rcK', 'etc/init.d/rcK');
  installFile(tree, 'guest-agent', 'etc/init.d/guest-agent');
  rmSync(join(tree, 'usr/sbin/shutdown'), { force: true });
  installFile(tree, 'shutdown', 'usr/sbin/shutdown');
  writeAccounts(tree);
  write(tree, 'etc/os-release', release);
  write(tree, 'etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n');
  write(tree, 'etc/profile', 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\n');
  write(tree, 'etc/fstab', '/dev/vda2 / ext4 defaults 0 1\n');
  // The agent sets passwords through chpasswd, which asks PAM.
  for (const service of ['chpasswd', 'passwd', 'other']) {
    write(tree, `etc/pam.d/${service}`, ['auth', 'account', 'password', 'session'].map((kind) => `${kind} required pam_unix.so\n`).join(''));
  }
}

/** `bin`, `lib` and the like become links into `usr`, as on every current Debian and Ubuntu. */
function mergeIntoUsr(tree, name) {
  const path = join(tree, name);
  if (existsSync(path) && !lstatSync(path).isSymbolicLink()) {
    cpSync(path, join(tree, 'usr', name), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    rmSync(path, { recursive: true });
  }
  if (existsSync(join(tree, 'usr', name))) link(tree, name, `usr/${name}`);
}

async function installBusybox(tree) {
  const busybox = join(tree, 'usr/bin/busybox');
  const { stdout } = await run(busybox, ['--list']);
  for (const applet of stdout.split('\n').filter(Boolean)) {
    const taken = ['usr/bin', 'usr/sbin'].some((directory) => existsSync(join(tree, directory, applet)));
    if (!taken) symlinkSync('busybox', join(tree, 'usr/bin', applet));
  }
  mkdirSync(join(tree, 'usr/sbin'), { recursive: true });
  for (const name of ['init', 'poweroff', 'reboot', 'halt']) {
    if (!existsSync(join(tree, 'usr/sbin', name))) symlinkSync('../bin/busybox', join(tree, 'usr/sbin', name));
  }
}

function writeAccounts(tree) {
  const accounts = [
    ['root', 0, '/root', '/bin/sh'],
    ['daemon', 1, '/', '/usr/sbin/nologin'],
    ['postgres', POSTGRES_UID, '/var/lib/postgresql', '/bin/sh'],
    ['openldap', OPENLDAP_UID, '/var/lib/ldap', '/usr/sbin/nologin'],
    ['nobody', 65534, '/nonexistent', '/usr/sbin/nologin'],
  ];
  write(tree, 'etc/passwd', accounts.map(([name, id, home, shell]) => `${name}:x:${id}:${id}:${name}:${home}:${shell}\n`).join(''));
  write(tree, 'etc/group', accounts.map(([name, id]) => `${name}:x:${id}:\n`).join('') + 'tty:x:5:\nshadow:x:42:\n');
  write(tree, 'etc/shadow', accounts.map(([name]) => `${name}:*:19000:0:99999:7:::\n`).join(''));
  chmodSync(join(tree, 'etc/shadow'), 0o640);
  chownSync(join(tree, 'etc/shadow'), 0, 42);
}

export function installFile(tree, source, target, mode = 0o755) {
  mkdirSync(dirname(join(tree, target)), { recursive: true });
  copyFileSync(join(recipeFiles, source), join(tree, target));
  chmodSync(join(tree, target), mode);
}

export function write(tree, path, text) {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  rmSync(join(tree, path), { force: true });
  writeFileSync(join(tree, path), text);
}

export function link(tree, path, target) {
  rmSync(join(tree, path), { recursive: true, force: true });
  symlinkSync(target, join(tree, path));
}

/** Names of entries of a directory, empty when it is not there. */
export const list = (directory) => (existsSync(directory) ? readdirSync(directory).sort() : []);

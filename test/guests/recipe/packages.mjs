/**
 * Packages for a guest, taken from the host's own apt sources (so mirrors, proxies and keys are those of the host) and
 * unpacked without their scripts. Nothing is installed on the host.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../scripts/setup/programs.mjs';

/** Parts of Debian that a guest with busybox as init and no maintainer scripts has no use for. */
const NOT_NEEDED = [
  /^(perl|perl-.*|lib.*-perl|libperl.*)$/,
  /^(lib)?llvm.*$/,
  /^libz3-.*$/,
  /^(adduser|coreutils|cpio|debconf|dpkg|gcc-.*-base|init-system-helpers|insserv|klibc-utils|kmod|libc-bin|libc-l10n|libklibc|libkmod2)$/,
  /^(linux-.*|locales|logsave|lsb-base|openssl|postgresql-common.*|postgresql-client-common|readline-common|sensible-utils)$/,
  /^(initramfs-.*|dracut.*|systemd.*|sysvinit-utils|ssl-cert|tar|ucf|udev|usrmerge|mtools|debianutils|bash|dash|base-files|base-passwd)$/,
];

/**
 * The names of all packages that `names` need on a system that has none, as `name=version`.
 * @returns {Promise<{ name: string, spec: string }[]>}
 */
export async function resolvePackages(names, workDir) {
  const empty = join(workDir, 'apt');
  mkdirSync(join(empty, 'archives', 'partial'), { recursive: true });
  writeFileSync(join(empty, 'status'), '');
  const options = [
    `Dir::State::status=${join(empty, 'status')}`,
    `Dir::State::extended_states=${join(empty, 'extended_states')}`,
    `Dir::Cache::archives=${join(empty, 'archives')}/`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=root',
  ];
  const { stdout } = await run('apt-get', [
    ...options.flatMap((option) => ['-o', option]),
    '-qq',
    '-y',
    '--no-install-recommends',
    '--print-uris',
    'install',
    ...names,
  ]);
  return parseUris(stdout);
}

/** Lines are `'URI' name_version_arch.deb size hash`, with the colon of an epoch written as %3a. */
export function parseUris(text) {
  return [...text.matchAll(/^'[^']*' (\S+?)_(\S+?)_[a-z0-9]+\.deb /gm)].map(([, name, version]) => ({
    name,
    spec: `${name}=${version.replaceAll('%3a', ':').replaceAll('%3A', ':')}`,
  }));
}

export const isNeeded = ({ name }) => !NOT_NEEDED.some((pattern) => pattern.test(name));

/** What is asked for by name is needed, whatever busybox has of its own. */
export const isNeededFor = (names) => (entry) => names.includes(entry.name) || isNeeded(entry);

/** Downloads packages (`name=version`) into `directory` and returns their files. apt checks signatures and hashes. */
export async function downloadPackages(specs, directory) {
  mkdirSync(directory, { recursive: true });
  await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...specs], { cwd: directory });
  return readdirSync(directory)
    .filter((file) => file.endsWith('.deb'))
    .sort()
    .map((file) => join(directory, file));
}

export async function unpack(files, tree) {
  mkdirSync(tree, { recursive: true });
  for (const file of files) await run('dpkg-deb', ['--extract', file, tree]);
}

/** The kernel package of this distribution: small, with virtio; on Debian "cloud", on Ubuntu "virtual". */
export async function resolveKernel(workDir) {
  for (const name of ['linux-image-cloud-amd64', 'linux-image-virtual', 'linux-image-amd64']) {
    const found = await resolvePackages([name], workDir).catch(() => []);
    const parts = found.filter((entry) => /^linux-(image|modules)-\d/.test(entry.name));
    if (parts.length > 0) return parts.map((entry) => entry.spec);
  }
  throw new Error('No kernel package found (linux-image-cloud-amd64, linux-image-virtual). Run "apt-get update" and look at the apt sources.');
}

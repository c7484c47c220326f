import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../guests/run-program';

/** Runs a shell script in a guest, with what it reads on its standard input; throws when it ends badly. */
export type GuestShell = (script: string, args: readonly string[], input?: string) => Promise<unknown>;

/** Of what one program takes on its standard input, in base64. */
const PIECE_BYTES = 60 * 1024;
const PROGRAMS = ['/usr/bin/dpkg', '/usr/bin/dpkg-deb', '/usr/bin/dpkg-split', '/usr/bin/dpkg-query', '/usr/bin/tar'];
/** What a Debian system has beside busybox, without which dpkg does nothing. */
const STAND_INS = ['/sbin/ldconfig', '/sbin/start-stop-daemon'];

/**
 * Gives a guest the package manager that its system has: the guests of tests are unpacked packages of this machine's system without it, so this machine's dpkg finds its
 * libraries there, as far as they are there; the others are put beside them.
 */
export async function installDpkg(shell: GuestShell): Promise<void> {
  const libraries = new Set<string>();
  for (const program of PROGRAMS) {
    for (const [, path] of (await mustRun('INTERNAL', 'ldd', [program])).matchAll(/=> (\/\S+)/g)) libraries.add(path as string);
  }
  // Those of busybox have their names.
  await shell('rm -f "$@"', PROGRAMS);
  for (const path of [...PROGRAMS, ...libraries]) await putFile(shell, path, readFileSync(path));
  await shell('for p; do [ -e "$p" ] || { printf "#!/bin/sh\\n" > "$p"; chmod 755 "$p"; }; done', STAND_INS);
  await shell('mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers; echo amd64 > /var/lib/dpkg/arch; touch /var/lib/dpkg/status', []);
}

/** What is there already stays as it is. */
async function putFile(shell: GuestShell, path: string, content: Buffer): Promise<void> {
  const draft = `${path}.draft`;
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    const piece = content.subarray(at, at + PIECE_BYTES).toString('base64');
    await shell('mkdir -p "${2%/*}"; [ -e "$1" ] || base64 -d >> "$2"', [path, draft], piece);
  }
  await shell('[ -e "$1" ] || { chmod 755 "$2"; mv "$2" "$1"; }', [path, draft]);
}

/** Puts a package of one file into the guest, made by this machine's dpkg-deb. */
export async function putPackage(
  shell: GuestShell,
  path: string,
  { name, version, file, content }: { readonly name: string; readonly version: string; readonly file: string; readonly content: string },
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-package-'));
  try {
    const root = join(directory, 'root');
    mkdirSync(join(root, 'DEBIAN'), { recursive: true });
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, 'DEBIAN/control'), `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: nobody\nDescription: of a test\n`);
    writeFileSync(join(root, file), content);
    const made = join(directory, 'made.deb');
    await mustRun('INTERNAL', 'dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', root, made]);
    await putFile(shell, path, readFileSync(made));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

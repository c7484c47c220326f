/** Where set-up keeps what it makes. Everything but `node_modules` lies outside the checkout. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Things that are slow to make and safe to delete: the Temporal CLI, guest images. `MODOSU_CACHE_DIR` moves it. */
export const cacheDir = absolute('MODOSU_CACHE_DIR', '/var/cache/modosu');

/** The parent of the state that `modosu up` keeps. `MODOSU_STATE_DIR` moves it. */
export const stateDir = absolute('MODOSU_STATE_DIR', '/var/lib/modosu');

/** The version that is built when no other Temporal CLI is found. Later ones cannot be installed with `go install`. */
export const temporalVersion = '1.5.1';
export const temporalCachePath = join(cacheDir, `temporal-${temporalVersion}`, 'temporal');

/** For `npm run test:full`. */
export const s3ServerVersion = '1.8.0';
export const s3ServerPath = join(cacheDir, `versitygw-${s3ServerVersion}`, 'versitygw');

function absolute(variable, fallback) {
  const value = process.env[variable] || fallback;
  if (!isAbsolute(value)) throw new Error(`${variable} must be an absolute path, not "${value}".`);
  return resolve(value);
}

/**
 * Makes a directory that the users `libvirt-qemu` and `postgres` can pass through. New directories get 0755 whatever
 * the umask; an existing parent that others cannot enter (a private home) is named in the error, never changed.
 */
export function makeReachableDirectory(directory) {
  const previous = process.umask(0o022);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } finally {
    process.umask(previous);
  }
  for (let at = directory; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) {
      throw new Error(
        `${directory} cannot be reached by other users because of ${at}.\n` +
          `QEMU runs as its own user. Run "chmod o+x ${at}", or choose another place with MODOSU_CACHE_DIR and MODOSU_STATE_DIR.`,
      );
    }
    if (at === dirname(at)) return;
  }
}

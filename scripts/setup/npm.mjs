/** npm packages, exactly as the lock file says. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './programs.mjs';
import { longPart, say } from './progress.mjs';

const stampPath = (root) => join(root, 'node_modules', '.modosu-installed');

/** True when `node_modules` is not what the lock file and this Node.js ask for. Remembers an installation that somebody else has made. */
export function npmInstallNeeded(root) {
  const wanted = wantedStamp(root);
  const present = read(stampPath(root));
  if (present === wanted) return false;
  const otherNode = present !== null && present.split(' ')[1] !== wanted.split(' ')[1];
  if (otherNode || !installedAsLocked(root)) return true;
  writeStamp(root);
  return false;
}

/** Programs in packages are built for one version of Node.js, so that counts too. */
function wantedStamp(root) {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.version}-${process.arch}\n`;
}

/** npm writes what it has installed beside the packages; it must agree with the lock file in every version. */
function installedAsLocked(root) {
  const text = read(join(root, 'node_modules', '.package-lock.json'));
  if (text === null) return false;
  return sameVersions(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')), JSON.parse(text));
}

/** Optional packages may be absent: they are for other systems. */
export function sameVersions(locked, installed) {
  const present = installed.packages ?? {};
  const names = Object.keys(locked.packages ?? {}).filter((name) => name !== '');
  if (Object.keys(present).some((name) => !(name in locked.packages))) return false;
  return names.every((name) => {
    const entry = locked.packages[name];
    if (present[name] === undefined) return entry.optional === true || entry.peer === true || entry.devOptional === true;
    return present[name].version === entry.version && present[name].integrity === entry.integrity;
  });
}

export async function installNpmPackages(root) {
  await longPart(
    'Installing npm packages (npm ci)',
    { expected: '1 min', advice: 'look at the message above; behind a proxy set npm\'s "registry" or "https-proxy", then start again.' },
    async (onLine) => {
      const [command, args] = npmCommand();
      const npm = (...words) =>
        run(command, [...args, ...words, '--include=dev', '--no-audit', '--no-fund', '--loglevel=http'], { cwd: root, onLine, noise: /^npm (http|warn)/ });
      try {
        await npm('ci');
      } catch (error) {
        if (!isOutOfSync(error.output ?? '')) throw error;
        // A lock file made against a registry that lacks the optional packages of other systems. Versions and
        // checksums of everything it lists still hold; the file itself is not changed.
        say('  package-lock.json does not list every package; installing what it lists with "npm install --no-save".');
        await npm('install', '--no-save');
      }
      writeStamp(root);
    },
  );
}

export const isOutOfSync = (output) => /can only install packages when your package\.json and package-lock\.json .*are in sync/.test(output);

/** The npm that started us, else the one on PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  return script !== undefined && /npm-cli\.c?js$/.test(script) ? [process.execPath, [script]] : ['npm', []];
}

/** Last, so that an interrupted installation is made again. Where it cannot be written (another user's checkout) the comparison is made each time. */
function writeStamp(root) {
  try {
    writeFileSync(stampPath(root), wantedStamp(root));
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'EROFS') throw error;
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Programs that are built with Go from the module proxy. */
import { join } from 'node:path';
import { installPackages } from './packages.mjs';
import { ask, findProgram, run } from './programs.mjs';
import { longPart, say } from './progress.mjs';

/** Older Go cannot fetch the newer one that these programs ask for. */
const OLDEST_GO = [1, 21];
const GO_DIRECTORIES = ['/usr/local/go/bin', '/usr/lib/go/bin', '/snap/bin', join(process.env.HOME ?? '/root', 'go', 'bin')];

/** Go of a usable version, also from apt, for which it says why; null: there is none. */
export async function findGo(why) {
  const present = findProgram('go', GO_DIRECTORIES);
  if (present !== null && isNewEnough((await ask(present, ['env', 'GOVERSION'])) ?? '')) return present;
  const policy = (await ask('apt-cache', ['policy', 'golang-go'])) ?? '';
  if (!isNewEnough(/Candidate:\s*(?:\d+:)?([\d.]+)/.exec(policy)?.[1] ?? '')) return null;
  say(`${why}: installing golang-go.`);
  await installPackages(['golang-go']);
  return findProgram('go', GO_DIRECTORIES);
}

export function isNewEnough(version) {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return false;
  return Number(major) > OLDEST_GO[0] || (Number(major) === OLDEST_GO[0] && Number(minor) >= OLDEST_GO[1]);
}

/** Builds `module` (`path@version`) into a directory outside the checkout, where no go.mod is looked at; the path of the program. */
export async function buildWithGo(go, { title, module, directory, expected, advice }) {
  await longPart(title, { expected, advice }, (onLine) =>
    run(go, ['install', '-v', module], {
      cwd: directory,
      env: { GOBIN: directory, GOFLAGS: '', GOTOOLCHAIN: 'auto', HOME: process.env.HOME ?? '/root' },
      onLine,
    }),
  );
  return join(directory, module.slice(module.lastIndexOf('/') + 1, module.lastIndexOf('@')));
}

#!/usr/bin/env node
/**
 * Makes this machine ready for Modosu, or for its demo, tests or benchmark. Node's built-in modules only: there is no node_modules yet.
 *
 *   node scripts/setup.mjs [--for use|demo|test|full|unit|bench]
 *
 * Without a purpose it is `use`: what `modosu up` needs, and nothing that only tests or demo need. A host with servers of people stays as it is otherwise.
 *
 * Idempotent: says what is missing and what it is about to do, does it, and a second run costs about a second.
 */
import { existsSync } from 'node:fs';
import { acceleratorIsUnknown, makeGuests, missingGuestsFor, sayHowGuestsRun, tryAccelerator } from './setup/guests.mjs';
import { giveKvmDeviceToItsGroup, kvmDeviceIsRootOnly, libvirtIsReady, startLibvirt } from './setup/libvirt.mjs';
import { installNpmPackages, npmInstallNeeded } from './setup/npm.mjs';
import { installPackages, missingPackages, packagesFor } from './setup/packages.mjs';
import { cacheDir, makeReachableDirectory, projectRoot, stateDir } from './setup/paths.mjs';
import { exitCleanlyOnSignals, findProgram, interruption } from './setup/programs.mjs';
import { SetupStopped, duration, say } from './setup/progress.mjs';
import { makeS3Server, s3ServerIsThere } from './setup/s3.mjs';
import { findTemporal, makeTemporal } from './setup/temporal.mjs';

const PURPOSES = ['use', 'demo', 'test', 'full', 'unit', 'bench'];
const OLDEST_NODE = [20, 19];

/**
 * `first`, in this order: system packages, which everything else needs, and the Temporal CLI, whose building takes all processors: a trial of KVM beside it
 * would prove little. Then the `rows`, side by side: npm packages, which are mostly waited for, and libvirt with its guests.
 */
async function missingParts(purpose) {
  const [first, npm, guests] = [[], [], []];
  const packages = await missingPackages(packagesFor(purpose));
  if (packages.length > 0) {
    first.push({ what: `system packages: ${packages.join(' ')}`, how: 'apt-get install, 1 to 2 min', make: () => installPackages(packages) });
  }
  if (npmInstallNeeded(projectRoot)) {
    npm.push({ what: 'npm packages', how: 'npm ci into node_modules, about 1 min', make: () => installNpmPackages(projectRoot) });
  }
  if (purpose === 'unit') return { first, rows: [npm] };
  if ((await findTemporal()) === null) {
    first.push({ what: 'the Temporal CLI', how: `built with Go into ${cacheDir}, about 5 min`, make: makeTemporal });
  }
  if (purpose === 'full' && !s3ServerIsThere()) {
    first.push({ what: 'a server for S3', how: `built with Go into ${cacheDir}, about 4 min`, make: makeS3Server });
  }
  // The group comes with the packages.
  if (kvmDeviceIsRootOnly() || packages.length > 0) {
    guests.push({
      what: '/dev/kvm for the group kvm',
      how: 'where it belongs to root alone',
      make: async () => (kvmDeviceIsRootOnly() ? giveKvmDeviceToItsGroup() : undefined),
    });
  }
  if (packages.length > 0 || !(await libvirtIsReady())) {
    guests.push({ what: 'libvirt does not run', how: 'started', make: async () => ((await libvirtIsReady()) ? undefined : startLibvirt()) });
  }
  const images = missingGuestsFor(purpose);
  if (images.length > 0) {
    guests.push({ what: `guest images: ${images.join(', ')}`, how: `built into ${cacheDir}/guests, about 1 min`, make: () => makeGuests(images) });
  }
  if (acceleratorIsUnknown(purpose)) {
    guests.push({ what: 'whether KVM works here', how: 'tried with a guest, at most 30 s', make: () => tryAccelerator(purpose) });
  }
  return { first, rows: [npm, guests] };
}

/** Each row to its end, or to its first failure: what the others have made is there at the next start. Throws what went wrong, all of it. */
async function makeSideBySide(rows) {
  const failures = (await Promise.allSettled(rows.map(makeInOrder))).flatMap(({ status, reason }) => (status === 'rejected' ? [reason] : []));
  const fault = failures.find((failure) => !(failure instanceof SetupStopped));
  if (fault !== undefined) throw fault;
  if (failures.length > 0) throw new SetupStopped(failures.map(({ message }) => message).join('\n\n'));
}

async function makeInOrder(parts) {
  for (const { make } of parts) await make();
}

async function setUp(purpose) {
  const startedAt = Date.now();
  checkNode();
  if (purpose !== 'unit') {
    requireRoot(purpose);
    requireDebian();
    makeReachableDirectory(cacheDir);
    makeReachableDirectory(stateDir);
  }
  const { first, rows } = await missingParts(purpose);
  const parts = [...first, ...rows.flat()];
  if (parts.length > 0) {
    say(`Setting up for ${purpose}. Missing, and what will be done:`);
    for (const { what, how } of parts) say(`  - ${what} (${how})`);
    await makeInOrder(first);
    await makeSideBySide(rows);
  }
  sayHowGuestsRun(purpose);
  say(parts.length === 0 ? `Set-up for ${purpose}: everything is there.` : `Set-up for ${purpose} done in ${duration(Date.now() - startedAt)}.`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new SetupStopped(
    `Node.js ${OLDEST_NODE.join('.')} or newer is needed, this is ${process.versions.node}.\nWhat to do: install a current Node.js and start again.`,
  );
}

/** libvirt's system connection, apt and the guests' disks all belong to root. */
function requireRoot(purpose) {
  if (process.getuid?.() === 0) return;
  const script = process.env.npm_lifecycle_event;
  const command = script !== undefined && script !== 'setup' ? `npm run ${script}` : `node scripts/setup.mjs --for ${purpose}`;
  throw new SetupStopped(`This needs root: it installs system packages and drives libvirt.\nWhat to do: run\n\n  sudo env "PATH=$PATH" ${command}\n`);
}

function requireDebian() {
  if (process.platform === 'linux' && process.arch === 'x64' && existsSync('/etc/debian_version') && findProgram('apt-get') !== null) return;
  throw new SetupStopped(
    `Set-up knows Debian 12 or newer and Ubuntu, on x86-64; this is ${process.platform} ${process.arch}${existsSync('/etc/debian_version') ? '' : ' without apt'}.\n` +
      `What to do: use such a machine. "npm run test:unit" works everywhere.`,
  );
}

function purposeFrom(args) {
  if (args.length === 0) return 'use';
  if (args.length === 2 && args[0] === '--for' && PURPOSES.includes(args[1])) return args[1];
  throw new SetupStopped(`Usage: node scripts/setup.mjs [--for ${PURPOSES.join('|')}]`);
}

exitCleanlyOnSignals();
try {
  await setUp(purposeFrom(process.argv.slice(2)));
} catch (error) {
  if (interruption() === null) {
    say(error instanceof SetupStopped ? `\n${error.message}` : `\nSet-up failed: ${error.stack}`);
    process.exitCode = 1;
  }
}

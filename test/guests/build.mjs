#!/usr/bin/env node
/**
 * Builds the guest images that tests and the demo boot, once per recipe, into the cache.
 *
 *   node test/guests/build.mjs [--json] [NAME...]
 *
 * Progress goes to standard error. `--json` prints `{"images": {NAME: PATH}, "accelerator": "kvm"|"qemu"}` at the end.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir, makeReachableDirectory } from '../../scripts/setup/paths.mjs';
import { duration, say } from '../../scripts/setup/progress.mjs';
import { exitCleanlyOnSignals, withCleanup } from '../../scripts/setup/programs.mjs';
import { chooseAccelerator } from './accelerator.mjs';
import { buildDisk } from './recipe/disk.mjs';
import { GUESTS, GUEST_NAMES, TREES } from './recipe/guests.mjs';
import { buildInitrd, inspectKernel } from './recipe/initrd.mjs';
import { addNameServer } from './recipe/name-server.mjs';
import { downloadPackages, isNeededFor, resolveKernel, resolvePackages, unpack } from './recipe/packages.mjs';
import { addPostgresql } from './recipe/postgresql.mjs';
import { finishRootTree, recipeFiles } from './recipe/root-tree.mjs';

const recipeDir = join(dirname(fileURLToPath(import.meta.url)), 'recipe');
const imagesDir = join(cacheDir, 'guests');
const KEEP_OLD_MS = 30 * 24 * 3600_000;

/** The SHA-256 over every file of the recipe: a changed recipe is another image. */
export function recipeHash() {
  const hash = createHash('sha256');
  for (const directory of [recipeDir, recipeFiles]) {
    for (const entry of readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isFile()) hash.update(`${entry.name}\0`).update(readFileSync(join(directory, entry.name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

export const imagePath = (name, hash = recipeHash()) => join(imagesDir, `${name}-${hash}.qcow2`);

export const missingGuests = (names = GUEST_NAMES) => names.filter((name) => !existsSync(imagePath(name)));

/** Builds those of `names` that are not in the cache. `onLine` gets progress. An interrupted build leaves nothing. */
export async function buildGuests(names = GUEST_NAMES, onLine = () => {}) {
  const unknown = names.filter((name) => !(name in GUESTS));
  if (unknown.length > 0) throw new Error(`Unknown guest ${unknown.join(', ')}. There are: ${GUEST_NAMES.join(', ')}.`);
  if (missingGuests(names).length === 0) return;
  makeReachableDirectory(imagesDir);
  await withBuildLock(onLine, async (workDir) => {
    const missing = missingGuests(names); // another build may have made them meanwhile
    const shared = missing.length > 0 ? await prepareBootParts(workDir, onLine) : null;
    for (const tree of Object.keys(TREES)) {
      const guests = missing.filter((name) => GUESTS[name].tree === tree);
      if (guests.length === 0) continue;
      const treeDir = await buildTree(tree, workDir, onLine);
      for (const name of guests) {
        onLine(`${name}: making the disk image`);
        const unfinished = join(workDir, `${name}.qcow2`);
        await buildDisk({ ...shared, guest: GUESTS[name], tree: treeDir, target: unfinished, workDir });
        renameSync(unfinished, imagePath(name));
        removeOldImages(name);
        onLine(`${name}: ${imagePath(name)}`);
      }
      rmSync(treeDir, { recursive: true, force: true });
    }
  });
}

/** Images of other recipes may belong to another checkout that is in use: only those of a month ago go. */
function removeOldImages(name) {
  for (const file of readdirSync(imagesDir)) {
    const path = join(imagesDir, file);
    const sameGuest = file.startsWith(`${name}-`) && /^[0-9a-f]{16}\.qcow2$/.test(file.slice(name.length + 1));
    if (sameGuest && path !== imagePath(name) && Date.now() - statSync(path).mtimeMs > KEEP_OLD_MS) rmSync(path, { force: true });
  }
}

/** Kernel, initial ram disk and boot loaders, the same for all guests. */
async function prepareBootParts(workDir, onLine) {
  onLine('looking up packages');
  const kernelSpecs = await resolveKernel(workDir);
  const bootSpecs = (await resolvePackages(['syslinux', 'syslinux-common', 'systemd-boot-efi', 'busybox-static'], workDir))
    .filter(({ name }) => /^(syslinux|syslinux-common|systemd-boot-efi|busybox-static)$/.test(name))
    .map(({ spec }) => spec);
  onLine('downloading kernel and boot loaders');
  const kernelTree = join(workDir, 'kernel');
  const bootTools = join(workDir, 'boot-tools');
  await unpack(await downloadPackages(kernelSpecs, join(workDir, 'debs-kernel')), kernelTree);
  await unpack(await downloadPackages(bootSpecs, join(workDir, 'debs-boot')), bootTools);
  onLine('making the initial ram disk');
  const { image, modulesDir } = await inspectKernel(kernelTree);
  const initrd = join(workDir, 'initrd');
  const busybox = ['bin/busybox', 'usr/bin/busybox'].map((path) => join(bootTools, path)).find(existsSync);
  await buildInitrd({ busybox, modulesDir, initScript: join(recipeFiles, 'initrd-init'), target: initrd, workDir });
  return { kernel: image, initrd, bootTools };
}

async function buildTree(name, workDir, onLine) {
  const tree = join(workDir, `tree-${name}`);
  const specs = (await resolvePackages(TREES[name].packages, workDir)).filter(isNeededFor(TREES[name].packages)).map(({ spec }) => spec);
  onLine(`${name}: downloading ${specs.length} packages`);
  const files = await downloadPackages(specs, join(workDir, `debs-${name}`));
  onLine(`${name}: unpacking`);
  await unpack(files, tree);
  await finishRootTree(tree, { release: readFileSync('/etc/os-release', 'utf8') });
  if (TREES[name].postgresql) {
    onLine(`${name}: making the database`);
    await addPostgresql(tree);
  }
  if (TREES[name].nameServer) addNameServer(tree);
  return tree;
}

/** One build at a time, in a directory of its own that goes when the build ends, however it ends. */
async function withBuildLock(onLine, work) {
  const lock = join(imagesDir, '.building');
  for (let told = false; ; told = true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!ownerIsAlive(lock)) {
      rmSync(lock, { recursive: true, force: true });
      continue;
    }
    if (!told) onLine('waiting for another build of the guests to end');
    await new Promise((resolvePromise) => setTimeout(resolvePromise, 500));
  }
  await withCleanup(
    () => rmSync(lock, { recursive: true, force: true }),
    () => {
      writeFileSync(join(lock, 'owner'), String(process.pid));
      return work(lock);
    },
  );
}

/** A lock without an owner yet is taken as alive: its maker is between two calls. */
function ownerIsAlive(lock) {
  try {
    process.kill(Number(readFileSync(join(lock, 'owner'), 'utf8')), 0);
    return true;
  } catch (error) {
    return error.code === 'ENOENT' && existsSync(lock);
  }
}

async function main(args) {
  exitCleanlyOnSignals();
  const json = args.includes('--json');
  const named = args.filter((argument) => !argument.startsWith('-'));
  const names = named.length > 0 ? named : GUEST_NAMES;
  const startedAt = Date.now();
  const missing = missingGuests(names.filter((name) => name in GUESTS));
  if (missing.length > 0) say(`Building guest images: ${missing.join(', ')} (about a minute)`);
  await buildGuests(names, (line) => say(`  ${duration(Date.now() - startedAt)}  ${line}`));
  if (json) {
    const images = Object.fromEntries(names.map((name) => [name, imagePath(name)]));
    process.stdout.write(`${JSON.stringify({ images, accelerator: await chooseAccelerator(images[names[0]], say) })}\n`);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    say(`${error.message}${error.output ? `\n${error.output}` : ''}`);
    process.exitCode = 1;
  });
}

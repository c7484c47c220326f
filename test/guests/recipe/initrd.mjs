/** An initial ram disk of busybox and the few modules that are needed to see disk, agent channel and network card. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from '../../../scripts/setup/programs.mjs';

const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_net', 'virtio_rng', 'crc32c_generic', 'ext4'];

/** Finds kernel and modules in an unpacked kernel package and makes `modules.dep`. */
export async function inspectKernel(kernelTree) {
  const image = readdirSync(join(kernelTree, 'boot')).find((file) => file.startsWith('vmlinuz-'));
  if (image === undefined) throw new Error('The kernel package holds no vmlinuz.');
  const version = image.slice('vmlinuz-'.length);
  if (!existsSync(join(kernelTree, 'lib'))) await run('ln', ['-s', 'usr/lib', join(kernelTree, 'lib')]);
  await run('depmod', ['-b', kernelTree, version]);
  return { image: join(kernelTree, 'boot', image), modulesDir: join(kernelTree, 'lib', 'modules', version) };
}

/**
 * The module files in the order in which they must be loaded. Modules that are built into the kernel, or that it
 * does not have, are left out: kernels differ in that.
 */
export function modulesInLoadOrder(modulesDep, wanted) {
  const dependencies = new Map();
  for (const line of modulesDep.split('\n')) {
    const [file, rest] = line.split(':');
    if (rest !== undefined) dependencies.set(file, rest.trim() === '' ? [] : rest.trim().split(/\s+/));
  }
  const byName = new Map([...dependencies.keys()].map((file) => [moduleName(file), file]));
  const ordered = [];
  const add = (file) => {
    if (ordered.includes(file)) return;
    for (const needed of dependencies.get(file) ?? []) add(needed);
    ordered.push(file);
  };
  for (const name of wanted) if (byName.has(name)) add(byName.get(name));
  return ordered;
}

const moduleName = (file) =>
  basename(file)
    .replace(/\.ko(\.xz|\.zst|\.gz)?$/, '')
    .replaceAll('-', '_');

export async function buildInitrd({ busybox, modulesDir, initScript, target, workDir }) {
  const scratch = join(workDir, 'modules');
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  const files = modulesInLoadOrder(readFileSync(join(modulesDir, 'modules.dep'), 'utf8'), MODULES);
  const entries = ['bin', 'dev', 'proc', 'sys', 'root', 'modules'].map((name) => ({ name, mode: 0o040755 }));
  entries.push({ name: 'bin/busybox', mode: 0o100755, content: readFileSync(busybox) });
  entries.push({ name: 'init', mode: 0o100755, content: readFileSync(initScript) });
  const names = [];
  for (const [index, file] of files.entries()) {
    const name = `${String(index).padStart(2, '0')}-${moduleName(file)}.ko`;
    entries.push({ name: `modules/${name}`, mode: 0o100644, content: await readModule(join(modulesDir, file), join(scratch, name)) });
    names.push(name);
  }
  entries.push({ name: 'modules/order', mode: 0o100644, content: Buffer.from(`${names.join('\n')}\n`) });
  writeFileSync(target, cpioArchive(entries));
}

/** Distributions compress modules differently; busybox loads plain ones. */
async function readModule(path, scratch) {
  const decompressor = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }[path.slice(path.lastIndexOf('.'))];
  if (decompressor === undefined) return readFileSync(path);
  const packed = `${scratch}${path.slice(path.lastIndexOf('.'))}`;
  writeFileSync(packed, readFileSync(path));
  await run(decompressor, decompressor === 'zstd' ? ['-d', '-q', '--rm', packed] : ['-d', packed]);
  return readFileSync(scratch);
}

/** The "newc" archive format the kernel reads: ASCII header, name and content each padded to four bytes. */
export function cpioArchive(entries) {
  const parts = [];
  const push = ({ name, mode, content = Buffer.alloc(0) }, index) => {
    const nameBytes = Buffer.from(`${name}\0`);
    const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, nameBytes.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
    parts.push(header, nameBytes, padding(header.length + nameBytes.length), content, padding(content.length));
  };
  entries.forEach(push);
  push({ name: 'TRAILER!!!', mode: 0 }, entries.length);
  return Buffer.concat(parts);
}

const padding = (length) => Buffer.alloc((4 - (length % 4)) % 4);

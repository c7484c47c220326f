import { readFile } from 'node:fs/promises';
import { cpus, freemem, release, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { formatBytes } from '../src/contracts/format';
import { DIRECTORY } from './place';
import { run, virsh } from './programs';

const GIB = 1024 ** 3;
/** More than any side fills: the image, twice where it is read and written. */
const FETCHED_BYTES = 4 * GIB;
const IDLE_SHARE = 0.15;
const IDLE_WINDOW_MS = 1_000;
const IDLE_WAIT_MS = 45_000;

/** Lines that say on what the figures were taken. `peers`: versions of what is compared with. */
export async function describeMachine(domainType: string, peers: string, signal: AbortSignal): Promise<readonly string[]> {
  const [processor] = cpus();
  const fileSystem = (await run(signal, 'findmnt', '--noheadings', '--output', 'FSTYPE', '--target', DIRECTORY)).trim();
  const name = /^PRETTY_NAME="?([^"\n]*)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  const versions = await virsh(signal, 'version');
  const version = (pattern: RegExp): string => pattern.exec(versions)?.[1] ?? '?';
  return [
    `${cpus().length} x ${processor?.model.trim() ?? 'unknown processor'}, ${formatBytes(totalmem())} of memory, ${name}, kernel ${release()}`,
    `one ${fileSystem} file system for the server's disk, the repository and everything the others write`,
    `libvirt ${version(/library: libvirt ([\d.]+)/)}, QEMU ${version(/hypervisor: QEMU ([\d.]+)/)}, Node.js ${process.versions.node}, ${peers}`,
    domainType === 'kvm'
      ? 'the server runs with KVM'
      : 'the server runs under emulation (KVM cannot be used on this machine), which makes what is computed in it slow and copying by the host no slower',
  ];
}

/**
 * The same start for each side: what an earlier one has left to be written is written, what this one will read has to be read from storage, memory for the
 * page cache is at hand, and nobody else works. Returns false when the machine does not become idle: the figures then carry that.
 */
export async function calm(sources: readonly string[], signal: AbortSignal): Promise<boolean> {
  await run(signal, 'sync');
  for (const path of sources) await run(signal, 'dd', `if=${path}`, 'iflag=nocache', 'count=0', 'status=none');
  await fetchMemory(signal);
  return becomesIdle(signal);
}

/** False: it does not, within the time that is waited for it. */
export async function becomesIdle(signal: AbortSignal, waitMs = IDLE_WAIT_MS): Promise<boolean> {
  const until = performance.now() + waitMs;
  for (;;) {
    const before = await processorTicks();
    await delay(IDLE_WINDOW_MS, undefined, { signal });
    const after = await processorTicks();
    if ((after.busy - before.busy) / Math.max(1, after.all - before.all) < IDLE_SHARE) return true;
    if (performance.now() > until) return false;
  }
}

/**
 * Touches memory and gives it back. Memory that a virtual machine has not used before comes from its host, and that may take longer than the copy that needs
 * it: the side that runs after another has deleted its files would win.
 */
async function fetchMemory(signal: AbortSignal): Promise<void> {
  const gibibytes = Math.floor(Math.min(FETCHED_BYTES, freemem() / 2) / GIB);
  await run(signal, process.execPath, '--eval', `for (const kept = []; kept.length < ${gibibytes}; kept.push(Buffer.alloc(${GIB}, 1)));`);
}

async function processorTicks(): Promise<{ readonly busy: number; readonly all: number }> {
  const ticks = (await readFile('/proc/stat', 'utf8')).split('\n')[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? [];
  const all = ticks.reduce((sum, value) => sum + value, 0);
  return { busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0), all };
}

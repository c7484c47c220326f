import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, chown, copyFile, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import { formatBytes } from '../../../contracts/format';
import { isId } from '../../../contracts/ids';
import type { ServerRef } from '../../../contracts/server';
import { runCommand, type CommandOutcome } from '../../../system/child-process';
import { errorCode, fileExists, freeBytes, readStart } from '../../../system/files';
import type { BootProof, BootProofRequest } from '../../hypervisor';
import { usualUser } from '../online/qemu-access';
import type { Virsh } from '../virsh';
import { imageName } from '../volumes/disk-images';
import { storedImage } from '../volumes/stored-chain';
import { MAX_XML_BYTES } from '../xml';
import { memoryOf, proofXml } from './proof-xml';

/** Names of domains and directories: this, the id of the verification, and what tells one attempt from another. */
const PREFIX = 'modosu-proof-';
const NAME = /^modosu-proof-(vrf_[0-9a-z]{26})-[0-9a-f]{8}$/;
const SOCKET_DEADLINE_MS = 20_000;
const SOCKET_POLL_MS = 50;
/** Left to the host and its servers. */
const MEMORY_RESERVE_BYTES = 512 * 1024 ** 2;
const SCRATCH_RESERVE_BYTES = 2 * 1024 ** 3;
/** With less than this a guest is not worth starting; with more than that it does something else than starting. */
const SCRATCH_LEAST_BYTES = 256 * 1024 ** 2;
const SCRATCH_MOST_BYTES = 16 * 1024 ** 3;
const START_TIMEOUT_MS = 120_000;

/**
 * Boots images without touching them: `qemu-nbd` opens each, with all that it builds on, for reading alone, and keeps what the guest writes in a file of its own that vanishes with it, and
 * cannot grow without bounds. The guest's QEMU gets the images over sockets; so libvirt neither opens them nor gives them to another owner. The domain is
 * transient: it leaves nothing behind.
 */
export class Proofs {
  /** @param directory where sockets and what guests write lie while they run; on a disk, passable for QEMU's user */
  constructor(
    private readonly virsh: Virsh,
    private readonly directory: string,
  ) {}

  async start({ proofId, definitionPath, disks, nvramPath }: BootProofRequest, { signal }: { readonly signal: AbortSignal }): Promise<BootProof> {
    const server = proofServer(proofId);
    await this.end(proofId);
    const definition = new TextDecoder().decode((await readStart(definitionPath, MAX_XML_BYTES)).bytes);
    requireMemory(memoryOf(definition));
    const scratchBytes = await this.requireScratch(disks.length);
    const own = join(this.directory, server.name);
    await mkdir(own, { mode: 0o711 });
    await chmod(own, 0o711);
    const showing = new AbortController();
    const lost = new AbortController();
    const shown: Promise<unknown>[] = [];
    const stop = async (): Promise<void> => {
      try {
        await this.destroy(server.uuid);
      } finally {
        showing.abort(new Error('the proof has ended'));
        await Promise.allSettled(shown);
        await rm(own, { recursive: true, force: true });
      }
    };
    try {
      const user = await usualUser();
      const sockets = new Map<string, string>();
      for (const [index, { target, imageFiles }] of disks.entries()) {
        const socket = join(own, `${index}.sock`);
        const showsIt = this.show(imageFiles, socket, { own, scratchBytes, signal: showing.signal });
        shown.push(showsIt);
        await appears(socket, showsIt, signal);
        void whenEnded(showsIt).then((error) => {
          if (!showing.signal.aborted) lost.abort(error);
        });
        // What the image holds is for QEMU's user alone.
        await chmod(socket, 0o600);
        if (user !== null && process.getuid?.() === 0) await chown(socket, user.uid, user.gid);
        sockets.set(target, socket);
      }
      const nvram = nvramPath === null ? null : join(own, 'nvram.fd');
      if (nvramPath !== null && nvram !== null) {
        await copyFile(nvramPath, nvram);
        await chmod(nvram, 0o600);
      }
      const xml = proofXml(definition, { name: server.name, uuid: server.uuid, generationId: randomUUID(), sockets, nvramPath: nvram });
      signal.throwIfAborted();
      await this.virsh.withFile(xml, (path) => this.virsh.run(['create', path], { timeoutMs: START_TIMEOUT_MS, failureCode: 'START_FAILED' }));
      return { server, lost: lost.signal, stop };
    } catch (thrown) {
      // What went wrong says more than that something of it is left: the janitor looks for that.
      await stop().catch(() => undefined);
      throw lost.signal.aborted ? lost.signal.reason : hostsProblem(thrown);
    }
  }

  async end(proofId: string): Promise<void> {
    requireProofId(proofId);
    for (const { name, uuid } of await this.domains()) if (idOf(name) === proofId) await this.destroy(uuid);
    for (const name of (await this.directories()).filter((found) => idOf(found) === proofId)) {
      const own = join(this.directory, name);
      const found = await lstat(own).catch((error: unknown) => (errorCode(error) === 'ENOENT' ? null : Promise.reject(error as Error)));
      if (found === null) continue;
      // Whoever may write beside it could have put something else there.
      if (!found.isDirectory() || found.uid !== process.getuid?.()) {
        throw new ModosuError('PATH_NOT_ALLOWED', `${own} is not Modosu's: it is left as it is.`, { hint: `Look at ${own}, and remove it.` });
      }
      await rm(own, { recursive: true, force: true });
    }
  }

  /** Ids of proofs of which something is there. */
  async list(): Promise<readonly string[]> {
    const names = [...(await this.domains()).map(({ name }) => name), ...(await this.directories())];
    return [...new Set(names.flatMap((name) => idOf(name) ?? []))].sort();
  }

  private async domains(): Promise<readonly ServerRef[]> {
    const lines = (await this.virsh.run(['list', '--all', '--name', '--uuid'])).split('\n').map((line) => line.trim().split(/\s+/));
    return lines.flatMap(([uuid = '', name = '']) => (name.startsWith(PREFIX) ? [{ uuid, name }] : []));
  }

  private directories(): Promise<readonly string[]> {
    return readdir(this.directory).catch(() => []);
  }

  /** How much the guest may write to each of its disks. */
  private async requireScratch(disks: number): Promise<number> {
    const free = await freeBytes(this.directory);
    const each = Math.min(SCRATCH_MOST_BYTES, Math.floor((free - SCRATCH_RESERVE_BYTES) / Math.max(1, disks)));
    if (each >= SCRATCH_LEAST_BYTES) return each;
    throw new ModosuError(
      'NOT_ENOUGH_SPACE',
      `${this.directory} has ${formatBytes(free)} free; ${formatBytes(SCRATCH_LEAST_BYTES)} for what the guest writes to each disk, and a reserve of ${formatBytes(SCRATCH_RESERVE_BYTES)} are needed.`,
      { hint: 'Free the amount named, or name another directory in MODOSU_PROOF_DIR.', context: { directory: this.directory, freeBytes: free } },
    );
  }

  private show(
    imageFiles: readonly string[],
    socket: string,
    { own, scratchBytes, signal }: { readonly own: string; readonly scratchBytes: number; readonly signal: AbortSignal },
  ) {
    const server = [
      'qemu-nbd',
      '--snapshot',
      // Every file and format spelled out: no header is asked for the next one.
      '--persistent',
      '--discard=unmap',
      `--socket=${socket}`,
      '--export-name=',
      '--',
      imageName(storedImage(imageFiles)),
    ] as const;
    // TMPDIR: where what the guest writes goes. Only that file is written.
    return runCommand(['prlimit', `--fsize=${scratchBytes}`, '--', ...server], { signal, env: { TMPDIR: own } });
  }

  private async destroy(uuid: string): Promise<void> {
    try {
      await this.virsh.runOn(uuid, 'destroy', [], { timeoutMs: START_TIMEOUT_MS });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'SERVER_GONE') throw error;
    }
  }
}

/** The domain of one attempt: an earlier one that was given up, and does not know it yet, ends its own and no other. */
function proofServer(proofId: string): ServerRef {
  requireProofId(proofId);
  return { uuid: randomUUID(), name: `${PREFIX}${proofId}-${randomBytes(4).toString('hex')}` };
}

function requireProofId(proofId: string): void {
  if (!isId('vrf', proofId)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(proofId)} is not the id of a verification.`);
}

/** Of a name that is one of ours; null: it is none. */
function idOf(name: string): string | null {
  const id = NAME.exec(name)?.[1] ?? null;
  return id !== null && isId('vrf', id) ? id : null;
}

/** What the host has not got says nothing about the image. */
function hostsProblem(thrown: unknown): unknown {
  if (!isModosuError(thrown) || thrown.code !== 'START_FAILED' || !/cannot allocate memory|out of memory/i.test(thrown.message)) return thrown;
  return new ModosuError('NOT_ENOUGH_MEMORY', thrown.message, { cause: thrown });
}

function requireMemory(neededBytes: number): void {
  const free = freemem();
  if (free >= neededBytes + MEMORY_RESERVE_BYTES) return;
  throw new ModosuError(
    'NOT_ENOUGH_MEMORY',
    `The host has ${formatBytes(free)} of memory free; the server wants ${formatBytes(neededBytes)}, and ${formatBytes(MEMORY_RESERVE_BYTES)} are left to the others.`,
    { context: { freeBytes: free, neededBytes } },
  );
}

async function appears(socket: string, shown: Promise<CommandOutcome>, signal: AbortSignal): Promise<void> {
  const ended = whenEnded(shown);
  const giveUpAt = performance.now() + SOCKET_DEADLINE_MS;
  while (!(await fileExists(socket))) {
    signal.throwIfAborted();
    const first = await Promise.race([ended, delay(SOCKET_POLL_MS, null)]);
    if (first !== null) throw first;
    if (performance.now() > giveUpAt) throw new ModosuError('HYPERVISOR_COMMAND_TIMED_OUT', 'qemu-nbd has shown no image in time.');
  }
}

/** Why an image is not shown any more: a matter of the host. Whether the image is one, its repository has judged. */
const whenEnded = (shown: Promise<CommandOutcome>): Promise<Error> =>
  shown.then(
    ({ signal, stderr }) =>
      signal === 'SIGXFSZ'
        ? new ModosuError('NOT_ENOUGH_SPACE', 'The guest has written more than it may in a boot proof.', {
            hint: 'See what it does when it starts; what it may write follows from the room in MODOSU_PROOF_DIR.',
          })
        : new ModosuError('HYPERVISOR_COMMAND_FAILED', `qemu-nbd does not show the image: ${stderr.trim().slice(0, 300) || 'it ended without a word'}.`),
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );

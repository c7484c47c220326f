import { randomUUID } from 'node:crypto';
import { chmod, chown, copyFile, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import { formatBytes } from '../../../contracts/format';
import { isId } from '../../../contracts/ids';
import type { ServerRef } from '../../../contracts/server';
import { runCommand } from '../../../system/child-process';
import { errorCode, fileExists, readStart } from '../../../system/files';
import { sha256Of } from '../../../system/sha256';
import type { BootProof, BootProofRequest } from '../../hypervisor';
import { usualUser } from '../online/qemu-access';
import type { Virsh } from '../virsh';
import { MAX_XML_BYTES } from '../xml';
import { memoryOf, proofXml } from './proof-xml';

/** Names of domains and directories begin with it. */
const PREFIX = 'modosu-proof-';
const SOCKET_DEADLINE_MS = 20_000;
const SOCKET_POLL_MS = 50;
/** Left to the host and its servers. */
const MEMORY_RESERVE_BYTES = 512 * 1024 ** 2;
const START_TIMEOUT_MS = 120_000;

/**
 * Boots images without touching them: `qemu-nbd` opens each for reading alone, and keeps what the guest writes in a file of its own that vanishes with it. The
 * guest's QEMU gets the images over sockets; so libvirt neither opens them nor gives them to another owner. The domain is transient: it leaves nothing behind.
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
    const own = this.ownDirectory(proofId);
    await mkdir(own, { mode: 0o711 });
    await chmod(own, 0o711);
    const showing = new AbortController();
    const ended: Promise<unknown>[] = [];
    const stop = async (): Promise<void> => {
      await this.destroy(server);
      showing.abort(new Error('the proof has ended'));
      await Promise.allSettled(ended);
      await rm(own, { recursive: true, force: true });
    };
    try {
      const user = await usualUser();
      const sockets = new Map<string, string>();
      for (const [index, { target, imagePath }] of disks.entries()) {
        const socket = join(own, `${index}.sock`);
        const shown = this.show(imagePath, socket, showing.signal);
        ended.push(shown);
        await appears(socket, shown, signal);
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
      return { server, stop };
    } catch (thrown) {
      await stop();
      throw thrown;
    }
  }

  async end(proofId: string): Promise<void> {
    await this.destroy(proofServer(proofId));
    const own = this.ownDirectory(proofId);
    const found = await lstat(own).catch((error: unknown) => (errorCode(error) === 'ENOENT' ? null : Promise.reject(error as Error)));
    if (found === null) return;
    // Whoever may write beside it could have put something else there.
    if (!found.isDirectory() || found.uid !== process.getuid?.()) {
      throw new ModosuError('PATH_NOT_ALLOWED', `${own} is not Modosu's: it is left as it is.`, { hint: `Look at ${own}, and remove it.` });
    }
    await rm(own, { recursive: true, force: true });
  }

  /** Ids of proofs of which something is there. */
  async list(): Promise<readonly string[]> {
    const domains = (await this.virsh.run(['list', '--all', '--name'])).split('\n').map((name) => name.trim());
    const directories = await readdir(this.directory).catch(() => []);
    const ids = [...domains, ...directories].filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
    return [...new Set(ids)].filter((id) => isId('vrf', id)).sort();
  }

  private ownDirectory(proofId: string): string {
    return join(this.directory, `${PREFIX}${proofId}`);
  }

  private show(imagePath: string, socket: string, signal: AbortSignal) {
    return runCommand(
      ['qemu-nbd', '--snapshot', '--format=qcow2', '--persistent', '--discard=unmap', `--socket=${socket}`, '--export-name=', '--', imagePath],
      // Where what the guest writes goes.
      { signal, env: { TMPDIR: this.directory } },
    );
  }

  private async destroy({ uuid }: ServerRef): Promise<void> {
    try {
      await this.virsh.runOn(uuid, 'destroy', [], { timeoutMs: START_TIMEOUT_MS });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'SERVER_GONE') throw error;
    }
  }
}

/** The domain of a proof; its UUID follows from the id, so that what an attempt has left behind is found again. */
export function proofServer(proofId: string): ServerRef {
  if (!isId('vrf', proofId)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(proofId)} is not the id of a verification.`);
  const hex = sha256Of(`boot proof ${proofId}`);
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
  return { uuid, name: `${PREFIX}${proofId}` };
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

async function appears(socket: string, shown: ReturnType<typeof runCommand>, signal: AbortSignal): Promise<void> {
  const ended = shown.then(
    ({ stderr }) => new ModosuError('START_FAILED', `qemu-nbd does not show the image: ${stderr.trim().slice(0, 300) || 'it ended without a word'}.`),
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
  const giveUpAt = performance.now() + SOCKET_DEADLINE_MS;
  while (!(await fileExists(socket))) {
    signal.throwIfAborted();
    const first = await Promise.race([ended, delay(SOCKET_POLL_MS, null)]);
    if (first !== null) throw first;
    if (performance.now() > giveUpAt) throw new ModosuError('START_FAILED', 'qemu-nbd has shown no image in time.');
  }
}

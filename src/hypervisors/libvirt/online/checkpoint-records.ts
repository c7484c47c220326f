import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../../contracts/json';
import { errorCode, writeFileDurably } from '../../../system/files';
import { requireUuid } from '../virsh';

/** A disk of a server as it is now: its target, and the active file. */
export interface MarkedDisk {
  readonly target: string;
  readonly path: string;
}

/** `path` and what tells the file from another one that has got its name since. */
const diskSchema = z.object({ target: z.string(), path: z.string(), inode: z.string(), bornNs: z.string() });
const recordSchema = z.object({ disks: z.array(diskSchema) });
type RecordedDisk = z.infer<typeof diskSchema>;

/**
 * In which files a checkpoint was made, one small file each below `<stateDirectory>/checkpoints/<uuid>/`. All disks of a server have bitmaps of the same name: two
 * that were exchanged, or one that was copied or flattened into another file while the server was off, look right to libvirt and are not. A record that is lost
 * costs one whole image.
 */
export class CheckpointRecords {
  private readonly directory: string;

  constructor(stateDirectory: string, uuid: string) {
    this.directory = join(stateDirectory, 'checkpoints', requireUuid(uuid));
  }

  async write(name: string, disks: readonly MarkedDisk[]): Promise<void> {
    const recorded: RecordedDisk[] = [];
    for (const disk of disks) recorded.push({ ...disk, ...(await identityOf(disk.path)) });
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await writeFileDurably(this.pathOf(name), `${JSON.stringify({ disks: recorded })}\n`, 0o600);
  }

  /** Null: it was made in exactly these files. Else why nobody can say so, in words. */
  async problem(name: string, disks: readonly MarkedDisk[]): Promise<string | null> {
    const recorded = await this.read(name);
    if (recorded === null) return 'nothing is written down about it on this host';
    for (const { target, path } of disks) {
      const then = recorded.find((disk) => disk.target === target);
      if (then === undefined) return `disk ${target} had none`;
      if (then.path !== path) return `disk ${target} was ${then.path}, and is ${path}`;
      const now = await identityOf(path);
      if (now.inode !== then.inode || now.bornNs !== then.bornNs) return `${path} is another file now`;
    }
    return null;
  }

  /** `present`: a disk that the server has now is among its files. `gone`: none of them is there any more. `elsewhere`: they are, or may be, kept for a way back. */
  async whose(name: string, disks: readonly MarkedDisk[]): Promise<'present' | 'elsewhere' | 'gone'> {
    const recorded = (await this.read(name)) ?? [];
    let there = false;
    for (const then of recorded) {
      const now = await identityOf(then.path).catch((error: unknown) => {
        if (errorCode(error) === undefined) throw error;
        return errorCode(error) === 'ENOENT' ? 'gone' : 'unknown';
      });
      if (now === 'gone') continue;
      there = true;
      const isSame = now !== 'unknown' && now.inode === then.inode && now.bornNs === then.bornNs;
      if (isSame && disks.some(({ path }) => path === then.path)) return 'present';
    }
    return there ? 'elsewhere' : 'gone';
  }

  async list(): Promise<readonly string[]> {
    try {
      return (await readdir(this.directory)).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.pathOf(name), { force: true });
  }

  /** Null: there is none that can be understood. */
  private async read(name: string): Promise<readonly RecordedDisk[] | null> {
    try {
      return recordSchema.safeParse(parseJson(await readFile(this.pathOf(name), 'utf8'))).data?.disks ?? null;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  private pathOf = (name: string): string => join(this.directory, `${name}.json`);
}

async function identityOf(path: string): Promise<{ readonly inode: string; readonly bornNs: string }> {
  const { ino, birthtimeNs } = await stat(path, { bigint: true });
  return { inode: String(ino), bornNs: String(birthtimeNs) };
}

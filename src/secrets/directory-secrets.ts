import { randomBytes } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createFileDurably, errorCode, fsyncDirectory, insideDirectory, writeFileDurably } from '../system/files';
import type { Secrets } from './secrets';

/** 192 random bits in characters that need no quoting anywhere, also not in a URL. */
export const randomSecret = (): string => randomBytes(24).toString('base64url');

/** Secrets as files (0600) of a private directory (0700), each with a line feed at its end so that people can handle them. */
export class DirectorySecrets implements Secrets {
  /** @param root absolute; made when it is missing */
  constructor(private readonly root: string) {}

  async getOrMake(name: string, make: () => string = randomSecret): Promise<string> {
    const known = await this.read(name);
    if (known !== null) return known;
    const path = insideDirectory(this.root, name);
    await this.makeDirectories(name);
    if (await createFileDurably(path, `${make()}\n`)) return this.require(name);
    // Somebody else was faster, or an empty file lies there, as a crash of an earlier version could leave it.
    if ((await this.read(name)) === null) await writeFileDurably(path, `${make()}\n`);
    return this.require(name);
  }

  async read(name: string): Promise<string | null> {
    try {
      const value = (await readFile(insideDirectory(this.root, name), 'utf8')).trim();
      return value === '' ? null : value;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  async renew(name: string): Promise<string> {
    await this.makeDirectories(name);
    await writeFileDurably(insideDirectory(this.root, name), `${randomSecret()}\n`);
    return this.require(name);
  }

  async remove(name: string): Promise<void> {
    const path = insideDirectory(this.root, name);
    if ((await this.read(name)) === null) return;
    await rm(path, { force: true });
    await fsyncDirectory(dirname(path));
  }

  async list(below: string): Promise<readonly string[]> {
    const names: string[] = [];
    const walk = async (name: string): Promise<void> => {
      for (const entry of await this.entries(name)) {
        if (entry.isDirectory()) await walk(`${name}/${entry.name}`);
        // What begins with a dot is being written.
        else if (entry.isFile() && !entry.name.startsWith('.')) names.push(`${name}/${entry.name}`);
      }
    };
    await walk(below);
    return names.sort();
  }

  fileOf(name: string): string {
    return insideDirectory(this.root, name);
  }

  private async entries(name: string): Promise<readonly Dirent[]> {
    try {
      return await readdir(insideDirectory(this.root, name), { withFileTypes: true });
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  private async require(name: string): Promise<string> {
    const value = await this.read(name);
    if (value === null) throw new Error(`the secret ${name} vanished while it was made`);
    return value;
  }

  /** Durable too: a new directory that a power cut takes away takes the secret in it along. */
  private async makeDirectories(name: string): Promise<void> {
    const directory = dirname(insideDirectory(this.root, name));
    const first = await mkdir(directory, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let path = directory; ; path = dirname(path)) {
      await fsyncDirectory(dirname(path));
      if (path === first) return;
    }
  }
}

import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stateLayout, type InstallationEndpoints } from '../src/config/state-layout';
import { AT, type DataGuest } from './data-guest';
import { PLACE } from './place';
import { fsyncTree, run, timed } from './programs';

/**
 * restic, pg_dump and pg_restore by hand in the same guest, into a repository of its own behind the same server. Times are in seconds, and end with what was
 * written on stable storage.
 */
export class BareData {
  private constructor(
    private readonly guest: DataGuest,
    private readonly directory: string,
    private readonly environment: string,
  ) {}

  /** Makes an empty repository, outside any time. It lies below that of the server, whose login reaches nothing else. */
  static async make(guest: DataGuest, serverId: string, signal: AbortSignal): Promise<BareData> {
    const layout = stateLayout(PLACE.state);
    const { dataUrl, dataGuestUrl, dataDirectory } = JSON.parse(await readFile(layout.endpointsFile, 'utf8')) as InstallationEndpoints;
    if (dataDirectory === null) throw new Error('The data repository lies on another machine.');
    const login = (await readFile(join(layout.secrets, 'data', serverId, 'login'), 'utf8')).trim();
    const password = randomBytes(16).toString('hex');
    const repository = (url: string): string => `RESTIC_REPOSITORY=rest:${url.replace('://', `://${serverId}:${login}@`)}/${serverId}/bare/`;
    await run(signal, 'env', repository(dataUrl), `RESTIC_PASSWORD=${password}`, 'restic', '--quiet', '--no-cache', 'init');
    return new BareData(
      guest,
      join(dataDirectory, serverId, 'bare'),
      `export HOME=/root PGHOST=/run/postgresql PGUSER=postgres RESTIC_CACHE_DIR=${AT.bare}/cache RESTIC_PASSWORD=${password} '${repository(dataGuestUrl)}'\n`,
    );
  }

  backupFiles(): Promise<number> {
    return this.backup(`restic --quiet backup ${AT.uploads}`);
  }

  async restoreFiles(): Promise<number> {
    const seconds = await this.inGuest(`restic --quiet restore latest --target ${AT.bare}/restored\n/usr/bin/sync -f ${AT.bare}`);
    await this.guest.requireFiles(`${AT.bare}/restored`);
    return seconds;
  }

  backupDatabase(): Promise<number> {
    return this.backup(`pg_dump -Fc -Z0 -f ${AT.bare}/shop.dump shop\nrestic --quiet backup ${AT.bare}/shop.dump`);
  }

  async restoreDatabase(): Promise<number> {
    const seconds = await this.inGuest(
      `restic --quiet restore latest --target ${AT.bare}/restored\ncreatedb -T template0 bare\npg_restore --exit-on-error -d bare ${AT.bare}/restored${AT.bare}/shop.dump\npsql -qX -d bare -c ANALYZE`,
    );
    await this.guest.requireRows('bare');
    await this.guest.sh('dropdb -U postgres -h /run/postgresql bare');
    return seconds;
  }

  /** What the last work has left in the guest, except for the cache. */
  async tidy(): Promise<void> {
    await this.guest.sh(`rm -rf ${AT.bare}/restored ${AT.bare}/shop.dump`);
  }

  async remove(): Promise<void> {
    await this.guest.sh(`rm -rf ${AT.bare}`);
    await rm(this.directory, { recursive: true, force: true });
  }

  private backup(script: string): Promise<number> {
    return timed(async () => {
      await this.script(script);
      await fsyncTree(this.directory);
    });
  }

  private inGuest(script: string): Promise<number> {
    return timed(() => this.script(script));
  }

  private script(script: string): Promise<string> {
    return this.guest.sh(`${this.environment}mkdir -p ${AT.bare}\n${script}`);
  }
}

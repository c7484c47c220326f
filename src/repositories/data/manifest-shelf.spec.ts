import { makeManifest } from '../../../test/contract/data-repository.contract';
import { newId } from '../../contracts/ids';
import type { DataSnapshot } from './data-repository';
import { ManifestShelf } from './manifest-shelf';

/** A repository in memory, and what happens while a manifest is written. */
class Shelf {
  private readonly stored: { readonly snapshot: DataSnapshot; readonly bytes: Buffer }[] = [];
  meanwhile: () => Promise<unknown> = async () => undefined;
  lost = false;

  of(serverId: string): ManifestShelf {
    return new ManifestShelf({
      serverId,
      key: 'k',
      find: async (tags) => ({
        snapshots: this.stored.map(({ snapshot }) => snapshot).filter((snapshot) => tags.every((tag) => snapshot.tags.includes(tag))),
        unreadable: false,
      }),
      read: async (id) => this.stored.find(({ snapshot }) => snapshot.id === id)?.bytes ?? Buffer.alloc(0),
      write: async (args, bytes) => {
        const once = this.meanwhile;
        this.meanwhile = async () => undefined;
        await once();
        const id = String(this.stored.length + 1).padStart(64, '0');
        if (!this.lost) {
          this.stored.push({
            snapshot: {
              id,
              time: '2026-01-02T03:05:00Z',
              hostname: 'modosu',
              tags: (args[args.indexOf('--tag') + 1] ?? '').split(','),
              paths: ['/manifest.json'],
            } as unknown as DataSnapshot,
            bytes,
          });
        }
      },
      settle: async () => undefined,
    });
  }
}

describe('ManifestShelf', () => {
  const serverId = newId('srv');
  const first = makeManifest(serverId, 'a'.repeat(64));
  let shelf: Shelf;
  beforeEach(() => (shelf = new Shelf()));

  it('takes the manifest of another attempt at the same time for its own: the recovery point is published', async () => {
    const slower = { ...first, publishedAt: '2026-01-02T03:05:09Z' };
    shelf.meanwhile = () => shelf.of(serverId).publish(first);
    await expect(shelf.of(serverId).publish(slower)).resolves.toEqual(first);
    await expect(shelf.of(serverId).open(first.recoveryPointId)).resolves.toEqual(first);
  });

  it('refuses one of the same recovery point with another snapshot', async () => {
    shelf.meanwhile = () => shelf.of(serverId).publish(first);
    await expect(shelf.of(serverId).publish({ ...first, snapshotId: 'b'.repeat(64) })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('calls nothing published that cannot be read afterwards', async () => {
    shelf.lost = true;
    await expect(shelf.of(serverId).publish(first)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
  });
});

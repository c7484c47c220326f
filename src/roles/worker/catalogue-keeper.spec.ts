import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CatalogCopyPlace } from '../../contracts/catalog-copy';
import { ModosuError } from '../../contracts/errors';
import { DirectorySecrets } from '../../secrets/directory-secrets';
import { removeLeftovers } from '../catalogue/copy';
import { CatalogueKeeper, type CatalogueKeeperDependencies } from './catalogue-keeper';

const HEADER = {
  format: 'modosu-catalogue',
  version: 1,
  schema: 's',
  madeAt: '2026-03-01T00:00:00.000Z',
  software: '1',
  audit: { seq: 7, hash: 'a'.repeat(64) },
} as const;

describe('the keeper of the catalogue', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-keeper-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** A world in which everything that is done is written down. */
  function world(
    turns: readonly string[],
    changes: { readonly unreachable?: ReadonlySet<string>; readonly fails?: () => ModosuError | null; readonly keepsAll?: boolean } = {},
  ) {
    const done: string[] = [];
    const told: string[] = [];
    const left = [...turns];
    let nowMs = 0;
    const declare = (name: string): CatalogCopyPlace => ({ kind: name === 'vault' ? 'offsite' : 'image', name });
    const secrets = new DirectorySecrets(join(directory, 'secrets'));
    const tell = (_fields: unknown, message: string): void => void told.push(message);
    const dependencies = {
      catalog: {
        takeCatalogCopyTurn: async (everyMs: number, reachable: readonly CatalogCopyPlace[]) => {
          done.push(`asks ${everyMs} of ${reachable.map(({ name }) => name).join(' ')}`);
          const next = left.shift();
          return next === undefined ? null : declare(next);
        },
        recordCatalogCopy: async ({ name }: CatalogCopyPlace, outcome: object) => void done.push(`records ${name} ${JSON.stringify(outcome)}`),
      },
      places: {
        reachable: async (kind: CatalogCopyPlace['kind']) =>
          ['main', 'second', 'vault'].map(declare).filter((place) => place.kind === kind && changes.unreachable?.has(place.name) !== true),
        archive: async ({ name }: CatalogCopyPlace) => ({
          ensure: async () => void done.push(`ensures ${name}`),
          keep: async (from: string) => {
            const error = changes.fails?.() ?? null;
            if (error !== null) throw error;
            const files = readdirSync(from, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
            const texts = files.map((file) => `${file.name}=${readFileSync(join(file.parentPath, file.name), 'utf8').trim()}`);
            done.push(`keeps ${texts.sort().join(' ')}`);
            return 'b'.repeat(64);
          },
          thin: async () => {
            done.push(`thins ${name}`);
            if (changes.keepsAll === true) throw new ModosuError('CATALOG_COPY_FAILED', 'nothing can be removed');
          },
        }),
      },
      exportCatalog: async (into: string) => {
        writeFileSync(join(into, 'catalogue.ndjson'), 'rows');
        return HEADER;
      },
      secrets,
      scratch: join(directory, 'scratch'),
      everyMs: { image: 1000, offsite: 9000 },
      log: { debug: () => undefined, info: tell, warn: tell },
      nowMs: () => nowMs,
    } as unknown as CatalogueKeeperDependencies;
    return { keeper: new CatalogueKeeper(dependencies), done, told, secrets, pass: (ms: number) => (nowMs += ms) };
  }

  it('copies catalogue and secrets, but for the recovery key and what belongs to this machine alone, and leaves nothing behind', async () => {
    const { keeper, done, secrets } = world(['main']);
    for (const name of ['data/srv/login', 'ssh/key', 'catalogue/recovery-key', 'database-url', 'admin-token']) {
      await secrets.getOrMake(name, () => `value of ${name}`);
    }
    await expect(keeper.keepOne('image')).resolves.toBe(true);
    await expect(keeper.keepOne('image')).resolves.toBe(false);
    expect(done).toEqual([
      'asks 1000 of main second',
      'ensures main',
      'keeps catalogue.ndjson=rows key=value of ssh/key login=value of data/srv/login',
      'records main {"auditSeq":7,"copiedAt":"2026-03-01T00:00:00.000Z"}',
      'thins main',
      'asks 1000 of main second',
    ]);
    expect(readdirSync(join(directory, 'scratch'))).toEqual([]);
  });

  it('asks only for repositories that this machine reaches', async () => {
    const { keeper, done } = world([], { unreachable: new Set(['main']) });
    await keeper.keepOne('image');
    expect(done).toEqual(['asks 1000 of second']);
  });

  it('writes down what went wrong, tells it once, and tells when it works again', async () => {
    let fails = true;
    const { keeper, done, told } = world(['main', 'main', 'main'], { fails: () => (fails ? new ModosuError('RECOVERY_KEY_WRONG', 'another key') : null) });
    await keeper.keepOne('image');
    await keeper.keepOne('image');
    fails = false;
    await keeper.keepOne('image');
    expect(done.filter((entry) => entry.startsWith('records'))).toEqual([
      'records main {"problem":{"code":"RECOVERY_KEY_WRONG","message":"another key"}}',
      'records main {"problem":{"code":"RECOVERY_KEY_WRONG","message":"another key"}}',
      'records main {"auditSeq":7,"copiedAt":"2026-03-01T00:00:00.000Z"}',
    ]);
    expect(told).toEqual(['copying the catalogue into main: it failed and is tried again', 'copying the catalogue into main: it works again']);
    expect(readdirSync(join(directory, 'scratch'))).toEqual([]);
  });

  it('what a death has left in the scratch directory goes, what is being made stays', async () => {
    const scratch = join(directory, 'scratch');
    for (const name of ['left', 'being-made']) mkdirSync(join(scratch, name), { recursive: true });
    const before = new Date(Date.now() - 7 * 3_600_000);
    utimesSync(join(scratch, 'left'), before, before);
    await removeLeftovers(scratch);
    expect(readdirSync(scratch)).toEqual(['being-made']);
  });

  it('beside off-site repositories copies are made in their own time', async () => {
    const { keeper, done } = world(['vault']);
    await keeper.keepOne('offsite');
    expect(done.filter((entry) => !entry.startsWith('keeps'))).toEqual([
      'asks 9000 of vault',
      'ensures vault',
      'records vault {"auditSeq":7,"copiedAt":"2026-03-01T00:00:00.000Z"}',
      'thins vault',
    ]);
  });

  it('storage that lets nothing be removed is asked once a day, and copies go on', async () => {
    const { keeper, done, told } = world(['vault', 'vault'], { keepsAll: true });
    await keeper.keepOne('offsite');
    await keeper.keepOne('offsite');
    expect(done.filter((entry) => entry === 'thins vault')).toHaveLength(1);
    expect(done.filter((entry) => entry.startsWith('records'))).toHaveLength(2);
    expect(told).toEqual(['giving up old copies of the catalogue in the off-site repository vault: it failed and is tried again']);
  });

  it('gives up old copies once a day, and with the first copy of a process', async () => {
    const { keeper, done, pass } = world(['main', 'main', 'main', 'main']);
    const thinned = (): number => done.filter((entry) => entry === 'thins main').length;
    await keeper.keepOne('image');
    expect(thinned()).toBe(1);
    pass(23 * 3_600_000);
    await keeper.keepOne('image');
    expect(thinned()).toBe(1);
    pass(3_600_000);
    await keeper.keepOne('image');
    await keeper.keepOne('image');
    expect(thinned()).toBe(2);
  });
});

import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLeftovers } from './leftovers';

it('of a restic that was killed nothing half-written stays; what is whole, and what is being written, does', async () => {
  const repository = mkdtempSync(join(tmpdir(), 'modosu-leftovers-'));
  try {
    const began = new Date();
    const [old, id] = [new Date(began.getTime() - 60_000), 'a'.repeat(64)];
    const write = (path: string, time: Date): void => {
      writeFileSync(join(repository, path), 'x');
      utimesSync(join(repository, path), time, time);
    };
    for (const directory of ['data/aa', 'index', 'keys']) mkdirSync(join(repository, directory), { recursive: true });
    for (const path of [`data/aa/${id}`, `data/aa/${id}-tmp-123`, `index/${id}-tmp-4`, `keys/${id}-tmp-5`, 'data/aa/another-tmp-6']) write(path, old);
    write(`data/aa/${id}-tmp-7`, new Date(began.getTime() + 1_000));
    await removeLeftovers(repository, began);
    await removeLeftovers(repository, began);
    expect(readdirSync(join(repository, 'data/aa')).sort()).toEqual([id, `${id}-tmp-7`, 'another-tmp-6'].sort());
    expect(readdirSync(join(repository, 'index'))).toEqual([]);
    expect(readdirSync(join(repository, 'keys'))).toHaveLength(1);
    await removeLeftovers(join(repository, 'nothing'), began);
  } finally {
    rmSync(repository, { recursive: true });
  }
});

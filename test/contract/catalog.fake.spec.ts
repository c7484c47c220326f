import { createFakeCatalog } from '../support/fake-catalog';
import { ModosuError } from '../../src/contracts/errors';
import { catalogContract, testClock } from './catalog.contract';
import { codeOf } from './catalog.fixtures';

catalogContract('in memory', async () => {
  const { now, advance } = testClock();
  const catalog = createFakeCatalog(now);
  return { catalog, advance, dispose: () => catalog.close() };
});

describe('FakeCatalog', () => {
  it('can be away', async () => {
    const catalog = createFakeCatalog();
    catalog.failWith(new ModosuError('CATALOG_UNAVAILABLE', 'away'));
    expect(await codeOf(catalog.check())).toBe('CATALOG_UNAVAILABLE');
    expect(await codeOf(catalog.listServers())).toBe('CATALOG_UNAVAILABLE');
    catalog.failWith(null);
    await expect(catalog.check()).resolves.toBeUndefined();
  });
});

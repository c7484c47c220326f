import { asPattern, isExcluded } from './restic-patterns';
import { processorTimeMs } from '../../../test/support/processor-time';

it.each([
  ['/srv/www/cache/x', ['/srv/www/cache'], true],
  ['/srv/www/cachet', ['/srv/www/cache'], false],
  ['/srv/www/cache/x', ['cache'], true],
  ['/srv/cache', ['www/cache'], false],
  ['/srv/a/www/cache/deep', ['www/cache'], true],
  ['/srv/x.log', ['*.log'], true],
  ['/srv/x.log.gz', ['*.log'], false],
  ['/srv/x.log/inside', ['*.log'], true],
  ['/srv/a/b/c/tmp', ['/srv/**/tmp'], true],
  ['/srv/tmp', ['/srv/**/tmp'], true],
  ['/other/tmp', ['/srv/**/tmp'], false],
  ['/srv/file1', ['file[0-9]'], true],
  ['/srv/filex', ['file[0-9]'], false],
  ['/srv/filex', ['file[^0-9]'], true],
  ['/srv/a*b', ['a\\*b'], true],
  ['/srv/axb', ['a\\*b'], false],
  ['/srv/日本', ['日?'], true],
  ['/srv/a.log', ['*.log', '!a.log'], false],
  ['/srv/a', [''], false],
  ['/srv/a', ['['], false],
])('%s is left out by %j: %s', (path, patterns, excluded) => {
  expect(isExcluded(path, patterns)).toBe(excluded);
});

it('is done with a pattern of many stars at once', () => {
  const startedAt = processorTimeMs();
  expect(isExcluded(`/${'a'.repeat(200)}b`, [`${'*a'.repeat(60)}c`])).toBe(false);
  expect(processorTimeMs() - startedAt).toBeLessThan(1_000);
});

it('makes a pattern of a path that matches it alone', () => {
  for (const path of ['/srv/*', '/srv/[a]?', '/srv/back\\slash', '/srv/**/x', '/srv/plain']) expect(isExcluded(path, [asPattern(path)])).toBe(true);
  expect(isExcluded('/srv/anything', [asPattern('/srv/*')])).toBe(false);
});

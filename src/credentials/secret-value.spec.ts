import { deserialize, serialize } from 'node:v8';
import { format, inspect } from 'node:util';
import { SecretValue } from './secret-value';

const value = new SecretValue('hunter2 hunter2', '7');

it('is revealed on demand alone, with its version', () => {
  expect([value.reveal(), value.version]).toEqual(['hunter2 hunter2', '7']);
});

it.each<readonly [string, () => unknown]>([
  ['text', () => String(value)],
  ['a template', () => `${value}`],
  ['a sum', () => 'x' + (value as unknown as string)],
  ['JSON', () => JSON.stringify([value, { value }])],
  ['an inspection', () => inspect([value], { depth: null, showHidden: true, getters: true })],
  ['a format', () => format('%s %o %O %j', value, value, value, value)],
  ['its keys and values', () => JSON.stringify([Object.entries(value), Reflect.ownKeys(value).map(String), { ...value }])],
  ['a clone', () => JSON.stringify(structuredClone(value))],
  ['a message to another process', () => JSON.stringify(deserialize(serialize(value)))],
  ['an error made of it', () => new Error(`${value}`, { cause: value }).stack],
])('does not show in %s', (_where, show) => {
  expect(String(show())).not.toContain('hunter2');
});

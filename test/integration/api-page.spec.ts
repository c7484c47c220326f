import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHELL } from '../support/documentation';
import { filledIn, type, type Replacement } from '../support/page-shell';
import { ApiHarness } from './api-harness';

/** The requests of docs/API.md, as somebody types them: taken from the page and run. */
const BLOCKS: readonly string[] = SHELL.filter(({ page }) => page === 'docs/API.md').map(({ text }) => text);
const [BACKUP = '', CHANGE = ''] = BLOCKS;

let api: ApiHarness;
let known: readonly Replacement[];
beforeEach(async () => {
  api = await ApiHarness.start();
  await api.seed();
  const token = join(api.directory, 'token');
  writeFileSync(token, `${api.tokens.operate}\n`);
  known = [['/path/to/token', token]];
});
afterEach(() => api.close());

it('are looked at here, all of them', () => expect(BLOCKS).toHaveLength(2));

it('an image is asked for, once although it is asked twice, and followed to its end', async () => {
  known = [['http://127.0.0.1:7400', api.url], ...known];
  const [asking = '', following = ''] = BACKUP.split(/^(?=# Follow it)/m);
  const asked = await type(filledIn(asking, known));
  expect(asked.failed).toEqual([]);
  expect(asked.stdout).toMatch(/^HTTP\/1\.1 202 Accepted\r$/m);
  const runId = /^Location: \/v1\/runs\/(run_\w+)\r$/im.exec(asked.stdout)?.[1] ?? '';
  await api.catalog.startRun(runId);
  await api.catalog.finishRun(runId, { state: 'succeeded', error: null });

  const again = await type(filledIn(asking + following, [...known, ['run_01j…', runId]]));
  expect(again.failed).toEqual([]);
  expect(again.stdout).toMatch(/^Idempotency-Replayed: true\r$/im);
  expect(again.stdout).toContain(`/v1/runs/${runId}`);
  expect(again.stdout.split('\n').filter((line) => line.startsWith('data:') && line.includes('"state":"succeeded"'))).not.toEqual([]);
  expect((await api.catalog.getRun(runId)).reason).toBe('before service pack 2');
});

it('a tool tells of a change and of its end, and need not remember an id', async () => {
  writeFileSync(join(api.directory, 'token'), `${api.tokens.change}\n`);
  const told = await type(`API=${api.url}\n${filledIn(CHANGE, known)}`);
  expect(told.failed).toEqual([]);
  const answers = told.stdout.split(/(?<=\})(?=\{"id")/);
  expect(answers.map((answer) => (JSON.parse(answer) as { readonly state: string }).state)).toEqual(['open', 'completed']);
  const { body } = await api.call('GET', '/v1/changes?server=db01');
  expect(body).toMatchObject({ items: [{ externalId: 'awx-4711', title: 'Play ldap.yml', ticket: 'OPS-12', author: 'bob', state: 'completed' }] });
});

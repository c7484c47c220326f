import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../config/log';
import { readSettings } from '../config/settings';
import { stateLayout } from '../config/state-layout';
import { writeSettings } from './settings';

describe('settings that a service writes down', () => {
  const log = createLog({ level: 'silent', role: 'test' });
  const { send } = process;
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-service-'));
    process.send = undefined; // not under `up`, and not under Jest
  });
  afterEach(() => {
    process.send = send;
    rmSync(directory, { recursive: true, force: true });
  });

  const written = async (role: 'up' | 'api' | 'worker', root = directory): Promise<unknown> => {
    const layout = stateLayout(root);
    await writeSettings(role, { layout }, { MODOSU_PROFILES_DIR: '/p', MODOSU_WEBHOOK_SECRET: 'hunter2' }, log);
    const path = layout.settingsFiles[role];
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null;
  };

  it.each(['up', 'api', 'worker'] as const)('by `%s`, for its owner alone', async (role) => {
    expect(await written(role)).toMatchObject({ role, variables: { MODOSU_PROFILES_DIR: '/p' }, notShown: ['MODOSU_WEBHOOK_SECRET'] });
    expect(statSync(join(directory, `run/settings.${role}.json`)).mode & 0o777).toBe(0o600);
  });

  it('not by one that runs under `up`, or beside it', async () => {
    process.send = () => true;
    expect(await written('worker')).toBeNull();
    process.send = undefined;
    await written('up');
    writeFileSync(join(directory, 'run/endpoints.json'), JSON.stringify({ supervisorPid: process.pid }));
    expect(await written('worker')).toBeNull();
    writeFileSync(join(directory, 'run/endpoints.json'), JSON.stringify({ supervisorPid: 2 ** 30 }));
    expect(await written('worker')).toMatchObject({ role: 'worker' });
  });

  it('by a worker and the API beside each other, each for itself', async () => {
    await written('worker');
    expect(await written('api')).toMatchObject({ role: 'api' });
    expect(readSettings(stateLayout(directory))).toMatchObject([{ role: 'worker', notShown: ['MODOSU_WEBHOOK_SECRET'] }, { role: 'api' }]);
  });

  it('where nothing can be written are no reason not to start', async () => {
    writeFileSync(join(directory, 'file'), '');
    expect(await written('worker', join(directory, 'file'))).toBeNull();
  });
});

import type { DataSet, DataSelection } from '../../contracts/data';
import type { NamedStep } from '../../contracts/step-keys';
import { backupSteps } from './backup-steps';
import { DATA_UNDO_STEPS, dataAfterImageSteps, dataBackupSteps, dataRestoreSteps, dataSetSteps, itemKey } from './data-steps';
import { CONFIRM_STEPS, restoreSteps, undoSteps } from './restore-steps';
import { bringsBack } from './shared-steps';

const keys = (steps: readonly NamedStep[]): string => steps.map(({ key }) => key).join(' ');
const titleOf = (steps: readonly NamedStep[], key: string): string | undefined => steps.find((step) => step.key === key)?.title;

const FILES: DataSet = { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null };
const SHOP: DataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop'],
  user: 'postgres',
  osUser: null,
  socketDirectory: null,
  port: 5432,
  spoolDirectory: '/spool',
  before: ['stop-it'],
  after: ['start-it'],
};
const someFiles = (replace = false): DataSelection => ({ kind: 'files', paths: [], replace });
const rows = (changes: { readonly whole?: boolean; readonly replace?: boolean } = {}): DataSelection => ({
  kind: 'postgresql',
  database: 'crm',
  tables: [],
  schemas: [],
  whole: false,
  replace: false,
  ...changes,
});

/** Plans show these steps, runbooks carry out exactly these, and runs that are under way know them by key: what changes here changes histories. */
describe('the steps of an image backup', () => {
  it('offline: the server is stopped for the copy', () => {
    const steps = backupSteps({ mode: 'offline', diskTargets: ['vda', 'vdb'], wasRunning: true, isIncremental: false });
    expect(keys(steps)).toBe('fence reserve stop copy:vda copy:vdb definition power publish catalogue release');
    expect(titleOf(steps, 'copy:vdb')).toBe('Copy vdb with a checksum for every segment');
  });

  it('offline, of a server that is off: it is left off', () =>
    expect(keys(backupSteps({ mode: 'offline', diskTargets: ['vda'], wasRunning: false, isIncremental: false }))).toBe(
      'fence reserve copy:vda definition publish catalogue release',
    ));

  it('online: one point in time for all disks, read again for the checksums', () => {
    const steps = backupSteps({ mode: 'online', diskTargets: ['vda', 'vdb'], wasRunning: true, isIncremental: false });
    expect(keys(steps)).toBe('fence reserve begin definition copy:vda copy:vdb checksum:vda checksum:vdb publish catalogue release');
    expect(titleOf(steps, 'copy:vda')).toBe('QEMU writes the image of vda while the server runs');
    expect(titleOf(steps, 'checksum:vda')).toBe('Checksum every segment of vda');
  });
});

describe('the steps of an image backup in a set', () => {
  const shape = { diskTargets: ['vda'], isOfSet: true };

  it('get everything ready, and wait for the others right before the freeze', () => {
    const steps = backupSteps({ ...shape, mode: 'online', wasRunning: true, isIncremental: true });
    expect(keys(steps)).toBe('fence basis reserve prepare begin definition copy:vda checksum:vda publish catalogue release');
    expect(titleOf(steps, 'begin')).toContain('Wait until all servers of the set are ready');
  });

  it('of a server that is off: it is copied from the same moment on', () =>
    expect(keys(backupSteps({ ...shape, mode: 'offline', wasRunning: false, isIncremental: false }))).toBe(
      'fence reserve meet copy:vda definition publish catalogue release',
    ));
});

describe('the steps of a data backup', () => {
  it('are those of each data set, with its programs around what is read', () => {
    const items = [FILES, SHOP].map((dataSet) => ({ recoveryPointId: 'rp_1', dataSet }));
    expect(keys(dataBackupSteps(items))).toBe(
      'examine fence save:uploads verify:uploads publish:uploads before:shop dump:shop save:shop after:shop verify:shop publish:shop release',
    );
    expect(keys(dataBackupSteps(items.slice(0, 1), { hasCredentials: true }))).toBe(
      'examine fence credentials save:uploads verify:uploads publish:uploads release',
    );
    expect(keys(dataSetSteps({ ...SHOP, after: null }))).toBe('before:shop dump:shop save:shop verify:shop publish:shop');
    expect(keys(dataSetSteps({ ...SHOP, before: null }))).toBe('dump:shop save:shop after:shop verify:shop publish:shop');
    expect(titleOf(dataSetSteps(SHOP), 'after:shop')).toBe('shop: run the declared program after');
  });
});

describe('the steps of a data restore', () => {
  it('put in place what was fetched; a whole database is loaded before', () => {
    expect(keys(dataRestoreSteps({ dataSet: FILES, selection: someFiles() }))).toBe('check fence safety fetch place tidy record');
    expect(keys(dataRestoreSteps({ dataSet: SHOP, selection: rows() }))).toBe('check fence safety fetch place tidy record');
    expect(keys(dataRestoreSteps({ dataSet: SHOP, selection: rows({ whole: true }) }))).toBe('check fence safety fetch load place tidy record');
    expect(keys(DATA_UNDO_STEPS)).toBe('check fence return record');
  });

  it.each([
    [someFiles(), 'Put missing files in place; those that exist stay'],
    [someFiles(true), 'Put missing files in place, and replace those that differ; what stood there is kept'],
    [rows(), 'Put missing tables in place; the others beside, to compare'],
    [rows({ replace: true }), 'Put the tables in place; the rows they had are kept'],
    [rows({ whole: true, replace: true }), 'Swap the databases by renaming; the replaced one is kept'],
  ])('say what is done with what stands there: %j', (selection, title) =>
    expect(titleOf(dataRestoreSteps({ dataSet: selection.kind === 'files' ? FILES : SHOP, selection }), 'place')).toBe(title),
  );

  it('tell the databases of one data set apart', () => {
    expect(itemKey({ dataSet: FILES, selection: someFiles() })).toBe('uploads');
    expect(itemKey({ dataSet: SHOP, selection: rows() })).toBe('shop:crm');
    expect(dataAfterImageSteps({ dataSet: SHOP, selection: rows() })).toEqual([
      { key: 'data-fetch:shop:crm', title: 'Data shop:crm: fetch it into the restored server' },
      { key: 'data-place:shop:crm', title: 'Data shop:crm: put it in place, and check it' },
    ]);
  });
});

describe('the steps of an image restore', () => {
  const shape = { diskTargets: ['vda', 'vdb'], hasNvram: false, present: true, waitsForAgent: true, healthChecks: [], oldDisks: [] };

  it('write beside the old volumes, look again, and swap once', () =>
    expect(keys(restoreSteps(shape))).toBe('check fence copy:vda copy:vdb recheck stop swap start agent go-live record'));

  it('stop no server that is gone, and wait for no agent that nobody has seen', () =>
    expect(keys(restoreSteps({ ...shape, diskTargets: ['vda'], hasNvram: true, present: false, waitsForAgent: false }))).toBe(
      'check fence copy:vda nvram recheck swap start go-live record',
    ));

  it('bring the data back in quarantine, before the checks, and attach old disks after them', () => {
    const data = [{ dataSet: FILES, selection: someFiles() }];
    const steps = restoreSteps({ ...shape, diskTargets: ['vda'], data, healthChecks: ['web', 'db'], oldDisks: ['vdb'] });
    expect(keys(steps)).toBe(
      'check fence copy:vda recheck stop swap start agent data-fetch:uploads data-place:uploads health:web health:db attach:vdb go-live record',
    );
    expect([titleOf(steps, 'health:db'), titleOf(steps, 'stop')]).toEqual(['Health check "db"', 'Stop the server']);
  });

  it('of its undo and its confirmation', () => {
    const undo = undoSteps({ stopsServer: true, startsServer: true, waitsForAgent: true, provesPeers: true });
    expect(keys(undo)).toBe('check fence stop swap start agent peers record');
    expect([titleOf(undo, 'stop'), titleOf(undo, 'start')]).toEqual(['Stop the server', 'Start the server']);
    expect(keys(undoSteps({ stopsServer: false, startsServer: false, waitsForAgent: false, provesPeers: false }))).toBe('check fence swap record');
    expect(keys(CONFIRM_STEPS)).toBe('check fence remove record release');
  });
});

it('bytes come back by copies and fetches, not by what only reads', () =>
  expect(['copy', 'fetch', 'data-fetch', 'checksum', 'save', 'place', 'load'].filter(bringsBack)).toEqual(['copy', 'fetch', 'data-fetch']));

it('every step has a title', () => {
  const all = [
    ...backupSteps({ mode: 'offline', diskTargets: ['vda'], wasRunning: true, isIncremental: false }),
    ...backupSteps({ mode: 'online', diskTargets: ['vda'], wasRunning: true, isIncremental: true }),
    ...dataBackupSteps([{ recoveryPointId: 'rp_1', dataSet: SHOP }]),
    ...dataRestoreSteps({ dataSet: SHOP, selection: rows({ whole: true }) }),
    ...restoreSteps({ diskTargets: ['vda'], hasNvram: true, present: true, waitsForAgent: true, healthChecks: ['web'], oldDisks: ['vdb'] }),
    ...undoSteps({ stopsServer: true, startsServer: true, waitsForAgent: true, provesPeers: true }),
    ...DATA_UNDO_STEPS,
    ...CONFIRM_STEPS,
  ];
  expect(all.filter(({ title }) => title.length < 10)).toEqual([]);
});

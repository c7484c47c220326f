import { judgeQueue, type Limits, type OpenRun, type WaitingBackup } from './queue';

const NOW = new Date('2026-11-27T03:00:00Z');
const waiting = (id: string, changes: Partial<WaitingBackup> = {}): WaitingBackup => ({
  id,
  serverId: `srv_${id}`,
  kind: 'image',
  hypervisor: 'hv1',
  repository: 'main',
  notBefore: new Date('2026-11-27T02:00:00Z'),
  isWanted: true,
  ...changes,
});
const open = (runId: string, changes: Partial<OpenRun> = {}): OpenRun => ({
  runId,
  serverId: `srv_of_${runId}`,
  backup: 'image',
  hypervisor: 'hv1',
  repository: 'main',
  ...changes,
});
const limits = (hypervisors: Readonly<Record<string, number>> = {}, repositories: Readonly<Record<string, number>> = {}): Limits => ({
  hypervisors: new Map(Object.entries(hypervisors)),
  repositories: new Map(Object.entries(repositories)),
});
const judge = (backups: readonly WaitingBackup[], runs: readonly OpenRun[] = [], given = limits()) => judgeQueue(backups, runs, given, NOW);

describe('judgeQueue', () => {
  it('begins the oldest whose time has come, one at a time', () => {
    const judged = judge([waiting('b', { notBefore: new Date('2026-11-27T02:30:00Z') }), waiting('a'), waiting('c')]);
    expect(judged.begin).toBe('a');
    expect([...judged.waitsFor]).toEqual([]);
  });

  it('lets alone what has its time still before it', () => {
    const judged = judge([waiting('a', { notBefore: new Date('2026-11-27T03:00:00.001Z') })]);
    expect(judged.begin).toBeNull();
    expect([...judged.waitsFor]).toEqual([['a', null]]);
    expect(judge([waiting('a', { notBefore: NOW })]).begin).toBe('a');
  });

  it('waits for the run that holds the server, of whatever kind', () => {
    const judged = judge([waiting('a'), waiting('b')], [open('run_1', { serverId: 'srv_a', backup: null })]);
    expect(judged.waitsFor.get('a')).toBe('the server is held by run run_1');
    expect(judged.begin).toBe('b');
  });

  it('waits for a place on the hypervisor; what is no backup takes none', () => {
    const runs = [open('r1'), open('r2', { backup: 'data' }), open('r3', { backup: null }), open('r4', { hypervisor: 'hv2' })];
    expect(judge([waiting('a')], runs, limits({ hv1: 2 }, { main: 9 })).waitsFor.get('a')).toBe('hypervisor "hv1" has 2 of 2 backups at the same time');
    expect(judge([waiting('a')], runs, limits({ hv1: 3 }, { main: 9 })).begin).toBe('a');
    expect(judge([waiting('a', { kind: 'data' })], runs, limits({ hv1: 2 })).begin).toBeNull();
  });

  it('waits for a place in the repository, images only', () => {
    const runs = [
      open('r1', { hypervisor: 'hv2' }),
      open('r2', { hypervisor: 'hv2', backup: 'data' }),
      open('r3', { hypervisor: 'hv2', repository: 'second' }),
    ];
    expect(judge([waiting('a')], runs, limits({}, { main: 1 })).waitsFor.get('a')).toBe('repository "main" takes 1 of 1 images at the same time');
    expect(judge([waiting('a')], runs, limits({}, { main: 2 })).begin).toBe('a');
    expect(judge([waiting('a', { kind: 'data' })], runs, limits({}, { main: 1 })).begin).toBe('a');
  });

  it('takes two where nothing is declared', () => {
    expect(judge([waiting('a')], [open('r1')]).begin).toBe('a');
    expect(judge([waiting('a')], [open('r1'), open('r2')]).begin).toBeNull();
    expect(judge([waiting('a')], [open('r1', { hypervisor: 'hv2' }), open('r2', { hypervisor: 'hv2' })]).waitsFor.get('a')).toMatch(
      /^repository "main" takes 2 of 2/,
    );
  });

  it('withdraws what nobody wants any more, also before its time', () => {
    const judged = judge([waiting('a', { isWanted: false }), waiting('b', { isWanted: false, notBefore: new Date('2027-01-01T00:00:00Z') }), waiting('c')]);
    expect(judged.withdraw).toEqual(['a', 'b']);
    expect(judged.begin).toBe('c');
  });

  it('begins the one with the smaller id of two that are due at the same time', () => {
    expect(judge([waiting('b'), waiting('a')]).begin).toBe('a');
  });
});

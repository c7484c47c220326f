import { newId } from '../../contracts/ids';
import { isOwnName, numbered, runNames, uniqueName } from './names';

const bytes = (text: string): number => new TextEncoder().encode(text).length;

describe('names of a run', () => {
  it('are valid, its own, and short enough for numbers behind them', () => {
    const [one, other] = [runNames(newId('run')), runNames(newId('run'))];
    for (const name of [one.scratch, one.restored, one.replaced, one.undone]) {
      expect(name).toMatch(/^[a-z][0-9a-z_]+$/);
      expect(bytes(numbered(name, 999))).toBeLessThanOrEqual(63);
      expect(isOwnName(name) && isOwnName(numbered(name, 3))).toBe(true);
    }
    expect(bytes(one.application)).toBeLessThanOrEqual(63);
    expect(new Set([...Object.values(one), ...Object.values(other)]).size).toBe(12);
    for (const name of ['shop', 'restored', 'replaced_x', 'xreplaced_01m8b2qj9rsxzkn7sn0vm8975d', 'replaced_01m8b2qj9rsxzkn7sn0vm8975d; x']) {
      expect(isOwnName(name)).toBe(false);
    }
    for (const runId of ['', 'run_', 'run_../x', "run_0123456789'"]) expect(() => runNames(runId)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('are its id, behind what each is for', () => {
    expect(runNames('run_0123456789')).toEqual({
      application: 'modosu-run_0123456789',
      scratch: 'modosu_0123456789',
      restored: 'restored_0123456789',
      replaced: 'replaced_0123456789',
      undone: 'undone_0123456789',
      work: 'work-0123456789',
    });
    expect([0, 1, 2].map((index) => numbered('a', index))).toEqual(['a', 'a_2', 'a_3']);
    for (const runId of [
      'x run_0123456789',
      'run_0123456789 x',
      '1run_0123456789',
      'run_012345678',
      `run_${'0'.repeat(33)}`,
      'toolongrun_0123456789',
      'RUN_0123456789',
    ]) {
      expect(() => runNames(runId)).toThrow(`"${runId}" is not the id of a run.`);
    }
    for (const name of ['modosu_0123456789', 'restored_0123456789_2', 'undone_0123456789_1234', `replaced_${'0'.repeat(32)}`]) {
      expect([name, isOwnName(name)]).toEqual([name, true]);
    }
    for (const name of [
      'modosu_012345678',
      `modosu_${'0'.repeat(33)}`,
      'undone_0123456789_',
      'undone_0123456789_12345',
      'undone_0123456789_a',
      'other_0123456789',
      'modosu_0123456789_2_3',
      'modosu-0123456789',
    ]) {
      expect([name, isOwnName(name)]).toEqual([name, false]);
    }
  });

  it('of tables are cut to what the server takes, at whole letters', () => {
    const taken = new Set(['x'.repeat(63)]);
    expect(uniqueName({ schema: 's', name: 'x'.repeat(63) }, taken)).toBe(`s.${'x'.repeat(61)}`);
    expect(uniqueName({ schema: 's', name: 'x'.repeat(63) }, taken)).toBe(`${'x'.repeat(57)}~2`);
    expect(uniqueName({ schema: 's', name: 'x'.repeat(63) }, taken)).toBe(`${'x'.repeat(57)}~3`);
    expect(taken.size).toBe(4);
    const wide = new Set(['注'.repeat(21)]);
    expect(uniqueName({ schema: 's', name: '注'.repeat(21) }, wide)).toBe(`s.${'注'.repeat(20)}`);
    expect(uniqueName({ schema: 's', name: '注'.repeat(21) }, wide)).toBe(`${'注'.repeat(19)}~2`);
  });

  it('of tables with the same name stay apart and short', () => {
    const taken = new Set<string>();
    const long = '注'.repeat(21);
    const found = [
      { schema: 'a', name: 't' },
      { schema: 'b', name: 't' },
      { schema: 'b', name: 't' },
      { schema: 'x', name: long },
      { schema: 'y', name: long },
      { schema: 'y', name: long },
    ].map((table) => uniqueName(table, taken));
    expect(found.slice(0, 3)).toEqual(['t', 'b.t', 't~2']);
    expect(new Set(found).size).toBe(6);
    for (const name of found) expect(bytes(name)).toBeLessThanOrEqual(63);
  });
});

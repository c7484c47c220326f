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
    for (const name of ['shop', 'restored', 'replaced_x', 'xreplaced_01m8b2qj9rsxzkn7sn0vm8975d', 'replaced_01m8b2qj9rsxzkn7sn0vm8975d; x']) expect(isOwnName(name)).toBe(false);
    for (const runId of ['', 'run_', 'run_../x', "run_0123456789'"]) expect(() => runNames(runId)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('of tables with the same name stay apart and short', () => {
    const taken = new Set<string>();
    const long = '注'.repeat(21);
    const found = [{ schema: 'a', name: 't' }, { schema: 'b', name: 't' }, { schema: 'b', name: 't' }, { schema: 'x', name: long }, { schema: 'y', name: long }, { schema: 'y', name: long }].map((table) => uniqueName(table, taken));
    expect(found.slice(0, 3)).toEqual(['t', 'b.t', 't~2']);
    expect(new Set(found).size).toBe(6);
    for (const name of found) expect(bytes(name)).toBeLessThanOrEqual(63);
  });
});

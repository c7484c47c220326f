import { parse } from 'yaml';
import type { CliIo } from '../io';
import { Printer, type OutputFormat } from './printer';
import { displayWidth, fields, plain, table, utc } from './text';

const HOSTILE = 'db\u001b[31m01\u0007\u009b2J\u202e\r\nnext\u0000';

function printed(format: OutputFormat, value: unknown): string {
  let text = '';
  const io = { stdout: { write: (part: string) => (text += part) }, env: {} } as unknown as CliIo;
  new Printer(io, format).data(value, () => '');
  return text;
}

describe('text for a terminal', () => {
  it('loses control characters and stays on one line', () => {
    expect(plain(HOSTILE)).toBe('db[31m012J next');
  });

  it('keeps Japanese, and aligns it by its width', () => {
    expect(plain('資料庫')).toBe('資料庫');
    expect(displayWidth('資料庫a')).toBe(7);
    expect(
      table(
        ['NAME', 'ID'],
        [
          ['資料', 'x'],
          ['ab', 'y'],
        ],
      ),
    ).toBe('NAME  ID\n資料  x\nab    y');
  });

  it('strips table cells and field values', () => {
    expect(table(['A'], [[HOSTILE]])).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(fields([['name', [HOSTILE, 'second']]])).toBe('name  db[31m012J next\n      second');
  });

  it.each(['json', 'yaml'] as const)('%s keeps the value but no raw control character', (format) => {
    const text = printed(format, { name: HOSTILE, list: [1, null, 'x'] });
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(format === 'json' ? JSON.parse(text) : parse(text)).toEqual({ name: HOSTILE, list: [1, null, 'x'] });
  });

  it('shows times in UTC', () => {
    expect(utc('2026-01-31T13:03:07.123+01:00')).toBe('2026-01-31 12:03:07Z');
    expect(utc(null)).toBe('-');
    expect(utc('nonsense\u001b')).toBe('nonsense');
  });
});

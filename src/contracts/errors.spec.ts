import { ERROR_CODES, isErrorCode, type ErrorCode } from './error-codes';
import { ERROR_MEANINGS } from './error-meanings';
import { isModosuError, ModosuError, toModosuError } from './errors';

describe('ModosuError', () => {
  it('takes kind, retry advice and hint from its code', () => {
    const error = new ModosuError('SERVER_BUSY', 'db01 is held.', { context: { runId: 'run_1' } });
    expect(error).toMatchObject({ kind: 'conflict', retry: 'never', context: { runId: 'run_1' } });
    expect(error.hint).toContain('modosu run watch');
  });

  it('survives the way over a boundary', () => {
    const error = new ModosuError('NOT_ENOUGH_SPACE', 'too small', { hint: 'free 5 GiB', context: { missingBytes: 5 } });
    expect(ModosuError.fromSummary(JSON.parse(JSON.stringify(error.summary())))).toMatchObject({
      code: 'NOT_ENOUGH_SPACE',
      message: 'too small',
      hint: 'free 5 GiB',
      context: { missingBytes: 5 },
    });
  });

  it('makes INTERNAL of anything else and keeps what it was', () => {
    const cause = new TypeError('x is not a function');
    expect(toModosuError(cause)).toMatchObject({ code: 'INTERNAL', message: 'x is not a function', cause });
    expect(toModosuError('text')).toMatchObject({ code: 'INTERNAL', message: 'text' });
    expect(isModosuError(cause)).toBe(false);
  });
});

describe('ERROR_CODES', () => {
  it.each(Object.entries(ERROR_CODES))('%s has a hint that is a sentence', (code, { hint }) => {
    expect(isErrorCode(code)).toBe(true);
    expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    expect(hint).toMatch(/^\S.*[.!]$/);
  });
  it.each(Object.entries(ERROR_CODES))('%s has a meaning: one plain sentence that is not its hint', (code, { hint }) => {
    const meaning = ERROR_MEANINGS[code as ErrorCode];
    expect(meaning).toMatch(/^[A-Z\p{L}][^\n]{15,}\.$/u);
    expect(meaning).not.toMatch(/\. [A-Z]/);
    expect(hint).not.toContain(meaning);
  });

  it('have meanings that tell them apart, in the same order', () => {
    expect(Object.keys(ERROR_MEANINGS)).toEqual(Object.keys(ERROR_CODES));
    expect(new Set(Object.values(ERROR_MEANINGS)).size).toBe(Object.keys(ERROR_CODES).length);
  });

  it('knows no code of an object prototype', () => expect(isErrorCode('constructor')).toBe(false));
});

import { redact } from '../../contracts/redact';
import { withoutSecrets } from './hidden-in-json';

const hide = (text: string): string => redact(text, ['4711', 'true', 'two\nlines']);
const shown = (path: string, text: string): string => withoutSecrets({ path, text }, hide).text;

describe('a file of a support bundle without secrets', () => {
  it('stays JSON where a secret is part of a number or one of its words', () => {
    const text = '{\n  "size": 947110,\n  "ok": true,\n  "large": 12345678901234567890,\n  "4711": ["4711 \\"x\\"", -4711.50, 1e3, null]\n}\n';
    expect(shown('catalogue/runs.json', text)).toBe(
      '{\n  "size": "9[redacted]0",\n  "ok": true,\n  "large": 12345678901234567890,\n  "[redacted]": ["[redacted] \\"x\\"", "-[redacted].50", 1e3, null]\n}\n',
    );
  });

  it('hides there, too, what shows only by the name before it', () => {
    expect(shown('doctor.json', '{"n":4711,"authorization":"Basic dXNlcjpwYXNz"}')).toBe('{"n":"[redacted]","authorization":"Basic [redacted]"}');
  });

  it('stays JSON in each line of a log that was, and hides secrets of several lines in the others', () => {
    const log = '{"pid":4711,"msg":"4711"}\nplain 4711 true\ntwo\nlines\n{"pid":14711}\n{not JSON 4711}\n';
    expect(shown('logs/api.log', log)).toBe(
      '{"pid":"[redacted]","msg":"[redacted]"}\nplain [redacted] [redacted]\n[redacted]\n{"pid":"1[redacted]"}\n{not JSON [redacted]}\n',
    );
  });

  it('is as it was where nothing is hidden, and plain text where it was no JSON', () => {
    expect(shown('a.json', '{"a":1.0}')).toBe('{"a":1.0}');
    expect(shown('a.json', '{"a":4711')).toBe('{"a":[redacted]');
  });
});

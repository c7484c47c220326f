import { canonicalName, NoAnswer, queryMessage, readAnswer, type DnsQuestion } from './dns-message';

const QUESTION: DnsQuestion = { id: 0xbeef, name: 'example.test.', type: 'TXT' };

/** An answer with one record of the question's name. */
function answerWith(data: Buffer, { question = QUESTION, type = 16 } = {}): Buffer {
  const message = queryMessage(question);
  message.writeUInt16BE(0x8400, 2);
  message.writeUInt16BE(1, 6);
  return Buffer.concat([message, Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 0xff]), data]);
}
const strings = (...texts: readonly Buffer[]): Buffer => Buffer.concat(texts.flatMap((text) => [Buffer.from([text.length]), text]));

describe('messages of DNS', () => {
  it('ask one question, and not for recursion', () => {
    expect(queryMessage(QUESTION).toString('hex')).toBe('beef0000000100000000000007' + Buffer.from('example').toString('hex') + '0474657374' + '0000100001');
    expect(
      queryMessage({ ...QUESTION, name: '.', type: 'AAAA' })
        .subarray(12)
        .toString('hex'),
    ).toBe('00001c0001');
  });

  it.each([
    ['Example.TEST', 'example.test.'],
    ['example.test.', 'example.test.'],
    ['_ldap._tcp.example.test', '_ldap._tcp.example.test.'],
    ['0/25.2.0.192.in-addr.arpa', '0/25.2.0.192.in-addr.arpa.'],
    ['bücher.example', 'xn--bcher-kva.example.'],
    ['.', '.'],
    [`${'a'.repeat(63)}.test`, `${'a'.repeat(63)}.test.`],
  ])('take %s as %s', (text, expected) => {
    expect(canonicalName(text)).toBe(expected);
  });

  it.each(['', '..', 'a..b', '.a', `${'a'.repeat(64)}.test`, `${'abcdefg.'.repeat(32)}`, 'a b', 'a\\046b', 'a@b', 'a\nb', '\ud800', '"a"'])(
    'refuse the name %j',
    (text) => {
      expect(() => canonicalName(text)).toThrow(expect.objectContaining({ code: 'PROBE_INVALID' }));
    },
  );

  it('give texts that no text can forge', () => {
    const data = strings(Buffer.from('a\n\\'), Buffer.from([0, 0xff]), Buffer.from('"b"'));
    expect(readAnswer(answerWith(data), QUESTION)).toEqual({
      isAuthoritative: true,
      isTruncated: false,
      rcode: 0,
      records: [{ name: 'example.test.', type: 16, data: 'a\\010\\\\\\000\\255"b"' }],
    });
    expect(readAnswer(answerWith(Buffer.alloc(0)), QUESTION).records).toMatchObject([{ data: '' }]);
  });

  it('give names in which a dot of a label is none', () => {
    const data = Buffer.from([5, ...Buffer.from('A.b\\c'), 0xc0, 12]);
    const question = { ...QUESTION, type: 'NS' } as const;
    expect(readAnswer(answerWith(data, { question, type: 2 }), question).records).toMatchObject([{ data: 'a\\.b\\\\c.example.test.' }]);
  });

  it.each([
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['00000000000000000000ffffc0000201', '::ffff:192.0.2.1'],
  ])('give the address %s as %s', (hex, expected) => {
    const question = { ...QUESTION, type: 'AAAA' } as const;
    expect(readAnswer(answerWith(Buffer.from(hex, 'hex'), { question, type: 28 }), question).records).toMatchObject([{ data: expected }]);
  });

  it('are read without the question when the server could not read it', () => {
    expect(readAnswer(Buffer.from('beef80010000000000000000', 'hex'), QUESTION)).toMatchObject({ rcode: 1, records: [] });
    expect(() => readAnswer(Buffer.from('beef80000000000000000000', 'hex'), QUESTION)).toThrow(NoAnswer);
  });

  it('that were cut or changed anywhere are an answer or none, and never something else', () => {
    const whole = answerWith(strings(Buffer.from('some text'), Buffer.from('more')));
    const outcome = (message: Buffer): unknown => {
      try {
        return readAnswer(message, QUESTION);
      } catch (error) {
        return error;
      }
    };
    for (let end = 0; end < whole.length; end += 1) expect(outcome(whole.subarray(0, end))).toBeInstanceOf(NoAnswer);
    for (let at = 0; at < whole.length; at += 1) {
      for (let value = 0; value < 256; value += 1) {
        const changed = Buffer.from(whole);
        changed[at] = value;
        const result = outcome(changed);
        if (result instanceof Error && !(result instanceof NoAnswer)) throw result;
      }
    }
  });
});

import { FACT_KINDS, FACT_LIMITS, OS_FAMILIES, type FactSection, type ServerFacts } from '../../contracts/facts';
import { parseFacts, renderFacts } from './facts-file';

type Collected = Extract<FactSection, { state: 'collected' }>;
const section = (kind: FactSection['kind'], entries: Collected['entries'] = []): Collected => ({
  kind,
  state: 'collected',
  entries,
  truncated: false,
});
const failed = (changes: object = {}): object => ({ kind: 'os', state: 'failed', error: { code: 'INTERNAL', message: 'x', hint: 'x', ...changes } });
const FACTS: ServerFacts = {
  format: 'modosu-server-facts',
  version: 1,
  collectedAt: '2026-03-01T00:00:00.000Z',
  family: 'debian',
  sections: [
    section('os', [{ key: 'ID', value: 'debian' }]),
    { ...section('packages', [{ key: 'nginx:amd64', value: '1.26 \u{1f600}' }]), truncated: true },
    { kind: 'ports', state: 'failed', error: { code: 'GUEST_COMMAND_FORBIDDEN', message: 'the agent said:\nno \u{1f600}', hint: 'allow it' } },
  ],
};
const read = (text: string): ServerFacts | null => parseFacts(Buffer.from(text));
const said = (changes: object): string => JSON.stringify({ ...FACTS, ...changes });
const inSection = (one: object): string => said({ sections: [one] });
const entry = (changes: object): string => inSection({ ...section('os'), entries: [{ key: 'a', value: 'b', ...changes }] });

describe('facts that were written', () => {
  it.each<[string, ServerFacts]>([
    ['what was collected, and what could not be', FACTS],
    ['nothing at all', { ...FACTS, sections: [] }],
    ['each kind once', { ...FACTS, sections: FACT_KINDS.map((kind) => section(kind)) }],
    ...OS_FAMILIES.map((family): [string, ServerFacts] => [`of the family ${family}`, { ...FACTS, family }]),
  ])('are read as they were: %s', (_what, facts) => {
    expect(read(renderFacts(facts))).toEqual(facts);
  });

  it.each([
    ['keys and values', entry({ key: 'k'.repeat(FACT_LIMITS.characters), value: 'v'.repeat(FACT_LIMITS.characters) })],
    [
      'entries',
      inSection(
        section(
          'packages',
          Array.from({ length: FACT_LIMITS.packages }, (_, index) => ({ key: `p${index}`, value: '1' })),
        ),
      ),
    ],
    ['the words of an error', inSection(failed({ message: 'm'.repeat(4096), hint: 'h'.repeat(4096) }))],
    ['the code of an error', inSection(failed({ code: `A${'B_9'.repeat(33)}` }))],
    ['the code of an error, of one letter', inSection(failed({ code: 'A' }))],
  ])('may be as large as the limits say: %s', (_what, text) => {
    expect(read(text)).toEqual(JSON.parse(text));
  });

  it('are read without what this version does not know', () => {
    const strange = { ...FACTS, password: 'x', sections: FACTS.sections.map((one) => ({ ...one, password: 'x' })) };
    expect(read(JSON.stringify(strange))).toEqual(FACTS);
  });
});

/** A text that is whole but for one byte, which no character of UTF-8 begins with. */
const brokenUtf8 = (): Buffer => {
  const bytes = Buffer.from(entry({ value: '#' }));
  bytes[bytes.indexOf('#')] = 0xff;
  return bytes;
};

it.each<[string, string | Buffer]>([
  ['nothing', ''],
  ['no JSON', 'not JSON'],
  ['cut off', renderFacts(FACTS).slice(0, -3)],
  ['lists in lists without an end in sight', '['.repeat(100_000)],
  ['JSON, but no object', 'null'],
  ['no UTF-8 in one value', brokenUtf8()],
  ['of another format', said({ format: 'other' })],
  ['of a later version', said({ version: 2 })],
  ['of no moment', said({ collectedAt: 'yesterday' })],
  ['of a family nobody knows', said({ family: 'plan9' })],
  ['without a list of sections', said({ sections: {} })],
  ['of a kind nobody knows', inSection({ ...section('os'), kind: 'passwords' })],
  ['of one kind twice', said({ sections: [section('os'), section('kernel'), section('os')] })],
  ['of one kind that was collected and has failed', said({ sections: [section('os'), failed()] })],
  ['in a state nobody knows', inSection({ ...section('os'), state: 'guessed' })],
  ['collected, and nobody says whether there was more', inSection({ kind: 'os', state: 'collected', entries: [] })],
  ['failed without an error', inSection({ kind: 'os', state: 'failed' })],
  [
    'more than there may be',
    inSection(
      section(
        'packages',
        Array.from({ length: FACT_LIMITS.packages + 1 }, (_, index) => ({ key: `p${index}`, value: '1' })),
      ),
    ),
  ],
  ['a key without a value', entry({ value: undefined })],
  ['a value that is no text', entry({ value: 1 })],
  ...(['key', 'value'] as const).flatMap((field): [string, string][] => [
    [`a ${field} that is too long`, entry({ [field]: 'x'.repeat(FACT_LIMITS.characters + 1) })],
    [`a ${field} with a NUL, which PostgreSQL refuses`, entry({ [field]: 'a\u0000' })],
    [`a ${field} with half a character, which PostgreSQL refuses`, entry({ [field]: 'a\ud83d' })],
    [`a ${field} with a terminal escape`, entry({ [field]: '\u001b[2J' })],
    [`a ${field} with a terminal escape of one character`, entry({ [field]: '\u009b2J' })],
    [`a ${field} of two lines`, entry({ [field]: 'a\nb' })],
  ]),
  ...['', 'internal', '1A', '_A', 'x INTERNAL', 'INTERNAL x', 'INTERNAL\n', 'A-B', '\u001b[2J', `A${'B'.repeat(100)}`].map((code): [string, string] => [
    `an error whose code is none: ${JSON.stringify(code).slice(0, 20)}`,
    inSection(failed({ code })),
  ]),
  ...(['message', 'hint'] as const).flatMap((field): [string, string][] => [
    [`an error whose ${field} is too long`, inSection(failed({ [field]: 'x'.repeat(4097) }))],
    [`an error with a NUL in its ${field}`, inSection(failed({ [field]: 'x\u0000' }))],
    [`an error with half a character in its ${field}`, inSection(failed({ [field]: 'x\udc00' }))],
    [`an error without a ${field}`, inSection(failed({ [field]: undefined }))],
  ]),
])('what somebody else has put there is no facts: %s', (_what, content) => {
  expect(parseFacts(typeof content === 'string' ? Buffer.from(content) : content)).toBeNull();
});

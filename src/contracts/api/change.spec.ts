import { cancelChangeRequestSchema, changeEventSchema, changeQuerySchema, openChangeRequestSchema } from './change';

const accepts = (body: object): boolean => openChangeRequestSchema.safeParse({ title: 'x', ...body }).success;
const text = (words: string): object => ({ applyAgain: { kind: 'text', text: words } });
const command = (changes: object): object => ({ applyAgain: { kind: 'command', argv: ['/bin/true'], ...changes } });

describe('a request to open a change', () => {
  it('needs a title and nothing else', () => {
    expect(openChangeRequestSchema.parse({ title: 'Install nginx' })).toEqual({
      title: 'Install nginx',
      ticket: null,
      author: null,
      applyAgain: null,
      externalId: null,
    });
  });

  it.each<[string, object]>([
    ['a title in any script', { title: 'Größe "auf" 戻す 😀' }],
    ['a title as long as it may be', { title: 'x'.repeat(200) }],
    ['instructions of several lines, with tabs', text('1. stop it\n\tsystemctl stop x\n2. 戻す')],
    ['instructions as long as they may be', text('x'.repeat(4000))],
    ['a program that may take an hour', command({ timeoutSeconds: 3600 })],
    ['a program with an argument of several words', command({ argv: ['/bin/sh', '-c', 'a b; c'] })],
    ['an external id as long as it may be', { externalId: 'x'.repeat(200) }],
    ['nothing said of what may be left out', { ticket: null, author: null, applyAgain: null, externalId: null }],
  ])('may have %s', (_what, body) => expect(accepts(body)).toBe(true));

  it.each<[string, object]>([
    ['an empty title', { title: '' }],
    ['a title that is too long', { title: 'x'.repeat(201) }],
    ['a title of two lines', { title: 'a\nb' }],
    ['a tab in a title', { title: 'a\tb' }],
    ['a terminal escape in a title', { title: '\u001b[31m' }],
    ['one of C1 in a ticket', { ticket: '\u009b31m' }],
    ['half a character in an author', { author: '\ud83d' }],
    ['an empty external id', { externalId: '' }],
    ['an external id that is too long', { externalId: 'x'.repeat(201) }],
    ['no words in its instructions', text(' \n\t ')],
    ['instructions that are too long', text('x'.repeat(4001))],
    ['a terminal escape in its instructions', text('a\u001b[2Jb')],
    ['a carriage return, which overwrites a line, in its instructions', text('harmless\rrm -rf /')],
    ['one of C1 in its instructions', text('a\u009b2Jb')],
    ['a NUL in its instructions, which PostgreSQL refuses', text('a\u0000b')],
    ['half a character in its instructions, which PostgreSQL refuses', text('a\udc00b')],
    ['instructions of a kind nobody knows', { applyAgain: { kind: 'playbook', text: 'x' } }],
    ['instructions and a program', { applyAgain: { kind: 'text', text: 'x', argv: ['/bin/true'] } }],
    ['no program', command({ argv: [] })],
    ['a program without a name', command({ argv: [''] })],
    ['a program that is one text', command({ argv: '/bin/true' })],
    ['a NUL in an argument', command({ argv: ['/bin/true', 'a\u0000b'] })],
    ['no time for its program', command({ timeoutSeconds: 0 })],
    ['more than an hour for its program', command({ timeoutSeconds: 3601 })],
    ['part of a second for its program', command({ timeoutSeconds: 1.5 })],
    ['a state of its own', { state: 'completed' }],
  ])('may not have %s', (_what, body) => expect(accepts(body)).toBe(false));

  it('has the spaces around its instructions taken away, and five minutes for a program of which nobody says more', () => {
    expect(openChangeRequestSchema.parse({ title: 'x', ...text('\n  a\n  b \n') }).applyAgain).toEqual({ kind: 'text', text: 'a\n  b' });
    expect(openChangeRequestSchema.parse({ title: 'x', ...command({}) }).applyAgain).toMatchObject({ timeoutSeconds: 300 });
  });
});

describe('what tools tell', () => {
  const event = { server: 'db01', externalId: 'awx-7', event: 'completed' };

  it('names server, change and event; the rest may be left out', () => {
    expect(changeEventSchema.parse(event)).toEqual({ ...event, title: null, ticket: null, author: null, applyAgain: null, madeAgain: false });
  });

  it.each<[string, object]>([
    ['no external id', { externalId: undefined }],
    ['an external id of null', { externalId: null }],
    ['an event nobody knows', { event: 'skipped' }],
    ['no server', { server: undefined }],
    ['an empty title', { title: '' }],
    ['a field nobody knows', { host: 'db01' }],
  ])('may not have %s', (_what, changes) => expect(changeEventSchema.safeParse({ ...event, ...changes }).success).toBe(false));
});

it('a change is cancelled with a reason, and asked for by states that there are', () => {
  for (const body of [{}, { reason: '' }, { reason: '  ' }, { reason: 'x'.repeat(501) }, { reason: 'x', state: 'open' }]) {
    expect([body, cancelChangeRequestSchema.safeParse(body).success]).toEqual([body, false]);
  }
  expect(cancelChangeRequestSchema.parse({ reason: ' taken back ' })).toEqual({ reason: 'taken back' });
  expect(changeQuerySchema.safeParse({ state: 'partly' }).success).toBe(false);
  expect(changeQuerySchema.safeParse({ state: 'open', limit: '5' }).success).toBe(true);
});

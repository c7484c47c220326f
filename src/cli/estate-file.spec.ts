import { isModosuError } from '../contracts/errors';
import { MAX_ESTATE_BYTES, parseEstateFile } from './estate-file';

const parse = (text: string) => parseEstateFile('estate.yaml', Buffer.from(text));

function errorsOf(text: string | Buffer): readonly string[] {
  try {
    parseEstateFile('estate.yaml', Buffer.from(text));
  } catch (error) {
    if (!isModosuError(error)) throw error;
    expect(error.code).toBe('ESTATE_INVALID');
    return error.context['errors'] as readonly string[];
  }
  throw new Error('the file was accepted');
}

const GOOD = `hypervisors:
  - name: local
    kind: libvirt
repositories:
  - name: main
    kind: directory
    path: /srv/modosu
servers:
  - name: db01
    hypervisor: local
    repository: main
`;

describe('the estate file', () => {
  it('is read, with defaults', () => {
    expect(parse(GOOD)).toEqual({
      hypervisors: [{ name: 'local', kind: 'libvirt', uri: 'qemu:///system' }],
      repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
      servers: [{ name: 'db01', hypervisor: 'local', repository: 'main', stopTimeoutSeconds: 120, agentTimeoutSeconds: 300 }],
    });
  });

  it('may say a thing once and refer to it', () => {
    const text = GOOD.replace('name: local\n', 'name: &host local\n').replace('hypervisor: local', 'hypervisor: *host');
    expect(parse(text).servers[0]?.hypervisor).toBe('local');
  });

  it('names line, column and path of a wrong value', () => {
    expect(errorsOf(GOOD.replace('kind: libvirt', 'kind: xen'))[0]).toMatch(/^estate\.yaml:3:11: hypervisors\[0\]\.kind: /);
    expect(errorsOf(GOOD.replace('hypervisor: local', 'hypervisor: other'))).toEqual([
      'estate.yaml:10:17: servers[0].hypervisor: no hypervisor named "other" is declared in this file',
    ]);
  });

  it('names the line of an unknown field, and of the surroundings of a missing one', () => {
    expect(errorsOf(`${GOOD}    colour: red\n`)).toEqual(['estate.yaml:12:5: servers[0].colour: this field is not known']);
    expect(errorsOf(GOOD.replace('    path: /srv/modosu\n', ''))[0]).toMatch(/^estate\.yaml:5:5: repositories\[0\]\.path: /);
  });

  it('names every error, not only the first', () => {
    const errors = errorsOf(GOOD.replace('kind: libvirt', 'kind: xen').replace('path: /srv/modosu', 'path: relative'));
    expect(errors).toHaveLength(2);
    expect(errors[1]).toMatch(/^estate\.yaml:7:11: repositories\[0\]\.path: must be an absolute path/);
  });

  it.each([
    ['two servers of one name', GOOD + '  - name: db01\n    hypervisor: local\n    repository: main\n', /^estate\.yaml:8:1: servers: names must be unique/],
    ['broken YAML', 'servers: [\n', /^estate\.yaml:\d+:\d+: /],
    ['a tab as indentation', 'servers:\n\t- name: x\n', /^estate\.yaml:2:1: /],
    ['a key given twice', `${GOOD}servers: []\n`, /^estate\.yaml:12:1: Map keys must be unique/],
    ['a list instead of a map', '- a\n', /^estate\.yaml:1:1: the file: /],
    ['an empty file', '', /^estate\.yaml:1:1: the file: /],
    ['a second document', `${GOOD}---\n${GOOD}`, /multiple documents/],
    ['an unknown tag', 'servers: !!js/function x\n', /^estate\.yaml:1:10: /],
    ['a server called ..', GOOD.replace('name: db01', 'name: ".."'), /^estate\.yaml:9:11: servers\[0\]\.name: /],
    ['a server with a space', GOOD.replace('name: db01', 'name: "db 01"'), /servers\[0\]\.name: /],
    ['a server with a quote', GOOD.replace('name: db01', `name: "db'01"`), /servers\[0\]\.name: /],
    ['a server with a newline', GOOD.replace('name: db01', 'name: "db01\\n"'), /servers\[0\]\.name: /],
    ['a server with a leading -', GOOD.replace('name: db01', 'name: "-db01"'), /servers\[0\]\.name: /],
    ['__proto__ as a field', `${GOOD}    __proto__: {a: 1}\n`, /this field is not known/],
  ])('refuses %s', (_what, text, expected) => {
    expect(errorsOf(text)[0]).toMatch(expected);
  });

  it('takes a Japanese name', () => {
    expect(parse(GOOD.replace('name: db01', 'name: 資料庫01\n    domain: db01')).servers[0]?.name).toBe('資料庫01');
  });

  it('refuses references that multiply', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nservers: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`;
    expect(errorsOf(bomb)[0]).toMatch(/references/);
  });

  it('refuses what is nested without end, before it is read', () => {
    const started = performance.now();
    expect(errorsOf(`servers: ${'['.repeat(100_000)}`)[0]).toMatch(/^estate\.yaml:1:1: is nested more than/);
    expect(errorsOf('- '.repeat(100_000))[0]).toMatch(/^estate\.yaml/);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('refuses what is too large, and what is not text', () => {
    expect(errorsOf(Buffer.alloc(MAX_ESTATE_BYTES + 1, 0x20))[0]).toMatch(/larger than 2 MiB/);
    expect(errorsOf(Buffer.from([0xff, 0xfe, 0x00]))[0]).toMatch(/not UTF-8/);
  });

  it('does not mistake quotes and brackets in comments for nesting', () => {
    expect(parse(`# it's [[[ fine\n${GOOD}`).servers).toHaveLength(1);
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { estateSchema } from '../contracts/api/estate';
import { parseProfileFile } from '../contracts/api/profile-file';
import { relationSchema } from '../contracts/api/relation';
import type { ModosuError } from '../contracts/errors';
import { ROLE_COMMANDS } from './role-commands';
import { parameterFaults, ruleFaults } from '../domain/consistency/relation-faults';
import { BLOCKS, COMMANDS, PAGES, SHELL } from '../../test/support/documentation';
import { inertProgram, wordsOf } from '../../test/support/inert-program';
import { shippedProfile } from '../../test/support/judged-profile';

const ROOT = join(__dirname, '../..');
/** Where the image repository of all examples lies: what is copied in an emergency has to be what was declared. */
const REPOSITORY = '/srv/modosu/repository';

/** What is asked of the API in `sh` blocks, as the OpenAPI document names it. */
const REQUESTS: readonly (readonly [page: string, method: string, path: string])[] = SHELL.flatMap(({ page, text }) =>
  [...text.matchAll(/^curl (?:.*\\\n)*.*$/gm)].flatMap(([curl]) => {
    const path = /"\$API(\/[^"]*)"/.exec(curl)?.[1];
    const method = /\s-X (\w+)/.exec(curl)?.[1] ?? (/\s-d\s/.test(curl) ? 'post' : 'get');
    return path === undefined ? [] : [[page, method.toLowerCase(), path] as const];
  }),
);

const NAMED_ONLY: ReadonlySet<string> = new Set([
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
  'commander.help',
  'commander.optionMissingArgument',
]);

describe('documentation', () => {
  it('has commands to look at', () => {
    expect(COMMANDS.length).toBeGreaterThan(60);
  });

  const understood = (command: string): Promise<unknown> =>
    inertProgram().parseAsync(
      wordsOf(command)
        .slice(1)
        .filter((word) => word !== '…'),
      { from: 'user' },
    );

  it.each(COMMANDS)('$page: $command', async ({ command, isWhole }) => {
    try {
      await understood(command);
    } catch (error) {
      // A sentence may name a command without what it needs; a line to copy may not.
      if (isWhole || !NAMED_ONLY.has((error as { readonly code?: string }).code ?? '')) throw error;
    }
  });

  it('passes over no block that does not say what it is', () => {
    expect(BLOCKS.filter(({ language }) => language === '').map(({ page, text }) => `${page}: ${text.slice(0, 60)}`)).toEqual([]);
  });

  it('looks at blocks that say `sh`, and at their comments', () => {
    const commands = COMMANDS.map(({ page, command }) => `${page}: ${command.replace(/\s+#.*$/, '')}`);
    expect(commands).toContain('docs/OFFSITE.md: modosu offsite copy rp_… --reason "a damaged pack" --wait');
    expect(commands).toContain('docs/API.md: modosu token create awx --scope change');
  });

  it('has requests to look at', () => expect(REQUESTS.length).toBeGreaterThan(3));

  it.each(REQUESTS)('%s: %s %s is one of the API', (_page, method, path) => {
    const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as { readonly paths: Readonly<Record<string, object>> };
    const known = Object.keys(paths).filter((form) => new RegExp(`^${form.replace(/\{\w+\}/g, '[^/]+')}$`).test(path.replace(/\?.*$/, '')));
    expect(known.flatMap((form) => Object.keys(paths[form] ?? {}))).toContain(method);
  });

  it.each([
    'modosu run lits',
    'modosu restore plan db01 --scenario servers',
    'modosu run confirm RUN',
    'modosu token create x --scope read --forever',
    'modosu catalog rebuild --key FILE',
    'modosu catalog mend',
  ])('%s would be noticed', async (command) => {
    await expect(understood(command)).rejects.toThrow();
  });

  it.each(BLOCKS.filter(({ language, text }) => language === 'yaml' && /^servers:/m.test(text)).map(({ page, text }) => [page, text] as const))(
    'the estate in %s is one',
    (_page, text) => {
      const estate = parse(text.replace('AAAA…', 'AAAAC3NzaC1lZDI1NTE5AAAAIB1Ym9wQ2Vt0bL0n1Qx9d3l5sXn4u7z1w2e3r4t5y6u')) as object;
      const around = { hypervisors: [{ name: 'local', kind: 'libvirt' }], repositories: [{ name: 'main', kind: 'directory', path: REPOSITORY }] };
      expect(estateSchema.safeParse({ ...around, ...estate }).error).toBeUndefined();
    },
  );

  describe('one path of the repository', () => {
    const declared = BLOCKS.filter(({ language }) => language === 'yaml').flatMap(({ page, text }) =>
      [...text.matchAll(/kind: directory,?\s+path: ([^\s,}]+)/g)].map(([, path]) => [page, path] as const),
    );
    const texts = [
      ...PAGES.filter((page) => page !== 'docs/DEMO.md').map((page) => [page, readFileSync(join(ROOT, page), 'utf8')] as const),
      ['help', ROLE_COMMANDS.flatMap(({ examples }) => examples).join('\n')] as const,
    ];
    /** `NAME=DIRECTORY` is of a repository that lies elsewhere now. */
    const looked = texts.flatMap(([page, text]) => [...text.matchAll(/--repository (\/[^\s`']+)/g)].map(([, path]) => [page, path] as const));

    it('is looked for in what people copy', () => {
      expect([...new Set(declared.map(([page]) => page))]).toEqual(['README.md', 'docs/ADMINISTRATION.md', 'docs/DOMAIN-CONTROLLERS.md']);
      expect([...new Set(looked.map(([page]) => page))]).toEqual(['docs/ADMINISTRATION.md', 'docs/OPERATIONS.md', 'help']);
    });

    it.each([...declared, ...looked])('%s: %s', (_page, path) => expect(path).toBe(REPOSITORY));

    it('is made with the first steps', () => expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`mkdir -p ${REPOSITORY} `));
  });

  const units = BLOCKS.filter(({ language, text }) => language === 'ini' && text.startsWith('[Unit]')).map(({ page, text }) => [page, text] as const);
  it('has units of services to look at', () => expect(units).toHaveLength(1));

  it.each(units)('the unit in %s starts what there is, and leaves guards alone', async (_page, unit) => {
    const [, command = ''] = /^ExecStart=\/usr\/local\/bin\/(.*)$/m.exec(unit) ?? [];
    await expect(understood(command)).resolves.toBeDefined();
    expect(unit).toContain('\nKillMode=process\n');
  });

  it('begins with the least that can be declared', () => {
    const [first] = BLOCKS.filter(({ page, language }) => page === 'README.md' && language === 'yaml');
    const { hypervisors, repositories, servers, ...more } = parse(first?.text ?? '') as Readonly<Record<string, readonly object[]>>;
    expect(more).toEqual({});
    expect([hypervisors, repositories, servers].map((part) => part?.map(Object.keys))).toEqual([
      [['name', 'kind']],
      [['name', 'kind', 'path']],
      [['name', 'hypervisor', 'repository']],
    ]);
  });

  const relations = BLOCKS.filter(({ language }) => language === 'yaml').flatMap(({ page, text }) => {
    const declared = (/^relations:\n(?: .*\n)+/m.exec(text) ?? [])[0];
    return declared === undefined ? [] : (parse(declared) as { relations: readonly object[] }).relations.map((relation) => [page, relation] as const);
  });
  it('has relations to look at', () => expect(relations.length).toBeGreaterThan(5));

  it.each(relations)('the relation in %s is one, and gives its profile what it needs: %j', (_page, declared) => {
    const { profile: name, server, peers, parameters } = relationSchema.parse(declared);
    if (name === null) return;
    const profile = shippedProfile(name);
    expect(parameterFaults(profile, parameters)).toEqual([]);
    for (const peer of peers) expect(ruleFaults(profile, parameters, { server, peer: peer.server })).toEqual([]);
  });

  const profiles = BLOCKS.filter(({ language, text }) => language === 'yaml' && text.startsWith('format: modosu-profile'));
  it('has a profile to look at', () => expect(profiles).toHaveLength(1));

  it.each(profiles.map(({ page, text }) => [page, text] as const))('the profile in %s is one, and what is wrong with it is told as it says', (page, text) => {
    const file = 'session-key.yaml';
    expect(parseProfileFile(file, Buffer.from(text)).name).toBe('session-key');
    const first = text.replace('version: 1', 'version: 2');
    const others = text.replace('compare: { marker: key,', 'compare: { marker: keys,').replace(/ {4}step:\n(?: {6}.*\n)+/, '');
    const told = [first, others].flatMap((wrong) => errorsOf(() => parseProfileFile(file, Buffer.from(wrong))));
    const said = BLOCKS.filter((block) => block.page === page && block.language === 'text').flatMap((block) =>
      block.text.split('\n').filter((line) => line.startsWith(file)),
    );
    expect(told).toEqual(said);
  });

  describe('says why each dependency is there', () => {
    const page = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
    const section = /^## Dependencies\n([^]*?)^## /m.exec(page)?.[1] ?? '';
    const [, services = '', development = ''] = section.split(/^\| package \| why \|\n\|---\|---\|\n/m);
    const rows = (table: string): readonly string[] => (/^(?:\|.*\n)*/.exec(table)?.[0] ?? '').split('\n').filter((row) => row !== '');
    const names = (table: string): readonly string[] =>
      rows(table).flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
    const isNamedBy = (name: string) => (named: string) => (named.endsWith('/*') ? name.startsWith(named.slice(0, -1)) : name === named);
    const declared = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Readonly<
      Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>
    >;

    it.each([
      ['dependencies', services],
      ['devDependencies', development],
    ] as const)('of the %s', (kind, table) => {
      const [packages, named] = [Object.keys(declared[kind]), names(table)];
      expect(packages.filter((name) => named.filter(isNamedBy(name)).length !== 1)).toEqual([]);
      expect(named.filter((name) => !packages.some((known) => isNamedBy(known)(name)))).toEqual([]);
      expect(rows(table).filter((row) => (row.split('|')[2] ?? '').trim() === '')).toEqual([]);
    });
  });

  it.each(PAGES)('links in %s lead somewhere', (page) => {
    const links = [
      ...readFileSync(join(ROOT, page), 'utf8')
        .replace(/```[^]*?```/g, '')
        .matchAll(/\]\(([^)\s]+)\)/g),
    ]
      .map(([, link]) => link ?? '')
      .filter((link) => !/^[a-z]+:/.test(link));
    for (const link of links) {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? join(ROOT, page) : join(ROOT, dirname(page), file);
      expect(`${link}: ${existsSync(target)}`).toBe(`${link}: true`);
      if (anchor !== undefined) expect(anchorsOf(readFileSync(target, 'utf8'))).toContain(anchor);
    }
  });
});

function errorsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    return (error as ModosuError).context['errors'] as readonly string[];
  }
  return [];
}

/** As the renderers of Markdown make them of headings. */
const anchorsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );

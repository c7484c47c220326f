import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { Ajv2020 } from 'ajv/dist/2020';
import { parse } from 'yaml';
import { z } from 'zod';
import { createApiApplication, type ApiDependencies } from '../../src/api/application';
import { makeApiDocument } from '../../src/api/documents/api-document';
import { estateSchema } from '../../src/contracts/api/estate';
import { profileSchema } from '../../src/contracts/api/profile';

/** The committed documents are the generated ones. After a wanted change: `MODOSU_WRITE_DOCS=1 npx jest test/integration/api-documents.spec.ts`. */
const DOCS = join(__dirname, '../../docs');

function compare(file: string, generated: unknown): void {
  const text = `${JSON.stringify(generated, null, 2)}\n`;
  const path = join(DOCS, file);
  if (process.env['MODOSU_WRITE_DOCS'] === '1') writeFileSync(path, text);
  expect(readFileSync(path, 'utf8')).toBe(text);
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('committed documents', () => {
  let application: INestApplication;

  beforeAll(async () => {
    // Only routes and schemas are read; nothing is called.
    application = await createApiApplication({ log: silent, config: { version: '0' } } as unknown as ApiDependencies);
    await application.init();
  });

  afterAll(async () => application.close());

  it('docs/openapi.json is what the controllers and schemas say', () => {
    compare('openapi.json', makeApiDocument(application));
  });

  it('every operation but /healthz and /readyz needs a token and names its scope', () => {
    const { paths } = makeApiDocument(application) as unknown as { paths: Record<string, Record<string, Record<string, unknown>>> };
    const open = Object.entries(paths).flatMap(([path, operations]) =>
      Object.values(operations).flatMap((operation) => (operation['security'] === undefined ? [path] : [])),
    );
    expect(open).toEqual(['/healthz', '/readyz']);
    const scopes = Object.values(paths).flatMap((operations) => Object.values(operations).map((operation) => operation['x-modosu-scope']));
    expect(scopes.filter((scope) => scope === undefined)).toHaveLength(2);
  });

  it('every reference of the OpenAPI document leads somewhere', () => {
    const document = makeApiDocument(application);
    const names = Object.keys(document.components?.schemas ?? {});
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
    expect(references.length).toBeGreaterThan(10);
    const problem = document.components?.schemas?.['Problem'];
    expect(problem).toMatchObject({ type: 'object', properties: { code: { $ref: '#/components/schemas/ErrorCode' } } });
    for (const reference of references) expect(names.map((name) => `#/components/schemas/${name}`)).toContain(reference);
  });

  it('docs/estate.schema.json is the schema of the estate file, and judges like it', () => {
    const schema = {
      $id: 'urn:modosu:estate',
      title: 'Modosu estate file',
      description: 'What is protected, where it runs, where its recovery points go. Apply it with: modosu apply -f FILE',
      ...z.toJSONSchema(estateSchema, { io: 'input', target: 'draft-2020-12' }),
    };
    compare('estate.schema.json', schema);
    const judge = new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync(join(DOCS, 'estate.schema.json'), 'utf8')) as object);
    const server = { name: '資料庫01', hypervisor: 'local', repository: 'main' };
    expect(judge({ hypervisors: [{ name: 'local', kind: 'libvirt' }], servers: [server] })).toBe(true);
    expect(judge({ servers: [{ ...server, name: '../db01' }] })).toBe(false);
    expect(judge({ servers: [{ ...server, colour: 'red' }] })).toBe(false);
    const check = { name: 'web', kind: 'tcp', host: '10.0.0.5', port: 443 };
    expect(
      judge({
        servers: [
          {
            ...server,
            disks: [{ target: 'vdb', role: 'data' }],
            nics: [{ mac: '52:54:00:AA:bb:cc', role: 'backup' }],
            healthChecks: [check],
            quiesce: { before: ['sync'] },
            onlineBackup: {},
          },
        ],
      }),
    ).toBe(true);
    for (const wrong of [
      { disks: [{ target: '../vdb', role: 'data' }] },
      { disks: [{ target: 'vdb', role: 'swap' }] },
      { healthChecks: [{ ...check, kind: 'http' }] },
      { healthChecks: [{ ...check, port: 0 }] },
      { nics: [{ mac: 'x', role: 'backup' }] },
      { quiesce: { before: [] } },
    ]) {
      expect(judge({ servers: [{ ...server, ...wrong }] })).toBe(false);
    }
  });

  it('docs/profile.schema.json is the schema of a profile, and judges the shape of the shipped ones like it', () => {
    const schema = {
      $id: 'urn:modosu:profile',
      title: 'Modosu consistency profile',
      description: 'What is asked of servers that hold copies of each other before one of them goes back in time. See docs/PROFILES.md.',
      ...z.toJSONSchema(profileSchema, { io: 'input', target: 'draft-2020-12' }),
    };
    compare('profile.schema.json', schema);
    const judge = new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync(join(DOCS, 'profile.schema.json'), 'utf8')) as object);
    const shipped = join(DOCS, '../profiles');
    const profiles = readdirSync(shipped).map((file) => parse(readFileSync(join(shipped, file), 'utf8')) as Record<string, unknown>);
    expect(profiles.length).toBeGreaterThan(0);
    for (const profile of profiles) {
      expect([profile['name'], judge(profile)]).toEqual([profile['name'], true]);
      for (const wrong of [{ name: '../x' }, { rules: [] }, { version: 2 }, { colour: 'red' }, { markers: [{ name: 'x' }] }]) {
        expect(judge({ ...profile, ...wrong })).toBe(false);
      }
    }
  });
});

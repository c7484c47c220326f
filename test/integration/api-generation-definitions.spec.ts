import { ModosuError } from '../../src/contracts/errors';
import type { ShownGeneration } from '../../src/contracts/generation';
import { describeDefinition } from '../../src/hypervisors/libvirt/domains/described-definition';
import { ApiHarness, manifestOf } from './api-harness';
import { cli } from './cli-harness';

const definition = (inner: string, passwd = 't0psecret'): string => `<domain type='kvm'>
  <name>db01</name>
  <memory unit='MiB'>512</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='pc-q35-8.2'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><source file='/srv/vm/db01.qcow2'/><target dev='vda' bus='virtio'/></disk>
    ${inner}
    <graphics type='vnc' passwd='${passwd}'/>
  </devices>
</domain>
`;
const NIC = "<interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='default'/></interface>";
const HOSTILE = '\u001b[2J\u202e';

describe('the definition of a generation', () => {
  let api: ApiHarness;
  /** By the recovery point. */
  let stored: Map<string, string>;
  beforeEach(async () => {
    api = await ApiHarness.start({ partTimeoutMs: 300 });
    await api.createServer();
    await api.applyEstate();
    stored = new Map();
    api.hypervisor.describeDefinition = describeDefinition;
    api.readDefinition = async (id) => {
      const found = stored.get(id);
      if (found === undefined) throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no recovery point ${id} in /srv/${HOSTILE}modosu`);
      return found;
    };
  });
  afterEach(async () => api.close());

  const image = async (generation: number, xml: string | null): Promise<string> => {
    const point = await api.catalog.recordRecoveryPoint(manifestOf(await api.catalog.getServer('db01'), generation), 'main');
    if (xml !== null) stored.set(point.id, xml);
    return point.id;
  };
  const get = async (path: string) => (await api.call('GET', `/v1/servers/db01/generations${path}`, { token: api.tokens.read })).body;
  const said = async (...argv: readonly string[]): Promise<string> => {
    const { code, stdout } = await cli(api, ['generation', ...argv]);
    expect(code).toBe(0);
    return stdout;
  };

  it('says what hardware it describes, and all it says only where it is asked for; never a password', async () => {
    await image(1, definition(NIC));
    const { definition: shown } = (await get('/1')) as unknown as ShownGeneration;
    expect(shown).toEqual({
      state: 'read',
      summary: {
        vcpus: 2,
        memoryBytes: 512 * 1024 ** 2,
        machine: 'pc-q35-8.2',
        firmware: 'bios',
        generationId: null,
        disks: [{ target: 'vda', device: 'disk', bus: 'virtio', source: '/srv/vm/db01.qcow2' }],
        nics: [{ mac: '52:54:00:aa:bb:cc', type: 'network', source: 'default' }],
      },
    });
    expect(await get('/1?definition=summary')).toMatchObject({ definition: shown });
    const whole = await get('/1?definition=whole');
    expect(whole).toMatchObject({ definition: { xml: expect.stringContaining("<graphics passwd='[hidden]' type='vnc'/>") as string } });
    expect(JSON.stringify(whole)).not.toContain('t0psecret');
    expect(await api.call('GET', '/v1/servers/db01/generations/1?definition=raw')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
  });

  it('is shown by the CLI, and printed as a whole', async () => {
    await image(1, definition(NIC));
    const text = await said('show', 'db01', '1');
    expect(text).toMatch(/\n\nDefinition\n {2}vCPUs +2\n {2}memory +512 MiB\n {2}machine +pc-q35-8\.2\n {2}firmware +BIOS\n {2}generation id +none\n/);
    expect(text).toMatch(/\n {2}disk +vda \(virtio\) {2}\/srv\/vm\/db01\.qcow2\n {2}NIC +52:54:00:aa:bb:cc {2}network default\n/);
    const whole = await said('show', 'db01', '1', '--definition');
    expect(whole).toMatch(/^<domain type='kvm'>\n {2}<name>db01<\/name>\n/);
    expect(whole).toMatch(/\n<\/domain>\n$/);
    const json = JSON.parse(await said('show', 'db01', '1', '--definition', '-o', 'json')) as ShownGeneration;
    expect(json.definition).toMatchObject({ state: 'read', xml: whole.trimEnd() });
    expect(json.generation).toBe(1);
    expect(text + whole + JSON.stringify(json)).not.toContain('t0psecret');
  });

  it('is compared: what differs, with its surroundings', async () => {
    await image(1, definition(''));
    await image(2, definition(NIC));
    await image(3, definition(NIC, 'an0ther'));
    expect(await get('/1/diff?with=2')).toMatchObject({
      definition: { state: 'compared', removed: 0, added: 4, more: 0, hiddenDiffers: false },
      summary: expect.arrayContaining(['The definition differs: 4 lines only in the later one.']) as unknown,
    });
    const text = await said('diff', 'db01', '2', '1');
    expect(text).toMatch(/\n\nDefinition\n {4}.*\n {4}.*\n {4}.*\n {2}\+ {5}<interface type='network'>\n {2}\+ {7}<mac address='52:54:00:aa:bb:cc'\/>\n/);
    expect(await said('diff', 'db01', '2', '2')).toContain('\n\nDefinition: unchanged\n');
    expect((await get('/2/diff?with=2')).summary).not.toContainEqual(expect.stringContaining('definition'));
    const hidden = await said('diff', 'db01', '2', '3');
    expect(hidden).toContain('Values of the definition that are not shown differ.');
    expect(hidden).toContain('Definition: unchanged in what is shown; values that are not shown DIFFER\n');
    expect(JSON.stringify(await get('/2/diff?with=3'))).not.toMatch(/t0psecret|an0ther|[0-9a-f]{64}/);
  });

  it.each<[string, () => string | Promise<never>, string]>([
    ['is gone', () => Promise.reject(new ModosuError('RECOVERY_POINT_NOT_FOUND', `no ${HOSTILE}recovery point`)), 'RECOVERY_POINT_NOT_FOUND'],
    ['is damaged', () => Promise.reject(new ModosuError('RECOVERY_POINT_CORRUPT', 'domain.xml differs')), 'RECOVERY_POINT_CORRUPT'],
    ['lies where nothing is mounted', () => Promise.reject(new ModosuError('REPOSITORY_UNREACHABLE', 'not there')), 'REPOSITORY_UNREACHABLE'],
    ['cannot be read because of a fault', () => Promise.reject(new TypeError("reading 'passwd' t0psecret")), 'INTERNAL'],
    ['is none', () => "<domain passwd='t0psecret'", 'DEFINITION_NOT_SHOWN'],
    ['is too large', () => definition(' '.repeat(300_000)), 'DEFINITION_NOT_SHOWN'],
  ])('that %s is said to be that, and everything else is shown', async (_what, read, code) => {
    await image(1, definition(''));
    const bad = await image(2, '');
    const good = api.readDefinition;
    api.readDefinition = async (id) => (id === bad ? read() : good(id));
    const shown = await get('/2?definition=whole');
    expect(shown).toMatchObject({ generation: 2, definition: { state: 'not-read', code } });
    const diff = await get('/1/diff?with=2');
    expect(diff).toMatchObject({ before: { generation: 1 }, definition: { state: 'not-compared', notRead: [{ generation: 2, code }] } });
    const texts = [await said('show', 'db01', '2'), await said('diff', 'db01', '1', '2')];
    expect(texts[0]).toContain(`Definition: NOT READ (${code}: `);
    expect(texts[1]).toContain(`Definition: NOT COMPARED: that of generation 2 was not read (${code}: `);
    expect(JSON.stringify([shown, diff, texts])).not.toMatch(/t0psecret|\\u001b|\\u202e|\u202e/);
    const whole = await cli(api, ['generation', 'show', 'db01', '2', '--definition']);
    expect(whole.stdout).toBe('');
    expect(whole.code).not.toBe(0);
    expect(whole.stderr).toContain(code);
  });

  it('of a recovery point that is deleted, or whose repository or hypervisor is not declared, is said to be that', async () => {
    await image(1, definition(''));
    const { catalog } = api;
    const [listHypervisors, listRepositories, getGeneration] = [catalog.listHypervisors, catalog.listRepositories, catalog.getGeneration];
    catalog.listHypervisors = async () => [];
    expect(await get('/1')).toMatchObject({ generation: 1, definition: { state: 'not-read', code: 'HYPERVISOR_NOT_CONFIGURED' } });
    catalog.listHypervisors = listHypervisors;
    catalog.listRepositories = async () => [];
    expect(await get('/1')).toMatchObject({ generation: 1, definition: { state: 'not-read', code: 'REPOSITORY_NOT_CONFIGURED' } });
    catalog.listRepositories = listRepositories;
    catalog.getGeneration = async (...of) => ({ ...(await getGeneration(...of)), state: 'deleted' });
    api.readDefinition = async () => Promise.reject(new Error('asked for what is deleted'));
    expect(await get('/1')).toMatchObject({ generation: 1, definition: { state: 'not-read', code: 'RECOVERY_POINT_NOT_FOUND' } });
  });

  it('that hangs does not hold up the answer, and is not asked for again while it hangs', async () => {
    await image(1, definition(''));
    await image(2, definition(''));
    let asked = 0;
    let end = (): void => undefined;
    const hung = new Promise<void>((resolve) => (end = resolve));
    api.readDefinition = async (id) => {
      asked += 1;
      await hung;
      return stored.get(id) ?? '';
    };
    const late = { code: 'REPOSITORY_UNREACHABLE', why: 'The repository main does not answer in time.' };
    const answers = await Promise.all([get('/1'), get('/2'), get('/1'), get('/1/diff?with=2')]);
    for (const answer of answers.slice(0, 3)) expect(answer).toMatchObject({ definition: { state: 'not-read', ...late } });
    expect(answers[3]).toMatchObject({
      definition: {
        state: 'not-compared',
        notRead: [
          { generation: 1, ...late },
          { generation: 2, ...late },
        ],
      },
    });
    expect(asked).toBe(1);
    end();
    expect(await get('/1')).toMatchObject({ definition: { state: 'read' } });
  });
});

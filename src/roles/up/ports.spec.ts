import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { choosePorts, type PortWish } from './ports';

describe('choosePorts', () => {
  let directory: string;
  let file: string;
  const servers: Server[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-ports-'));
    file = join(directory, 'ports.json');
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
    rmSync(directory, { recursive: true, force: true });
  });

  const wish = (name: string, port: number): PortWish => ({ name, variable: `MODOSU_${name.toUpperCase()}_PORT`, host: '127.0.0.1', port });
  const listen = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const server = createServer();
      servers.push(server);
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });

  it('chooses different free ports and takes the same ones the next time', async () => {
    const first = await choosePorts(file, [wish('a', 0), wish('b', 0), wish('c', 0)]);
    expect(new Set(Object.values(first)).size).toBe(3);
    await expect(choosePorts(file, [wish('a', 0), wish('b', 0), wish('c', 0)])).resolves.toEqual(first);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(first);
  });

  it('chooses none that the kernel gives to outgoing connections: it would be gone before anybody listens', async () => {
    const first = Number(/^\d+/.exec(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'))?.[0]);
    for (const port of Object.values(
      await choosePorts(
        file,
        ['a', 'b', 'c', 'd'].map((name) => wish(name, 0)),
      ),
    )) {
      expect(port).toBeLessThan(first);
    }
  });

  it('chooses another one when somebody has taken the remembered port', async () => {
    const { a } = await choosePorts(file, [wish('a', 0)]);
    await listen(a ?? 0);
    const { a: now } = await choosePorts(file, [wish('a', 0)]);
    expect(now).not.toBe(a);
  });

  it('insists on a configured port, and names its variable when it is taken', async () => {
    const port = await listen(0);
    await expect(choosePorts(file, [wish('api', port)])).rejects.toMatchObject({ code: 'PORT_TAKEN', context: { port, variable: 'MODOSU_API_PORT' } });
  });

  it("says so when the address is not this machine's", async () => {
    await expect(choosePorts(file, [{ ...wish('api', 7400), host: '192.0.2.1' }])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('192.0.2.1') as string,
    });
  });

  it.each(['', '{"a":', '[]', '{"a":"x"}', '{"a":70000}', 'null'])('is not misled by a damaged file: %j', async (content) => {
    writeFileSync(file, content);
    const { a } = await choosePorts(file, [wish('a', 0)]);
    expect(a).toBeGreaterThan(0);
    expect(a).toBeLessThan(65_536);
  });
});

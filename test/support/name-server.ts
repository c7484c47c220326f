import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unusedPort } from '../../src/roles/up/ports';
import { eventually } from './processes';

export interface Zone {
  readonly name: string;
  readonly serial: number;
  /** Lines of the zone file beside its SOA and NS. */
  readonly records?: readonly string[];
}

const zoneFile = ({ name, serial, records = [] }: Zone): string =>
  [
    `$ORIGIN ${name}.`,
    '$TTL 60',
    `@ IN SOA ns1 hostmaster ${serial} 1 1 600 60`,
    '@ IN NS ns1',
    '@ IN NS NS2',
    'ns1 IN A 127.0.0.1',
    'ns2 IN A 127.0.0.1',
    ...records,
    '',
  ].join('\n');

/** Knot, a real authoritative name server, on a port of loopback: a primary with zones of its own, or a secondary that takes them from one. */
export class NameServer {
  private child: ChildProcess | null = null;

  private constructor(
    private readonly directory: string,
    readonly port: number,
  ) {}

  /** @param directory not there yet; removed by `stop` */
  static async primary(directory: string, zones: readonly Zone[]): Promise<NameServer> {
    const server = await NameServer.make(directory);
    // Anybody on loopback may take them: which port a secondary asks from nobody knows.
    const acl = ['acl:', '  - id: everybody', '    address: 127.0.0.1', '    action: transfer'];
    const declared = zones.flatMap(({ name }) => [`  - domain: ${name}`, `    file: ${name}.zone`, '    acl: everybody']);
    server.configure([...acl, 'zone:', ...declared]);
    for (const zone of zones) server.write(zone);
    await server.start();
    return server;
  }

  static async secondary(directory: string, primary: NameServer, zones: readonly string[]): Promise<NameServer> {
    const server = await NameServer.make(directory);
    const remote = ['remote:', '  - id: primary', `    address: 127.0.0.1@${primary.port}`];
    server.configure([...remote, 'zone:', ...zones.flatMap((name) => [`  - domain: ${name}`, '    master: primary'])]);
    await server.start();
    return server;
  }

  /** Another state of a zone of its own, as a restored disk has one: the server starts with it. */
  async restartWith(zone: Zone): Promise<void> {
    await this.end();
    this.write(zone);
    await this.start();
  }

  async stop(): Promise<void> {
    await this.end();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private static async make(directory: string): Promise<NameServer> {
    mkdirSync(directory);
    return new NameServer(directory, await unusedPort());
  }

  private configure(lines: readonly string[]): void {
    const storage = JSON.stringify(this.directory);
    const server = ['server:', `  rundir: ${storage}`, `  listen: 127.0.0.1@${this.port}`, '  udp-workers: 1', '  tcp-workers: 1', '  background-workers: 1'];
    const template = ['template:', '  - id: default', `    storage: ${storage}`, '    journal-content: none', '    zonefile-load: whole'];
    const log = ['log:', '  - target: stderr', '    any: info'];
    writeFileSync(join(this.directory, 'knot.conf'), [...server, ...log, 'database:', `  storage: ${storage}`, ...template, ...lines, ''].join('\n'));
  }

  private write(zone: Zone): void {
    writeFileSync(join(this.directory, `${zone.name}.zone`), zoneFile(zone));
  }

  private async start(): Promise<void> {
    const child = spawn('knotd', ['-c', join(this.directory, 'knot.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child = child;
    let words = '';
    child.stderr.on('data', (piece: Buffer) => (words += piece.toString()));
    child.once('error', (error) => (words += error.message));
    await eventually('the name server serves', async () => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`the name server does not start: ${words}`);
      return words.includes('server started');
    });
  }

  private async end(): Promise<void> {
    const child = this.child;
    this.child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

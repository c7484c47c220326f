import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { GuestUserspace, UserspaceAgent } from './guest-userspace';
import { eventually } from './processes';
import { ownedDirectory } from './owned-directory';

export const SUFFIX = 'dc=example,dc=org';
/** Of the database of the suffix. */
export const DATABASE = '/var/lib/ldap/example';
const ADMINISTRATOR = ['-x', '-H', 'ldapi:///', '-D', `cn=admin,${SUFFIX}`, '-w', 'secret'] as const;
const [KEPT, PID_FILE] = ['/var/lib/ldap/kept', '/run/slapd/slapd.pid'] as const;
/** Of LDAP: nothing was loaded yet. */
const NO_SUCH_OBJECT = 32;
const CABLE = 'cable';
const ADDRESSES = ['192.0.2.1', '192.0.2.2'] as const;

/** Two OpenLDAP servers, each in the userspace of a guest of its own, with a cable between them. */
export interface DirectoryLab {
  readonly one: DirectoryServer;
  readonly two: DirectoryServer;
  destroy(): Promise<void>;
}

export interface DirectoryOptions {
  /** Two providers of each other; else `one` is the provider and `two` its consumer. */
  readonly isMultiProvider: boolean;
}

/** Both run, `one` has the suffix and nothing below it. */
export async function createDirectoryLab(options: DirectoryOptions): Promise<DirectoryLab> {
  const root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-ldap-');
  chmodSync(root, 0o711);
  const userspaces: GuestUserspace[] = [];
  const destroy = async (): Promise<void> => {
    await Promise.all(userspaces.map((userspace) => userspace.destroy()));
    rmSync(root, { recursive: true, force: true });
  };
  try {
    for (const name of ['one', 'two']) userspaces.push(await GuestUserspace.start('openldap', join(root, name)));
    const [first, second] = userspaces as [GuestUserspace, GuestUserspace];
    await first.connectTo(second, CABLE, [`${ADDRESSES[0]}/30`, `${ADDRESSES[1]}/30`]);
    const one = new DirectoryServer(first, { sid: 1, providers: options.isMultiProvider ? [ADDRESSES[1]] : [] });
    const two = new DirectoryServer(second, { sid: 2, providers: [ADDRESSES[0]] });
    for (const server of [one, two]) await server.configureAndStart(options);
    await one.add(SUFFIX, ['objectClass: dcObject', 'objectClass: organization', 'dc: example', 'o: Example']);
    return { one, two, destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}

/** A slapd as Debian packages it, with its database of the suffix. */
export class DirectoryServer {
  readonly agent: GuestAgent;

  constructor(
    private readonly userspace: GuestUserspace,
    private readonly place: { readonly sid: number; readonly providers: readonly string[] },
  ) {
    this.agent = new UserspaceAgent(userspace);
  }

  async configureAndStart({ isMultiProvider }: DirectoryOptions): Promise<void> {
    const { sid, providers } = this.place;
    const schemas = ['core', 'cosine', 'inetorgperson'].map((name) => `include /etc/ldap/schema/${name}.schema`);
    const syncrepl = providers.map(
      (address, index) =>
        `syncrepl rid=00${index + 1} provider=ldap://${address} type=refreshAndPersist retry="1 +" network-timeout=1 ` +
        `searchbase=${SUFFIX} bindmethod=simple binddn=cn=admin,${SUFFIX} credentials=secret`,
    );
    const database = [
      'database mdb',
      `suffix ${SUFFIX}`,
      `rootdn cn=admin,${SUFFIX}`,
      'rootpw secret',
      `directory ${DATABASE}`,
      'index entryUUID,entryCSN eq',
      'maxsize 67108864',
    ];
    const modules = ['modulepath /usr/lib/ldap', 'moduleload back_mdb', 'moduleload syncprov'];
    const lines = [
      ...schemas,
      `pidfile ${PID_FILE}`,
      ...modules,
      `serverID ${sid}`,
      ...database,
      ...syncrepl,
      ...(isMultiProvider ? ['multiprovider on'] : []),
    ];
    writeFileSync(this.userspace.pathOf('/etc/ldap/slapd.conf'), [...lines, 'overlay syncprov', ''].join('\n'));
    await this.run(['mkdir', '-p', '/run/slapd', DATABASE]);
    await this.run(['chown', '-R', 'openldap:openldap', '/run/slapd', '/var/lib/ldap']);
    await this.start();
  }

  async start(): Promise<void> {
    await this.run(['slapd', '-u', 'openldap', '-g', 'openldap', '-f', '/etc/ldap/slapd.conf', '-h', 'ldap:/// ldapi:///']);
    await eventually('slapd answers', async () => (await this.try(['ldapsearch', ...ADMINISTRATOR, '-LLL', '-s', 'base', '-b', ''])).exitCode === 0);
  }

  async stop(): Promise<void> {
    const pid = (await this.run(['cat', PID_FILE])).trim();
    await this.run(['kill', pid]);
    await eventually('slapd has ended', async () => (await this.try(['kill', '-0', pid])).exitCode !== 0);
  }

  /** As an image of now has the database. slapd is stopped for it. */
  async keep(): Promise<void> {
    await this.stop();
    await this.run(['rm', '-rf', KEPT]);
    await this.run(['cp', '-a', DATABASE, KEPT]);
    await this.start();
  }

  /** slapd is stopped, and its database is what was kept. */
  async goBack(): Promise<void> {
    await this.stop();
    await this.run(['rm', '-rf', DATABASE]);
    await this.run(['cp', '-a', KEPT, DATABASE]);
  }

  /** As a step of the profile asks for it: slapd is stopped, the files of the database are gone. */
  async emptied(): Promise<void> {
    await this.stop();
    await this.removeFiles();
  }

  /** Half of it: whether slapd runs or not, the files of the database are gone. */
  async removeFiles(): Promise<void> {
    await this.run(['find', DATABASE, '-type', 'f', '-delete']);
  }

  async cable(state: 'up' | 'down'): Promise<void> {
    await this.run(['ip', 'link', 'set', CABLE, state]);
  }

  async addPerson(...names: readonly string[]): Promise<void> {
    const entries = names.map((name) => [`dn: ${nameOf(name)}`, 'objectClass: person', `cn: ${name}`, `sn: ${name}`, ''].join('\n'));
    // Standard input of a program in a guest takes no more at a time.
    for (let at = 0; at < entries.length; at += 1000) await this.run(['ldapadd', ...ADMINISTRATOR], entries.slice(at, at + 1000).join('\n'));
  }

  async add(dn: string, lines: readonly string[]): Promise<void> {
    await this.run(['ldapadd', ...ADMINISTRATOR], [`dn: ${dn}`, ...lines, ''].join('\n'));
  }

  async describe(name: string, description: string): Promise<void> {
    const change = [`dn: ${nameOf(name)}`, 'changetype: modify', 'replace: description', `description: ${description}`, ''];
    await this.run(['ldapmodify', ...ADMINISTRATOR], change.join('\n'));
  }

  async remove(name: string): Promise<void> {
    await this.run(['ldapdelete', ...ADMINISTRATOR, nameOf(name)]);
  }

  /** Names of persons, each with its description where it has one. */
  async persons(): Promise<readonly string[]> {
    const entries = (await this.entries('(objectClass=person)', ['cn', 'description'])).map((entry) => {
      const [name, description] = ['cn', 'description'].map((attribute) => new RegExp(`^${attribute}: (.*)$`, 'm').exec(entry)?.[1]);
      return description === undefined ? (name ?? '') : `${name}: ${description}`;
    });
    return entries.sort();
  }

  /** Whether anything is in its database, at the least cost. */
  async hasBegunToLoad(): Promise<boolean> {
    return (await this.try(['ldapsearch', ...ADMINISTRATOR, '-LLL', '-s', 'base', '-b', SUFFIX, '1.1'])).exitCode === 0;
  }

  /** Every entry with all of its attributes, also those of the server itself but for what says where it got them. In the order of their text. */
  async contents(): Promise<string> {
    return (await this.entries('(objectClass=*)', ['*', 'entryUUID', 'entryCSN', 'creatorsName', 'createTimestamp', 'modifiersName', 'modifyTimestamp'])).join(
      '\n\n',
    );
  }

  private async entries(filter: string, attributes: readonly string[]): Promise<readonly string[]> {
    const { exitCode, stdout, stderr } = await this.try(['ldapsearch', ...ADMINISTRATOR, '-LLL', '-o', 'ldif-wrap=no', '-b', SUFFIX, filter, ...attributes]);
    if (exitCode !== 0 && exitCode !== NO_SUCH_OBJECT) throw new Error(`ldapsearch: ${exitCode} ${stderr}`);
    const entries = stdout.split('\n\n').filter((entry) => entry.trim() !== '');
    // Attributes have no order among themselves.
    return entries.map((entry) => entry.split('\n').sort().join('\n')).sort();
  }

  private async run(argv: readonly [string, ...string[]], input?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.try(argv, input);
    if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${exitCode} ${stderr}`);
    return stdout;
  }

  private try(argv: readonly [string, ...string[]], input?: string): ReturnType<GuestAgent['exec']> {
    return this.agent.exec(argv, { timeoutMs: 30_000, ...(input === undefined ? {} : { input }) });
  }
}

const nameOf = (person: string): string => `cn=${person},${SUFFIX}`;

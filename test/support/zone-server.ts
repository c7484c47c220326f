import { Resolver } from 'node:dns/promises';
import { eventually } from './processes';

/** Where a name server runs, whatever is below it. */
export interface ZoneMachine {
  /** A shell script in it: standard output. Throws when it ends badly. */
  sh(script: string, ...args: readonly string[]): Promise<string>;
  /** What it listens on there, as Knot says it: `0.0.0.0@53`. */
  readonly listen: string;
  /** Where this host reaches it. */
  readonly address: string;
  readonly port: number;
}

export const ZONE = 'example.org';

/** What a test changes of the zone: the text is that of the TXT record `note`. */
export interface ZoneState {
  readonly serial: number;
  readonly note: string;
  /** How long a secondary answers from it that does not hear of its primary. Default: a week. */
  readonly expireSeconds?: number;
  /** How often a secondary asks its primary by itself. Default: every hour, which is never in a test. */
  readonly refreshSeconds?: number;
}

const DIRECTORY = '/var/lib/knot';
const ZONE_FILE = `${DIRECTORY}/${ZONE}.zone`;
/** The program of a primary that raises the serial of the zone it is given, above all that are seconds since 1970. */
export const RAISE_SERIAL = '/usr/local/sbin/raise-serial';
/** The program of a primary that prints the serial of the zone it is given, as it serves it. */
export const SHOW_SERIAL = '/usr/local/sbin/show-serial';

/** The program of a secondary that has it ask its primary for the zone it is given. */
export const REFRESH_ZONE = '/usr/local/sbin/refresh-zone';

const zoneFile = ({ serial, note, expireSeconds = 604_800, refreshSeconds = 3_600 }: ZoneState): string => `$ORIGIN ${ZONE}.
$TTL 60
@ IN SOA ns1 hostmaster (
${serial} ; serial
${refreshSeconds} ${refreshSeconds} ${expireSeconds} 60 )
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.12
note IN TXT "${note}"
`;

/**
 * What an administrator may have written, for zones whose serials are seconds since 1970. It asks nobody: a restored server has no network yet. And it may be run
 * before the name server is there, which is started with it.
 */
const RAISE_SERIAL_PROGRAM = `#!/bin/sh
set -eu
file=${DIRECTORY}/$1.zone
sed "s/^[0-9]* ; serial/$(date +%s) ; serial/" "$file" > "$file.new"
mv "$file.new" "$file"
tries=60
until knotc status >/dev/null 2>&1; do
  [ "$tries" -gt 0 ]
  tries=$((tries - 1))
  sleep 1
done
exec knotc -b zone-reload "$1"
`;

/** Fails where the primary is not reached, or lets it transfer nothing. */
const REFRESH_ZONE_PROGRAM = `#!/bin/sh
exec knotc -b zone-refresh "$1"
`;

/** Fails where the name server does not answer or has no such zone: `sed` alone would print nothing and succeed. */
const SHOW_SERIAL_PROGRAM = `#!/bin/sh
set -eu
soa=$(knotc zone-read "$1" @ SOA)
printf '%s\\n' "$soa" | sed -n 's/.* SOA [^ ]* [^ ]* \\([0-9]*\\) .*/\\1/p'
`;

/**
 * Knot in a guest of the kind `name-server`, or in the userspace of one, with a zone: its primary, or a secondary of it. Everything is done by Knot's own
 * programs there, and what it serves is asked by Node's resolver: independent of the code under test. All of it lies on the guest's disk.
 */
export class ZoneServer {
  constructor(private readonly machine: ZoneMachine) {}

  /**
   * With two programs: `raise-serial` sets the zone's serial to the seconds since 1970, `show-serial` prints it. @param told the secondary that is told of changes (NOTIFY),
   * as it is reached: `192.168.77.12@53`; null: it has to ask
   */
  async bePrimary(state: ZoneState, told: string | null = null): Promise<void> {
    const { sh } = this.machine;
    await sh('printf %s "$2" > "$1"', ZONE_FILE, zoneFile(state));
    await this.install(RAISE_SERIAL, RAISE_SERIAL_PROGRAM);
    await this.install(SHOW_SERIAL, SHOW_SERIAL_PROGRAM);
    // Whoever is there: which address a secondary has behind a port that is forwarded nobody knows.
    const acl = ['acl:', '  - id: everybody', '    address: [127.0.0.0/8, 10.0.2.0/24, 192.168.0.0/16]', '    action: transfer'];
    const remote = told === null ? [] : ['remote:', '  - id: secondary', `    address: ${told}`];
    await this.configure([...remote, ...acl, 'zone:', `  - domain: ${ZONE}`, '    acl: everybody', ...(told === null ? [] : ['    notify: secondary'])]);
  }

  /** With a program: `refresh-zone`. @param primary as it reaches it, `10.0.2.2@53` */
  async beSecondaryOf(primary: string): Promise<void> {
    await this.install(REFRESH_ZONE, REFRESH_ZONE_PROGRAM);
    const remote = ['remote:', '  - id: primary', `    address: ${primary}`];
    const acl = ['acl:', '  - id: primary', `    address: ${primary.replace(/@.*$/, '')}`, '    action: notify'];
    await this.configure([...remote, ...acl, 'zone:', `  - domain: ${ZONE}`, '    master: primary', '    acl: primary']);
  }

  /** A change of the zone by hand, as the primary serves it from now on, and after its next start. */
  async publish(state: ZoneState): Promise<void> {
    await this.machine.sh('printf %s "$2" > "$1"; sync; knotc -b zone-reload "$3"', ZONE_FILE, zoneFile(state), ZONE);
  }

  /** A secondary asks its primary. What it has logged of that, in its last line but the one that it has failed; it is no error here that it takes nothing. */
  refresh = async (): Promise<string> =>
    this.machine.sh(`knotc -b zone-refresh "$1" >&2 || true; sync; grep ' refresh, remote [0-9]' /var/log/knot.log | tail -n 1`, ZONE);

  /** Whether a secondary reaches its primary, by what asking it ends with. */
  reachesPrimary = (): Promise<boolean> =>
    this.machine.sh('knotc -b zone-refresh "$1"', ZONE).then(
      () => true,
      () => false,
    );

  /** A secondary drops what it has, and takes the zone from its primary, whatever its serial. */
  retransfer = async (): Promise<void> => void (await this.machine.sh('knotc -b zone-retransfer "$1"', ZONE));

  /** Throws when it does not answer, or has no such zone. */
  async served(): Promise<ZoneState> {
    const resolver = new Resolver({ timeout: 2_000, tries: 2 });
    resolver.setServers([`${this.machine.address}:${this.machine.port}`]);
    const [{ serial }, texts] = await Promise.all([resolver.resolveSoa(ZONE), resolver.resolveTxt(`note.${ZONE}`)]);
    return { serial, note: texts.flat().join('') };
  }

  /** All records of the zone, sorted. */
  contents = async (): Promise<string> => (await this.machine.sh('knotc zone-read "$1"', ZONE)).split('\n').filter(Boolean).sort().join('\n');

  /** Waits until it serves the zone. */
  async serves(): Promise<ZoneState> {
    return eventually(`${this.machine.address} serves ${ZONE}`, () => this.served().catch(() => null), 60_000);
  }

  private async install(path: string, program: string): Promise<void> {
    await this.machine.sh('mkdir -p "${1%/*}"; printf %s "$2" > "$1"; chmod 755 "$1"', path, program);
  }

  private async configure(lines: readonly string[]): Promise<void> {
    const text = ['server:', `  listen: ${this.machine.listen}`, ...lines, ''].join('\n');
    await this.machine.sh('printf %s "$1" > /etc/knot/zones.conf; sync', text);
    // It listens elsewhere only after a start, and is started again by its guest.
    await eventually('the name server can be told to stop', () =>
      this.machine.sh('knotc -b stop').then(
        () => true,
        () => false,
      ),
    );
  }
}

import { cpus } from 'node:os';
import { judgedNow } from '../activities/judgement-activities';
import { createDataSource } from '../src/catalog/data-source';
import { createTypeormCatalog } from '../src/catalog/typeorm-catalog';
import type { Catalog } from '../src/catalog/catalog';
import type { ResolvedServer } from '../src/contracts/estate';
import { estateSchema } from '../src/contracts/api/estate';
import type { Estate } from '../src/contracts/estate';
import { newId } from '../src/contracts/ids';
import { nightOccasion, type StoredState } from '../src/contracts/judgement';
import type { MarkerType } from '../src/contracts/marker';
import type { Profile } from '../src/contracts/profile';
import type { SideReadings } from '../src/contracts/reading';
import type { Relation } from '../src/contracts/relation';
import { judgeEstate } from '../src/domain/relations/judge-estate';
import { judgedPairs } from '../src/domain/relations/pairs';
import { directoryProfiles } from '../src/profiles/directory-profile-source';
import type { ProfileSource } from '../src/profiles/profile-source';
import { startTestPostgres } from '../test/support/postgres';
import { summarise, type Summary } from './statistics';

/** What it costs to judge a whole estate by what was read of it: no guest is asked. */

const SERVERS = 500;
const RELATIONS = 2000;
const AIM_SECONDS = 2;
const NOW = new Date(Date.UTC(2026, 11, 1, 4));
const CAPTURED_AT = new Date(NOW.getTime() - 20 * 3_600_000).toISOString();

export interface JudgingRound {
  /** From memory. */
  readonly rulesSeconds: number;
  /** Read from PostgreSQL, profiles from their files. */
  readonly readAndJudgedSeconds: number;
  /** The same, and what came of it written to PostgreSQL. */
  readonly wholeSeconds: number;
  /** `block`, `unknown` and the others among the servers: a bench that judges nothing shows. */
  readonly worst: Readonly<Record<string, number>>;
  readonly findings: number;
}

/** An estate in PostgreSQL, with markers of every relation, captured and read. */
export class JudgingBench {
  private constructor(
    private readonly catalog: Catalog,
    private readonly profiles: ProfileSource,
    private readonly serverIds: readonly string[],
    private readonly end: () => Promise<void>,
  ) {}

  static async begin(): Promise<JudgingBench> {
    const postgres = await startTestPostgres();
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    const end = async (): Promise<void> => {
      await catalog.close();
      await postgres.stop();
    };
    try {
      const profiles = directoryProfiles(null);
      const byName = new Map((await profiles.load()).map(({ profile }) => [profile.name, profile]));
      const estate = estateOf();
      await catalog.applyEstate('bench', estate, resolved(estate));
      const servers = await catalog.listServers();
      for (const [index, server] of servers.entries()) {
        const sides = sidesOf(estate.relations, server.name, byName, index);
        await catalog.recordRecoveryPoint(manifestOf(server, sides.captured), 'main');
        await catalog.recordReadings(nightOccasion(server.id), sides.present);
      }
      return new JudgingBench(
        catalog,
        profiles,
        servers.map(({ id }) => id),
        end,
      );
    } catch (error) {
      await end();
      throw error;
    }
  }

  async measure(): Promise<JudgingRound> {
    const { catalog, profiles, serverIds } = this;
    const [servers, relations, states, loaded] = await Promise.all([
      catalog.listServers(),
      catalog.listRelations(),
      catalog.storedStates(serverIds),
      profiles.load(),
    ]);
    const estate = {
      servers: servers.map(({ id, name }) => ({ id, name, isDecommissioned: false })),
      relations,
      profiles: { byName: new Map(loaded.map(({ profile }) => [profile.name, profile])), problems: [] },
    };
    const [rulesSeconds, judged] = await timed(async () => judgeEstate(estate, states as readonly StoredState[], NOW));
    const [readAndJudgedSeconds] = await timed(() => judgedNow({ catalog, profiles }, serverIds, NOW));
    const [wholeSeconds] = await timed(async () => {
      const found = await judgedNow({ catalog, profiles }, serverIds, NOW);
      await catalog.recordJudgements(
        NOW.toISOString(),
        found.map(({ serverId, ...judgement }) => ({ serverId, judgement })),
      );
    });
    const worst: Record<string, number> = {};
    for (const one of judged) worst[one.worst] = (worst[one.worst] ?? 0) + 1;
    return { rulesSeconds, readAndJudgedSeconds, wholeSeconds, worst, findings: judged.reduce((sum, { findings }) => sum + findings.length, 0) };
  }

  async close(): Promise<void> {
    await this.end();
  }
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [number, T]> {
  const startedAt = performance.now();
  const result = await work();
  return [(performance.now() - startedAt) / 1000, result];
}

const nameOf = (index: number): string => `srv${String(index % SERVERS).padStart(4, '0')}`;

/** In turn; the first four are what estates consist of, each with its own type of marker. */
const KINDS = ['postgresql-replication', 'dns-zone', 'ldap-contextcsn', 'same-value'] as const;

/** Each server goes back in four relations, two with each of two peers, which go back in as many with it. */
function estateOf(): Estate {
  return estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
    servers: Array.from({ length: SERVERS }, (_, index) => ({ name: nameOf(index), hypervisor: 'hv1', repository: 'main' })),
    relations: Array.from({ length: RELATIONS }, (_, index) => {
      const kind = Math.floor(index / SERVERS);
      const [server, peer] = [nameOf(index), nameOf((index % SERVERS) ^ (1 << (kind % 2)))];
      const profile = KINDS[kind % KINDS.length] ?? 'same-value';
      const parameters: Readonly<Record<(typeof KINDS)[number], Readonly<Record<string, string>>>> = {
        'postgresql-replication': {},
        'dns-zone': { zone: 'example.org', primary: server },
        'ldap-contextcsn': { suffix: 'dc=example,dc=org', provider: server },
        'same-value': { argument: '/etc/key' },
      };
      return {
        name: `r${index}`,
        type: 'replicates-with',
        server,
        address: '192.0.2.1',
        peers: [{ server: peer, address: '192.0.2.2' }],
        profile,
        parameters: parameters[profile],
      };
    }),
  });
}

const resolved = ({ servers }: Estate): readonly ResolvedServer[] =>
  servers.map(({ name }, index) => ({ name, uuid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`, domainName: name }));

/** What stays as it is in a pair of databases that belong together. */
const FIXED: Readonly<Record<string, { readonly server: string; readonly peer: string }>> = {
  'in-recovery': { server: 'f', peer: 't' },
  'system-identifier': { server: '7123456789', peer: '7123456789' },
};

/** Every marker of every side has a value of its type; peers have gone on since the image was taken, but for those of every third server. */
function sidesOf(relations: readonly Relation[], server: string, profiles: ReadonlyMap<string, Profile>, index: number) {
  const pairs = judgedPairs(relations, server, profiles);
  const sides = (at: string, progress: number): readonly SideReadings[] =>
    pairs.flatMap(({ relation, peer, profile }) =>
      (['server', 'peer'] as const).map((of) => ({
        relation: relation.name,
        peer: peer.server,
        of,
        readings: Object.fromEntries(
          profile.markers.map(({ name, type }) => {
            const value = FIXED[name]?.[of] ?? valueOf(type, progress);
            return [name, { state: 'read' as const, value, raw: value, at }];
          }),
        ),
      })),
    );
  return { captured: sides(CAPTURED_AT, 1000), present: sides(NOW.toISOString(), index % 3 === 0 ? 1000 : 2000) };
}

const LINES = 200;

function valueOf(type: MarkerType, progress: number): string {
  switch (type) {
    case 'counter':
    case 'serial32':
      return String(progress);
    case 'lsn':
      return `16/${progress.toString(16).toUpperCase()}`;
    case 'timestamp':
      return new Date(Date.UTC(2026, 10, 30) + progress * 1000).toISOString();
    case 'timeline-history':
      return `1\t0/5000000\tno recovery target specified\n2\t0/A000000\tno recovery target specified\n3`;
    case 'csn-set':
      return Array.from({ length: 4 }, (_, sid) => `2026113000${String(progress).padStart(4, '0')}.000000Z#000000#00${sid}#000000`).join('\n');
    case 'gtid-set':
      return `3e11fa47-71ca-11e1-9e33-c80aa9429562:1-${progress}`;
    case 'set':
      return Array.from({ length: LINES }, (_, line) => `entry-${line < 10 ? progress + line : line}`).join('\n');
    case 'boolean':
      return 'f';
    case 'hash':
      return progress.toString(16).padStart(64, '0');
    case 'text':
      return `value ${progress}`;
  }
}

const SHA = 'a'.repeat(64);

const manifestOf = (
  server: { readonly id: string; readonly name: string; readonly uuid: string; readonly lineageId: string },
  markers: readonly SideReadings[],
) =>
  ({
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: server.id, name: server.name, uuid: server.uuid },
    generation: 1,
    lineageId: server.lineageId,
    parentId: null,
    runId: newId('run'),
    reason: 'bench',
    consistency: 'filesystem',
    pointInTime: CAPTURED_AT,
    publishedAt: CAPTURED_AT,
    disks: [],
    definition: { path: 'domain.xml', sizeBytes: 1, sha256: SHA },
    definitionFingerprint: SHA,
    nvram: null,
    removableMedia: [],
    nics: [],
    generationId: null,
    firmware: 'uefi',
    domainType: 'kvm',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: 'bench' },
    markers,
  }) satisfies Parameters<Catalog['recordRecoveryPoint']>[0];

/** The section of docs/BENCHMARKS.md. */
export function judgingReport(rounds: readonly JudgingRound[], { date }: { readonly date: string }): string {
  const rules = summarise(rounds.map(({ rulesSeconds }) => rulesSeconds));
  const readAndJudged = summarise(rounds.map(({ readAndJudgedSeconds }) => readAndJudgedSeconds));
  const whole = summarise(rounds.map(({ wholeSeconds }) => wholeSeconds));
  const row = (name: string, { min, median }: Summary): string =>
    `| ${name} | ${min.toFixed(2)} | ${median.toFixed(2)} | ${(median / AIM_SECONDS).toFixed(2)} x | ${median < AIM_SECONDS ? 'met' : '**missed**'} |`;
  const { worst, findings } = rounds.at(-1) ?? { worst: {}, findings: 0 };
  const verdicts = Object.entries(worst)
    .sort()
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');
  return `## Judging an estate
Written by \`npm run bench -- judging\` (${rounds.length} rounds, ${date}; ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Node.js ${process.versions.node}). ${SERVERS} servers with ${RELATIONS.toLocaleString('en')} relations, each server in four of them with four
profiles (${KINDS.join(', ')}), judged from stored markers as if each were restored now to its newest image: what happens every night after peers were asked, and what a plan does for one server. Verdicts: ${verdicts};
${findings.toLocaleString('en')} findings. PostgreSQL is one of its own on the same machine, without fsync.

| ${SERVERS} servers, seconds | min | median | of the aim of ${AIM_SECONDS} s |  |
| --- | --: | --: | --: | --: |
${row('rules alone, from memory', rules)}
${row('read from PostgreSQL and judged', readAndJudged)}
${row('read, judged, and written to PostgreSQL', whole)}
`;
}

import { guestOutput, joinLan, layWire, macOf, waitForAgent, waitForPostgresql, type GuestServer } from '../../test/guests/guest-server';
import { follows, installPrograms, replicaOf, replicate, type ReplicaServer } from '../../test/guests/replication';
import { DOMAIN, type Stage } from '../stage';

/** Exit code of a plan that blocks, and of a run that is refused because of it. */
const BLOCKED = 9;
const DECISION = [
  '--override',
  'STANDBY_AHEAD',
  '--override-reason',
  'the orders since are a batch that was imported twice; db02 has them too and is to lose them',
] as const;

/**
 * A primary goes back in time, and its standby is ahead: it would stream on from the restored primary without a word, with other rows. The plan says so before anything is
 * overwritten; somebody who knows better goes on, and the run does on both what then has to be done, and proves that they work together.
 */
export async function consistency(stage: Stage): Promise<void> {
  const { narrator, modosu } = stage;
  narrator.begin('A server "db01" with a PostgreSQL database, and "db02", its standby');
  const guests = await createPair(stage);
  const [primary, standby] = [replicaOf(guests[0]), replicaOf(guests[1])];
  await replicate(primary, standby);
  await Promise.all([primary, standby].map((server) => installPrograms(server, { db01: primary.machine.address, db02: standby.machine.address })));
  narrator.say('db02 is a copy of db01 and streams its log: what is written on db01 arrives a moment later on db02.');
  stage.compare('Checksum of the rows of orders', await checksumOrders(standby), await checksumOrders(primary), 'the same on db01 and db02');
  narrator.say('Their operator has put two programs into the guests: one gives a primary a new timeline, one builds a standby anew.');

  narrator.begin('The estate says that they belong together, either way round, and what is to be known about it: a profile');
  await stage.apply(estateOf(await Promise.all(guests.map(({ uuid }) => macOf(uuid)))));
  stage.succeed(await modosu.show('relation', 'list', '--server', 'db01'), 'relation list');

  narrator.begin('An image of db01. With it is kept how far db01 and db02 have come');
  await guestOutput(guests[0].uuid, ['sync']);
  stage.succeed(await modosu.show('backup', 'image', 'db01', '--mode', 'online', '--reason', 'nightly', '--wait'), 'the image');
  const then = await checksumOrders(primary);

  narrator.begin('Orders are taken since: they are on db01, and a moment later on db02');
  await primary.sql(ORDERS_SINCE, 'shop');
  await follows(standby, primary);
  narrator.say(`Rows in orders on db02: ${await countOrders(standby)}, ${await countOrders(standby, SINCE)} of them taken since.`);
  stage.compare('Checksum of the rows of orders', await checksumOrders(standby), await checksumOrders(primary), 'the same on db01 and db02');

  narrator.begin('Somebody wants db01 back as it was. The plan has asked db02 first, and blocks');
  const planId = await stage.plan(['restore', 'plan', 'db01', '--scenario', 'server'], BLOCKED);
  narrator.say(
    'Restored without a word, db01 would go on from a position that db02 has long passed. db02 would stay connected, show no error, and have other rows.',
  );
  narrator.say('The plan names two ways out: let db02 take over, which loses nothing; or restore, give db01 a new timeline and build db02 anew.');
  const refused = await modosu.show('restore', 'run', planId, '--reason', 'a batch was imported twice', '--confirm', 'db01', '--wait');
  stage.expectThat(refused.exitCode === BLOCKED, `It is not carried out as it is: exit code ${refused.exitCode}`);

  narrator.begin('Who knows better says why. The steps that are needed then are part of the run, and programs do them');
  const restored = await modosu.show('restore', 'run', planId, '--reason', 'a batch was imported twice', '--confirm', 'db01', ...DECISION, '--wait');
  stage.succeed(restored, 'the restore');

  narrator.begin('Do they work together?');
  await waitForPostgresql(guests[0].uuid, 120_000);
  stage.compare('Checksum of the rows of orders on db01', await checksumOrders(primary), then);
  await follows(standby, primary);
  stage.compare('Checksum of the rows of orders', await checksumOrders(standby), await checksumOrders(primary), 'the same on db01 and db02');
  await primary.sql(NEW_ORDER, 'shop');
  await follows(standby, primary);
  stage.expectThat((await countOrders(standby, NEW)) === '1', 'A new order on db01 has arrived on db02');
  stage.expectThat((await countOrders(standby, SINCE)) === '0', 'The orders that were to go are gone on db02, too');
  stage.compare('Checksum of the rows of orders', await checksumOrders(standby), await checksumOrders(primary), 'the same on db01 and db02');

  await stage.showRecord(await stage.runOf(planId));
}

async function createPair(stage: Stage): Promise<readonly [GuestServer, GuestServer]> {
  const { narrator } = stage;
  const [here, there] = await layWire(['192.168.78.11/24', '192.168.78.12/24']);
  const guests = (await stage.createServers(
    { name: DOMAIN, guest: 'postgresql', lan: here },
    { name: `${DOMAIN}-standby`, guest: 'postgresql', lan: there },
  )) as readonly [GuestServer, GuestServer];
  narrator.say('They boot, on a network of their own that never leaves this machine.');
  await Promise.all(
    guests.map(async ({ uuid, lan }) => {
      await waitForAgent(uuid, 180_000);
      if (lan !== null) await joinLan(uuid, lan);
      await waitForPostgresql(uuid, 120_000);
    }),
  );
  return guests;
}

const [SINCE, NEW] = ['ordered after the image', 'ordered after the restore'];
const ORDERS_SINCE = `INSERT INTO orders SELECT n, 1 + n % 500, DATE '2026-01-01', '${SINCE}', 1, 100 FROM generate_series(5001, 8000) AS n`;
const NEW_ORDER = `INSERT INTO orders SELECT 1 + max(id), 1, DATE '2026-01-02', '${NEW}', 1, 100 FROM orders`;

const countOrders = (server: ReplicaServer, item?: string): Promise<string> =>
  server.sql(`SELECT count(*) FROM orders${item === undefined ? '' : ` WHERE item = '${item}'`}`, 'shop');

const checksumOrders = (server: ReplicaServer): Promise<string> =>
  server.sql("SELECT encode(sha256(convert_to(string_agg(o::text, chr(10) ORDER BY id), 'UTF8')), 'hex') FROM orders o", 'shop');

const estateOf = ([primary, standby]: readonly string[]): string => `servers:
  - name: db01
    hypervisor: local
    domain: ${DOMAIN}
    repository: main
    nics:
      - mac: ${primary}
        role: backup
    healthChecks:
      - name: orders
        kind: sql
        database: shop
        socketDirectory: /run/postgresql
        query: SELECT count(*) > 0 FROM orders
        expect: t
  - name: db02
    hypervisor: local
    domain: ${DOMAIN}-standby
    repository: main
    nics:
      - mac: ${standby}
        role: backup
relations:
  - name: db01-and-its-standby
    type: replicates-with
    server: db01
    peers: [{ server: db02 }]
    profile: postgresql-replication
    parameters: &programs
      new-timeline-program: /usr/local/sbin/new-timeline
      rebuild-program: /usr/local/sbin/rebuild
  - name: db02-and-its-primary
    type: replicates-with
    server: db02
    peers: [{ server: db01 }]
    profile: postgresql-replication
    parameters: *programs
`;

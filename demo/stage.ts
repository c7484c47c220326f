import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { RunView } from '../src/contracts/run';
import { isAlive, readRecord, recordProcess } from '../src/system/process-record';
import { createGuestServer, destroyGuestServer, type GuestServer, type GuestServerOptions } from '../test/guests/guest-server';
import { ModosuProgram } from './modosu';
import type { Narrator } from './narrator';

const DIRECTORY = process.env.MODOSU_DEMO_DIR ?? '/var/lib/modosu-demo';
/** Domain of the server that is restored; other servers are named after it. */
export const DOMAIN = process.env.MODOSU_DEMO_DOMAIN ?? 'modosu-demo-db01';
const SERVERS = join(DIRECTORY, 'servers');
const DEMO_RECORD = join(DIRECTORY, 'demo.process');
const STACK_RECORD = join(DIRECTORY, 'stack.process');
const GUEST_RECORD = join(DIRECTORY, 'guest.json');

/** Nothing of a real installation on this machine may reach the demo: not its database, not its Temporal, not its token. */
const PASSED_ON = new Set(['MODOSU_CACHE_DIR', 'MODOSU_TEMPORAL_CLI', 'MODOSU_LOG_LEVEL']);

type GuestRecord = Parameters<typeof destroyGuestServer>[0];

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Where an act is played: the directory that is the demo's alone, an installation, servers, and what is compared. All of it is removed by `close`. */
export class Stage {
  readonly directory = DIRECTORY;
  readonly stateDirectory = join(DIRECTORY, 'state');
  readonly repository = join(DIRECTORY, 'repository');
  readonly modosu: ModosuProgram;
  /** Promises, so that closing also finds a server that is just being made. */
  private readonly making: Promise<GuestServer>[] = [];
  private everythingHeld = true;
  /** Until the place is taken nothing in it may be removed: it may be another demo's. */
  private isOurs = false;
  private closed: Promise<void> | null = null;

  /** `settings`: of the installation, beside those that keep it to itself. */
  constructor(
    readonly narrator: Narrator,
    settings: NodeJS.ProcessEnv,
  ) {
    this.modosu = new ModosuProgram(narrator, {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MODOSU_') || PASSED_ON.has(name))),
      MODOSU_STATE_DIR: this.stateDirectory,
      MODOSU_API_PORT: process.env.MODOSU_DEMO_PORT ?? '7410',
      ...settings,
    });
  }

  /** Whether every comparison held so far. */
  get held(): boolean {
    return this.everythingHeld;
  }

  /** Takes the place, and starts the installation. */
  async open(): Promise<void> {
    this.narrator.begin('Modosu starts: PostgreSQL, Temporal, API, worker');
    await this.takeThePlace();
    this.narrator.say(`Everything of this demo lies in ${DIRECTORY}.`);
    const address = await this.modosu.start((pid) => recordProcess(STACK_RECORD, pid, 'modosu up of the demo'));
    this.narrator.say(`The API answers at ${address}.`);
  }

  /** Makes servers, which start. */
  async createServers(...servers: readonly Omit<GuestServerOptions, 'directory'>[]): Promise<readonly GuestServer[]> {
    // Written first, by name: a demo that is killed while it makes servers must not block the next one.
    await writeFile(GUEST_RECORD, JSON.stringify(servers.map(({ name }): GuestRecord => ({ uuid: name, name, directory: SERVERS }))));
    this.making.push(...servers.map((options) => createGuestServer({ ...options, directory: SERVERS })));
    const made = await Promise.all(this.making);
    if (made[0]?.domainType === 'qemu') {
      this.narrator.say(
        `KVM cannot be used here: ${made.length === 1 ? 'this guest is' : 'these guests are'} emulated, which is slower but the same otherwise.`,
      );
    }
    return made;
  }

  /** Declares the estate as a person does: writes the file, applies it. `estate`: its servers and what follows them. */
  async apply(estate: string): Promise<void> {
    const file = join(DIRECTORY, 'estate.yaml');
    // QEMU writes online images itself, as its own user: it must be able to pass through.
    await mkdir(this.repository, { mode: 0o711 });
    await chmod(this.repository, 0o711);
    await writeFile(file, `${this.place()}${estate}`);
    this.succeed(await this.modosu.show('apply', '-f', file), 'apply');
  }

  private place(): string {
    return `hypervisors:
  - name: local
    kind: libvirt
    uri: qemu:///system
repositories:
  - name: main
    kind: directory
    path: ${this.repository}
`;
  }

  compare(what: string, actual: string, expected: string, like = 'as in the recovery point'): void {
    const ok = actual === expected;
    this.expectThat(ok, `${what}: ${actual.slice(0, 16)}… ${ok ? like : `differs from ${expected.slice(0, 16)}…`}`);
  }

  expectThat(ok: boolean, text: string): void {
    this.everythingHeld &&= ok;
    this.narrator.verdict(ok, text);
  }

  succeed(outcome: { readonly exitCode: number }, what: string): void {
    if (outcome.exitCode !== 0) throw new Error(`${what} ended with exit code ${outcome.exitCode}.`);
  }

  /** Makes a plan, shows it and gives its id. `exitCode`: what the command has to end with. */
  async plan(args: readonly string[], exitCode = 0): Promise<string> {
    const planned = await this.modosu.show(...args);
    if (planned.exitCode !== exitCode) throw new Error(`the plan ended with exit code ${planned.exitCode}, not ${exitCode}.`);
    const planId = /\bplan_[0-9a-hjkmnp-tv-z]{26}\b/.exec(planned.stdout)?.[0];
    if (planId === undefined) throw new Error('The plan printed no id.');
    return planId;
  }

  /** The run of db01 that carries a plan out, as soon as it is there. */
  async runOf(planId: string): Promise<string> {
    const until = performance.now() + 30_000;
    for (;;) {
      const runs = await this.modosu.json<readonly RunView[]>('run', 'list', '--server', 'db01');
      const run = runs.find((candidate) => candidate.planId === planId);
      if (run !== undefined) return run.id;
      if (performance.now() > until) throw new Error(`No run carries out plan ${planId}.`);
      await pause(250);
    }
  }

  /** What a run has left in the audit trail, and that the trail is whole. */
  async showRecord(runId: string): Promise<void> {
    this.narrator.begin('For the record');
    this.succeed(await this.modosu.show('audit', 'list', '--run', runId), 'audit list');
    const verified = await this.modosu.show('audit', 'verify');
    this.expectThat(verified.exitCode === 0, 'The audit trail is intact');
  }

  close(): Promise<void> {
    return (this.closed ??= this.remove());
  }

  private async remove(): Promise<void> {
    if (!this.isOurs) return;
    this.narrator.say('Cleaning up: the stack stops, servers and their files are removed.');
    await this.modosu.stop();
    for (const made of await Promise.allSettled(this.making)) if (made.status === 'fulfilled') await made.value.destroy();
    await rm(DIRECTORY, { recursive: true, force: true });
  }

  /**
   * One demo at a time. One that was killed leaves domains and files, and its stack may still be draining: that is waited for, then all of
   * it is removed.
   */
  private async takeThePlace(): Promise<void> {
    await refuseForeignDirectory();
    const other = await readRecord(DEMO_RECORD);
    if (other !== null && (await isAlive(other))) {
      throw new Error(`Another demo (process ${other.pid}) uses ${DIRECTORY}. End it, or set MODOSU_DEMO_DIR, MODOSU_DEMO_PORT and MODOSU_DEMO_DOMAIN.`);
    }
    const stack = await readRecord(STACK_RECORD);
    const until = performance.now() + 90_000;
    while (stack !== null && (await isAlive(stack))) {
      if (performance.now() > until) throw new Error(`The stack of an earlier demo (process ${stack.pid}) does not end. End it, then start again.`);
      await pause(250);
    }
    for (const guest of await recordedGuests()) await destroyGuestServer(guest);
    await rm(DIRECTORY, { recursive: true, force: true });
    await mkdir(DIRECTORY, { recursive: true, mode: 0o755 });
    await recordProcess(DEMO_RECORD, process.pid, 'demo');
    this.isOurs = true;
  }
}

/** An earlier version has recorded one, not a list. */
const recordedGuests = (): Promise<readonly GuestRecord[]> =>
  readFile(GUEST_RECORD, 'utf8').then(
    (text) => [JSON.parse(text) as GuestRecord | readonly GuestRecord[]].flat(),
    () => [],
  );

/** What stands in it is removed at the start and at the end: it must be the demo's own. */
async function refuseForeignDirectory(): Promise<void> {
  if (!isAbsolute(DIRECTORY)) throw new Error(`MODOSU_DEMO_DIR must be an absolute path, not "${DIRECTORY}".`);
  const entries = await readdir(DIRECTORY).catch(() => []);
  if (entries.length > 0 && !entries.some((entry) => join(DIRECTORY, entry) === DEMO_RECORD)) {
    throw new Error(
      `${DIRECTORY} holds files that are not the demo's (${entries.slice(0, 3).join(', ')}). Name an empty or new directory with MODOSU_DEMO_DIR.`,
    );
  }
}

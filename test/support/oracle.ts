import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isFinal, type AuditEntryView, type RunView } from '../../src/contracts/run';
import type { WayBackView } from '../../src/contracts/way-back';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import { checksumFiles, domainState, waitForAgent, type GuestServer } from '../guests/guest-server';
import { runProgram, virsh } from '../guests/run-program';
import type { E2eStack } from './e2e-stack';
import { askAgent } from './hostile-agent';
import { processesWith } from './processes';
import { eventually } from './up-process';

/** What a test knows beyond what must hold everywhere. */
export interface Expected {
  /** What the running guests must hold: checksum of a directory, taken in the guest. */
  readonly contents?: readonly { readonly guest: GuestServer; readonly directory: string; readonly sha256: string }[];
  /** The files that the stored definitions must name, in the order of their targets. */
  readonly disks?: readonly { readonly guest: GuestServer; readonly paths: readonly string[] }[];
  /** Files nobody may have written to since, by path. */
  readonly unchanged?: ReadonlyMap<string, string>;
}

/** What has ended needs a moment to be gone. */
const SOON_MS = 15_000;

/**
 * What must hold after every run, however it ended and whatever happened to it. Called when the run has ended and everything runs again: nothing is frozen,
 * paused or copied; no process and no file of the run is left that nobody accounts for; the lock is free or held by a live run; every usable recovery point
 * is what was written; links are up; the audit chain is intact, with start and end of the run; API and CLI say the same.
 */
export async function expectOrder(stack: E2eStack, run: RunView, expected: Expected = {}): Promise<void> {
  expect(isFinal(run.state)).toBe(true);
  await expectNoProcesses(stack);
  expectNothingStaged(stack);
  for (const guest of stack.guests) {
    await expectCalm(guest);
    await expectFilesAccountedFor(stack, guest);
  }
  await expectUnlocked(stack, run);
  await expectVerifiedRecoveryPoints(stack, run.serverName);
  await expectAudited(stack, run);
  await expectAgreement(stack, run);
  expect(secretsSeen(stack)).toEqual([]);
  await expectAsGiven(expected);
}

/** No copy, no guard of a run that has ended, and one worker only. */
async function expectNoProcesses(stack: E2eStack): Promise<void> {
  expect(
    await eventually(
      () => stack.copies(),
      (found) => found.length === 0,
      SOON_MS,
    ),
  ).toEqual([]);
  const guards = async (): Promise<readonly number[]> =>
    (await processesWith('node', 'guard-main')).filter((pid) => argvOf(pid).some((argument) => argument.includes(stack.stateDirectory)));
  expect(await eventually(guards, (found) => found.length === 0, SOON_MS)).toEqual([]);
  for (const role of ['worker', 'api']) {
    const serving = async (): Promise<readonly number[]> =>
      stack.processes().filter((pid) => argvOf(pid).at(-1) === role && argvOf(pid).at(-2)?.endsWith('main.js'));
    expect(await eventually(serving, (found) => found.length === 1, SOON_MS)).toHaveLength(1);
  }
}

function expectNothingStaged(stack: E2eStack): void {
  expect(namesIn(join(stack.repository, 'staging'))).toEqual([]);
  const hypervisors = join(stack.stateDirectory, 'hypervisors');
  for (const name of namesIn(hypervisors)) expect(namesIn(join(hypervisors, name, 'guards'))).toEqual([]);
}

/** Neither paused nor frozen, no backup job, no link down. */
async function expectCalm(guest: GuestServer): Promise<void> {
  const state = await domainState(guest.uuid);
  expect(['running', 'shut off', null]).toContain(state);
  if (state === null) return;
  // Ours are known to libvirt only while they are used.
  expect((await virsh(['checkpoint-list', guest.uuid, '--name'])).split('\n').filter((name) => name.startsWith('modosu-'))).toEqual([]);
  expect(linksDown(await virsh(['dumpxml', '--inactive', guest.uuid]))).toEqual([]);
  if (state !== 'running') return;
  expect(linksDown(await virsh(['dumpxml', guest.uuid]))).toEqual([]);
  expect((await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'backup-dumpxml', guest.uuid])).stdout).toBe('');
  expect(await virsh(['domjobinfo', guest.uuid])).toMatch(/^Job type:\s+None/);
  // A guest whose OS does not run, or whose agent a test has made hostile, cannot be asked.
  const answer = await askAgent(guest.uuid, 'guest-fsfreeze-status', 10);
  if (answer.exitCode === 0) expect(JSON.parse(answer.stdout)).toEqual({ return: 'thawed' });
}

/** Every volume that a run has made is in use, or is kept by an open way back; and what open ways back keep is there. */
async function expectFilesAccountedFor(stack: E2eStack, guest: GuestServer): Promise<void> {
  const kept = (await stack.wayBacks(guest.name, 'open')).flatMap(keptFiles);
  expect(kept.filter((path) => !existsSync(path))).toEqual([]);
  const used =
    (await domainState(guest.uuid)) === null ? [] : filesIn(`${await virsh(['dumpxml', '--inactive', guest.uuid])}${await virsh(['dumpxml', guest.uuid])}`);
  const made = namesIn(guest.directory).filter((name) => /\.run_[0-9a-z]{26}/.test(name));
  expect(made.filter((name) => ![...kept, ...used].map((path) => basename(path)).includes(name))).toEqual([]);
}

/** The run that has ended holds neither the server in the catalogue nor in the domain's metadata; whoever holds it lives. */
async function expectUnlocked(stack: E2eStack, run: RunView): Promise<void> {
  const { body: server } = await stack.get<{ readonly openRunId: string | null; readonly uuid: string }>(`/v1/servers/${run.serverId}`);
  expect(server.openRunId).not.toBe(run.id);
  if (server.openRunId !== null) expect(isFinal((await stack.run(server.openRunId)).state)).toBe(false);
  if ((await domainState(server.uuid)) === null) return;
  for (const xml of [await virsh(['dumpxml', '--inactive', server.uuid]), await virsh(['dumpxml', server.uuid])]) {
    const fence = /<modosu:fence [^>]*>/.exec(xml)?.[0] ?? '';
    if (fence.includes(run.id)) expect(fence).toMatch(/ released=['"]yes['"]/);
  }
}

/** Everything listed lies in the repository, and every byte of what is usable is what was written. */
async function expectVerifiedRecoveryPoints(stack: E2eStack, serverName: string): Promise<void> {
  const repository = createDirectoryImageRepository({ name: 'main', path: stack.repository });
  expect((await repository.list()).unreadable).toEqual([]);
  for (const point of await stack.recoveryPoints(serverName)) {
    // Data is proven by restoring it.
    if (point.kind !== 'image' || point.state !== 'usable') continue;
    const { manifest } = await repository.open(point.serverId, point.id);
    for (const { image } of manifest.disks) await repository.verifyImage(point.serverId, point.id, image, { signal: AbortSignal.timeout(120_000) });
    await repository.verifySmallFiles(point.serverId, point.id);
  }
}

async function expectAudited(stack: E2eStack, run: RunView): Promise<void> {
  const actions = (await stack.get<{ readonly items: readonly AuditEntryView[] }>(`/v1/audit?run=${run.id}&limit=200`)).body.items.map(({ action }) => action);
  expect(actions[0]).toBe('run.requested');
  expect(actions.filter((action) => action === 'run.started')).toHaveLength(1);
  expect(actions.filter((action) => /^run\.(succeeded|failed|cancelled)$/.test(action))).toEqual([`run.${run.state}`]);
  expect(await stack.verifyAudit()).toMatchObject({ intact: true });
}

async function expectAgreement(stack: E2eStack, run: RunView): Promise<void> {
  const shown = await stack.cli(['run', 'show', run.id, '--output', 'json']);
  expect(shown).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(shown.stdout)).toEqual(await stack.run(run.id));
}

async function expectAsGiven({ contents = [], disks = [], unchanged = new Map<string, string>() }: Expected): Promise<void> {
  for (const { guest, directory, sha256 } of contents) {
    await waitForAgent(guest.uuid, 120_000);
    expect(await checksumFiles(guest.uuid, directory)).toBe(sha256);
  }
  for (const { guest, paths } of disks) expect(await storedDisks(guest.uuid)).toEqual(paths);
  for (const [path, sha256] of unchanged) expect(`${path} ${await sha256OfFile(path)}`).toBe(`${path} ${sha256}`);
}

/** Log files in which a secret of the installation stands. */
function secretsSeen(stack: E2eStack): readonly string[] {
  const logs = join(stack.stateDirectory, 'logs');
  const secrets = [...stack.secrets().values()];
  return readdirSync(logs).filter((file) => secrets.some((secret) => readFileSync(join(logs, file), 'utf8').includes(secret)));
}

/** Disk files of the stored definition, in the order of their targets. */
export async function storedDisks(uuid: string): Promise<readonly string[]> {
  const xml = await virsh(['dumpxml', '--inactive', uuid]);
  return [...xml.matchAll(/<disk [^>]*device='disk'>.*?<source file='([^']+)'.*?<\/disk>/gs)].map(([, path]) => path ?? '');
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** MACs of the interfaces whose cable is unplugged. */
export const linksDown = (xml: string): readonly string[] =>
  [...xml.matchAll(/<interface .*?<\/interface>/gs)]
    .filter(([text]) => text.includes("<link state='down'/>"))
    .map(([text]) => /<mac address='([^']+)'/.exec(text)?.[1] ?? text);

/** Every file a definition names: disks, backing files, NVRAM. */
const filesIn = (xml: string): readonly string[] =>
  [...xml.matchAll(/<source file='([^']+)'|<nvram[^>]*>([^<]+)</g)].map(([, disk, nvram]) => disk ?? nvram ?? '');
const keptFiles = ({ volumes, nvramPath }: WayBackView): readonly string[] => [...volumes.map(({ path }) => path), ...(nvramPath === null ? [] : [nvramPath])];
const namesIn = (directory: string): readonly string[] => (existsSync(directory) ? readdirSync(directory) : []);

function argvOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

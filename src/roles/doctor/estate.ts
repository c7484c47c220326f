import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Catalog, ServerRecord } from '../../catalog/catalog';
import type { OffsiteDeclaration } from '../../contracts/estate';
import { isModosuError } from '../../contracts/errors';
import { hostTaskQueue, offsiteTaskQueue, transferTaskQueue, verificationTaskQueue } from '../../contracts/ids';
import type { SshAccess } from '../../contracts/protection';
import type { GuestAgent } from '../../guests/guest-agent';
import { probe } from '../../guests/restic/guest-restic';
import type { Hypervisor } from '../../hypervisors/hypervisor';
import { freeBytes } from '../../system/files';
import type { RunDispatcher } from '../../temporal/run-starter';
import type { Adapters } from '../wiring';
import { fail, look, ok, warn, withRoom, type Check } from './check';
import { checkWorker } from './services';

const SERVERS_AT_ONCE = 4;
const RESTIC_DEADLINE_MS = 30_000;

export interface EstateCheckDependencies {
  readonly catalog: Pick<Catalog, 'listHypervisors' | 'listRepositories' | 'listOffsite' | 'listServers'>;
  readonly adapters: Pick<Adapters, 'hypervisor' | 'repository' | 'offsite' | 'overSsh'>;
  /** Null when Temporal does not answer: workers cannot be looked for. */
  readonly runs: RunDispatcher | null;
}

/** Every hypervisor, repository and server of the catalogue. */
export async function checkEstate({ catalog, adapters, runs }: EstateCheckDependencies): Promise<readonly Check[]> {
  const [hypervisors, repositories, servers] = await Promise.all([catalog.listHypervisors(), catalog.listRepositories(), catalog.listServers()]);
  if (hypervisors.length + repositories.length + servers.length === 0) {
    return [warn('estate', 'Nothing is declared yet.', 'Declare hypervisors, repositories and servers with `modosu apply -f estate.yaml`.')];
  }
  const byName = new Map(hypervisors.map((declaration) => [declaration.name, adapters.hypervisor(declaration)]));
  const checks: Check[] = [];
  for (const [name, hypervisor] of byName) {
    checks.push(...(await checkHypervisor(name, hypervisor)));
    if (runs !== null) {
      checks.push(
        ...(await checkWorker(runs, `worker of ${name}`, [hostTaskQueue(name), transferTaskQueue(name), verificationTaskQueue(name), offsiteTaskQueue(name)])),
      );
    }
  }
  for (const declaration of repositories) {
    const subject = `repository ${declaration.name}`;
    checks.push(
      ...(await look(subject, async () => {
        const { freeBytes: free, recoveryPoints } = await adapters.repository(declaration).check();
        return [
          withRoom(subject, `${declaration.path}, ${recoveryPoints} recovery point${recoveryPoints === 1 ? '' : 's'}`, free),
          ...(await checkPassable(subject, declaration.path)),
        ];
      })),
    );
  }
  for (const declaration of await catalog.listOffsite()) checks.push(...(await checkOffsite(declaration, adapters.offsite)));
  return [...checks, ...(await inTurn(servers, SERVERS_AT_ONCE, (server) => checkServer(server, byName.get(server.hypervisor), adapters.overSsh)))];
}

/** A medium that was taken away is as it should be: no failure. */
const checkOffsite = ({ name, ...declaration }: OffsiteDeclaration, offsite: Adapters['offsite']): Promise<readonly Check[]> =>
  look(`off-site repository ${name}`, async () => {
    try {
      const { copies } = await offsite({ name, ...declaration }).probe();
      return [ok(`off-site repository ${name}`, `${declaration.location}, ${copies} cop${copies === 1 ? 'y' : 'ies'}`)];
    } catch (thrown) {
      if (!isModosuError(thrown) || thrown.code !== 'OFFSITE_OFFLINE') throw thrown;
      return [ok(`off-site repository ${name}`, `${declaration.location} is offline: its medium is not connected`)];
    }
  });

const checkHypervisor = (name: string, hypervisor: Hypervisor): Promise<readonly Check[]> =>
  look(`hypervisor ${name}`, async () => {
    const { versions, domainTypes } = await hypervisor.probe();
    const software = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
    const emulation = domainTypes.includes('kvm') ? [] : ['emulation only (no KVM)'];
    return ok(`hypervisor ${name}`, [...software, ...emulation].join(', '));
  });

/** Whether an image of it can be taken, and whether a restore finds its directories writable. */
async function checkServer(server: ServerRecord, hypervisor: Hypervisor | undefined, overSsh: Adapters['overSsh']): Promise<readonly Check[]> {
  const subject = `server ${server.name}`;
  if (server.decommissioned !== null) return [ok(subject, `decommissioned at ${server.decommissioned.at}: nothing backs it up, and it is not looked for`)];
  if (hypervisor === undefined) {
    return [
      fail(
        subject,
        `Its hypervisor "${server.hypervisor}" is not declared.`,
        'Declare the hypervisor in the estate file and apply it.',
        'HYPERVISOR_NOT_CONFIGURED',
      ),
    ];
  }
  return look(subject, async () => {
    const { disks, refusals, agent } = await hypervisor.inspect({ uuid: server.uuid, name: server.name });
    const refused = refusals.map(({ message, hint, code }) => fail(subject, message, hint, code));
    const silent =
      agent.state === 'absent'
        ? [
            warn(
              subject,
              'It has no guest agent channel: a restore cannot tell whether the system has started.',
              'Install qemu-guest-agent in the guest and give the domain the channel org.qemu.guest_agent.0.',
              'AGENT_ABSENT',
            ),
          ]
        : [];
    const directories = await Promise.all([...new Set(disks.map(({ path }) => dirname(path)))].map((directory) => checkDirectory(subject, directory)));
    const { dataSets, ssh } = server.protection;
    const guest =
      agent.state !== 'answering'
        ? []
        : ssh !== null
          ? await checkSsh(subject, server, overSsh(hypervisor.guestAgent(server), server, ssh), ssh)
          : dataSets.length > 0
            ? await checkData(subject, agent.commands, hypervisor.guestAgent(server))
            : [];
    return [...refused, ...silent, ...directories, ...guest];
  });
}

/** Whether Modosu is let in, and finds what its data sets need. What is refused comes with the line for authorized_keys. */
const checkSsh = (subject: string, { protection: { dataSets } }: ServerRecord, guest: GuestAgent, { user, host, port }: SshAccess): Promise<readonly Check[]> =>
  look(subject, async () => {
    const place = `${user}@${host}, port ${port}`;
    if (dataSets.length > 0) {
      return ok(
        subject,
        `data sets can be saved: restic ${(await probe(guest, AbortSignal.timeout(RESTIC_DEADLINE_MS))).version} in the guest, over SSH (${place})`,
      );
    }
    await guest.exec(['true'], { timeoutMs: RESTIC_DEADLINE_MS });
    return ok(subject, `programs run in the guest over SSH (${place})`);
  });

/** Whether its data sets can be saved from inside the guest. Asked only of an agent that answers. */
async function checkData(subject: string, commands: readonly string[], agent: GuestAgent): Promise<readonly Check[]> {
  const missing = ['guest-exec', 'guest-exec-status', 'guest-file-open', 'guest-file-read'].filter((command) => !commands.includes(command));
  if (missing.length > 0) {
    const hint =
      'Allow these commands (on RHEL and its family see BLACKLIST_RPC in /etc/sysconfig/qemu-ga), or declare "ssh" of the server: programs are run over SSH then.';
    return [fail(subject, `It has data sets, and its guest agent forbids ${missing.join(', ')}: no data can be saved.`, hint, 'GUEST_COMMAND_FORBIDDEN')];
  }
  const { version } = await probe(agent, AbortSignal.timeout(RESTIC_DEADLINE_MS));
  return [ok(subject, `data sets can be saved: restic ${version} in the guest`)];
}

async function checkDirectory(subject: string, directory: string): Promise<Check> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code ?? String(error);
    return fail(
      subject,
      `The directory of its disks, ${directory}, cannot be written (${problem}): no restore is possible.`,
      'Mount it, or mend its rights.',
      'TARGET_UNREACHABLE',
    );
  }
  return withRoom(subject, `disks in ${directory}`, await freeBytes(directory));
}

/** QEMU writes online images itself, usually as a user of its own, and must be able to pass through every directory above them. */
async function checkPassable(subject: string, path: string): Promise<readonly Check[]> {
  for (let directory = path; ; directory = dirname(directory)) {
    const { mode, uid } = await stat(directory);
    if ((mode & 0o001) === 0) {
      const problem = `QEMU may not be able to pass through ${directory} (mode ${(mode & 0o777).toString(8)}, owner ${uid}): online backups are refused then, offline ones work.`;
      return [warn(subject, problem, `chmod o+x ${directory}: nobody can list it with that.`, 'REPOSITORY_NOT_TRAVERSABLE')];
    }
    if (directory === dirname(directory)) return [];
  }
}

/** Results in the order of the items, at most `width` at a time. */
async function inTurn<T, R>(items: readonly T[], width: number, action: (item: T) => Promise<readonly R[]>): Promise<readonly R[]> {
  const results: (readonly R[])[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await action(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results.flat();
}

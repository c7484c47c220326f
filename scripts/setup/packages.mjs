/** System packages, with apt. */
import { readdirSync } from 'node:fs';
import { ask, run } from './programs.mjs';
import { SetupStopped, duration, longPart, say } from './progress.mjs';

/** What the hypervisor and its backups need, then what building the test guests needs. Kernel and boot loaders of guests are only unpacked, see test/guests. */
const HOST_PACKAGES = [
  'qemu-system-x86',
  'qemu-utils',
  'libvirt-daemon-system',
  'libvirt-daemon-driver-qemu',
  'libvirt-clients',
  'ovmf',
  'restic',
  'rclone',
  'openssh-client',
];
const GUEST_BUILD_PACKAGES = ['mtools', 'dosfstools', 'e2fsprogs', 'kmod', 'xz-utils', 'zstd'];
/**
 * Real servers that tests ask. Debian's knot comes with a service that, as it is packaged, has no zone and listens nowhere; tests start their own. `ip` joins two of them. The shells read
 * what completes in them.
 */
const TEST_PACKAGES = ['knot', 'iproute2', 'zsh', 'fish'];
/** What the benchmark compares with. */
const BENCH_PACKAGES = ['virtnbdbackup', 'nbdkit', 'libnbd-bin'];

const PACKAGES = {
  use: HOST_PACKAGES,
  demo: [...HOST_PACKAGES, ...GUEST_BUILD_PACKAGES],
  test: [...HOST_PACKAGES, ...GUEST_BUILD_PACKAGES, ...TEST_PACKAGES],
  full: [...HOST_PACKAGES, ...GUEST_BUILD_PACKAGES, ...TEST_PACKAGES],
  unit: [],
  bench: [...HOST_PACKAGES, ...GUEST_BUILD_PACKAGES, ...BENCH_PACKAGES],
};

export const packagesFor = (purpose) => PACKAGES[purpose];

const LOCK_WAIT_MS = 15 * 60_000;
const LOCK_RETRY_MS = 5_000;
const QUIET_APT = {
  DEBIAN_FRONTEND: 'noninteractive',
  UCF_FORCE_CONFFOLD: '1',
  NEEDRESTART_SUSPEND: '1',
  APT_LISTCHANGES_FRONTEND: 'none',
};

/** The names of `names` that are not installed. */
export async function missingPackages(names) {
  if (names.length === 0) return [];
  // dpkg-query ends with 1 when it does not know one of them; what it prints is complete all the same.
  const text = await outputWhateverTheExitCode('dpkg-query', ['--show', '--showformat', '${db:Status-Abbrev}\t${Package}\n', ...names]);
  return notInstalled(names, text);
}

/** `text`: lines of status and name, where the second letter of the status is "i" for an installed package. */
export function notInstalled(names, text) {
  const installed = new Set(
    text
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([status]) => status.startsWith('ii') || status.startsWith('hi'))
      .map(([, name]) => name),
  );
  return names.filter((name) => !installed.has(name));
}

async function outputWhateverTheExitCode(command, args) {
  let text = '';
  await run(command, args, { onLine: (line) => (text += `${line}\n`) }).catch(() => undefined);
  return text;
}

/** Installs packages, also where package lists are missing or old, where dpkg was interrupted, and where apt is in use. */
export async function installPackages(names) {
  await longPart(
    `Installing ${names.length} system package${names.length === 1 ? '' : 's'}`,
    { expected: '1 to 2 min', advice: `run "apt-get update" and "apt-get install ${names.join(' ')}" by hand, mend what they say, and start again.` },
    async (onLine) => {
      if (!hasPackageLists()) await apt(['update'], onLine);
      const install = ['install', '--yes', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-confold', ...names];
      try {
        await apt(install, onLine);
      } catch (error) {
        if (error instanceof SetupStopped) throw error;
        onLine(`once more, with fresh package lists: ${error.message}`);
        if (((await ask('dpkg', ['--audit'])) ?? '').trim() !== '') {
          await run('dpkg', ['--configure', '-a'], { env: QUIET_APT, onLine, patient: true });
        }
        await apt(['update'], onLine);
        await apt(install, onLine);
      }
    },
  );
}

/** Runs apt-get; while another program holds its lock, says so and waits. */
export async function apt(args, onLine, { program = 'apt-get', waitMs = LOCK_WAIT_MS, retryMs = LOCK_RETRY_MS } = {}) {
  const startedAt = Date.now();
  for (let told = false; ;) {
    try {
      return await run(program, ['-q', ...args], { env: QUIET_APT, onLine, patient: true });
    } catch (error) {
      const held = lockMessage(error.output ?? '');
      if (held === null) throw error;
      if (Date.now() - startedAt > waitMs) {
        throw new SetupStopped(`apt is still in use by another program after ${duration(waitMs)}: ${held}\nWhat to do: let it end, then start again.`);
      }
      if (!told) say(`  waiting: apt is in use by another program. ${held}`);
      told = true;
      onLine('waiting for apt');
      await new Promise((resolvePromise) => setTimeout(resolvePromise, retryMs));
    }
  }
}

/** The line in which apt or dpkg says that somebody else holds the lock; null: it failed for another reason. */
export function lockMessage(output) {
  return output.split('\n').find((line) => /Could not get lock|dpkg frontend lock .*locked by another|Unable to lock directory/i.test(line)) ?? null;
}

export function hasPackageLists(directory = '/var/lib/apt/lists') {
  try {
    return readdirSync(directory).some((name) => /_Packages(\.|$)/.test(name));
  } catch {
    return false;
  }
}

/**
 * Whether guests can use KVM on this machine, found by trying: a nested KVM may have its device file and
 * still hang at boot. The answer is kept in the cache for a week.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from '../../scripts/setup/paths.mjs';
import { ask, findProgram, run, withCleanup } from '../../scripts/setup/programs.mjs';

/** With KVM a guest answers in 3 s or less. */
const TRY_FOR_MS = 25_000;
/** libvirt examines QEMU before it makes the first server: on a busy machine that takes longer than the boot. */
const CREATE_WITHIN_MS = 90_000;
const KEEP_FOR_MS = 7 * 24 * 3600_000;
const answerFile = join(cacheDir, 'accelerator.json');

/** The kept answer, or null when a try is needed. `MODOSU_ACCELERATOR=kvm|qemu` decides without a try. */
export function knownAccelerator() {
  const chosen = process.env.MODOSU_ACCELERATOR;
  if (chosen === 'kvm' || chosen === 'qemu') return chosen;
  if (!exists('/dev/kvm')) return 'qemu';
  try {
    const { key, accelerator, triedAt } = JSON.parse(readFileSync(answerFile, 'utf8'));
    return key === machineKey() && Date.now() - triedAt < KEEP_FOR_MS ? accelerator : null;
  } catch {
    return null;
  }
}

/** `kvm` or `qemu` (emulation). Tries with a guest's image when nothing is known; libvirt must be running then. */
export async function chooseAccelerator(image, onLine) {
  const known = knownAccelerator();
  if (known !== null) return known;
  onLine(`trying KVM with a real guest (at most ${TRY_FOR_MS / 1000} s)`);
  const accelerator = (await bootsWithKvm(image)) ? 'kvm' : 'qemu';
  mkdirSync(cacheDir, { recursive: true });
  writeFileSync(`${answerFile}.${process.pid}`, `${JSON.stringify({ key: machineKey(), accelerator, triedAt: Date.now() })}\n`);
  renameSync(`${answerFile}.${process.pid}`, answerFile);
  return accelerator;
}

/** Another kernel, processor or QEMU asks for another try. */
function machineKey() {
  const qemu = statSync(findProgram('qemu-system-x86_64') ?? '/');
  return [release(), cpus()[0]?.model ?? '', qemu.size, Math.round(qemu.mtimeMs)].join('|');
}

async function bootsWithKvm(image) {
  const connection = ['-q', '-c', 'qemu:///system'];
  await run('virsh', [...connection, 'version'], { timeoutMs: 20_000 }); // silence of libvirt says nothing about KVM
  const directory = mkdtempSync(join(cacheDir, 'guests', '.kvm-'));
  const name = `modosu-kvm-try-${process.pid}`;
  const leaveNothing = () => {
    spawnSync('virsh', [...connection, 'destroy', name], { stdio: 'ignore', timeout: 20_000 });
    rmSync(directory, { recursive: true, force: true });
  };
  return withCleanup(leaveNothing, async () => {
    await run('chmod', ['755', directory]);
    const disk = join(directory, 'disk.qcow2');
    await run('cp', ['--reflink=auto', image, disk]);
    const definition = join(directory, 'domain.xml');
    const create = (type) => {
      writeFileSync(definition, probeXml(type, name, disk));
      return run('virsh', [...connection, 'create', definition], { timeoutMs: CREATE_WITHIN_MS });
    };
    try {
      await create('kvm');
    } catch {
      await create('qemu'); // when this fails too, the fault is not KVM's: let libvirt say it
      return false;
    }
    for (const endAt = Date.now() + TRY_FOR_MS; Date.now() < endAt;) {
      const answer = await ask('virsh', [...connection, 'qemu-agent-command', name, '--timeout', '2', '{"execute":"guest-ping"}'], { timeoutMs: 10_000 });
      if (answer !== null) return true;
      await new Promise((resolvePromise) => setTimeout(resolvePromise, 500));
    }
    return false;
  });
}

const probeXml = (type, name, disk) => `<domain type="${type}"><name>${name}</name><memory unit="MiB">256</memory>
<os><type arch="x86_64" machine="q35">hvm</type><boot dev="hd"/></os><features><acpi/></features><on_crash>destroy</on_crash>
<devices><disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="${disk}"/><target dev="vda" bus="virtio"/></disk>
<controller type="usb" model="none"/><memballoon model="none"/><video><model type="none"/></video>
<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel></devices></domain>
`;

function exists(path) {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

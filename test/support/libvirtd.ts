import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { runProgram, virsh } from '../guests/run-program';
import { eventually } from './up-process';

/** Deaths of the parts that are not ours: libvirt's daemon and a guest's QEMU. */

const PID_FILE = '/run/libvirtd.pid';
const READY_WITHIN_MS = 60_000;

/** SIGKILL to libvirt's daemon; guests and their jobs go on without it. Returns the pid that was killed. */
export async function killLibvirtd(): Promise<number> {
  await virsh(['version'], { timeoutMs: READY_WITHIN_MS }); // with socket activation it may not run yet
  const pid = Number(readFileSync(PID_FILE, 'utf8'));
  if (!readlinkSync(`/proc/${pid}/exe`).endsWith('/libvirtd')) throw new Error(`${PID_FILE} names process ${pid}, which is not libvirtd`);
  await kill(pid);
  return pid;
}

/** As the host's service manager would. Resolves when it answers. Running already: nothing. */
export async function startLibvirtd(): Promise<void> {
  const answers = async (timeoutMs: number): Promise<boolean> =>
    (await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'version'], { timeoutMs })).exitCode === 0;
  if (await answers(READY_WITHIN_MS)) return;
  const [command, args]: [string, string[]] = existsSync('/run/systemd/system') ? ['systemctl', ['start', 'libvirtd']] : ['libvirtd', ['-d']];
  const started = await runProgram(command, args, { timeoutMs: READY_WITHIN_MS });
  if (started.exitCode !== 0 && !(await answers(READY_WITHIN_MS))) throw new Error(`libvirtd does not start again: ${started.stderr}`);
  await eventually(
    () => answers(READY_WITHIN_MS),
    (isThere) => isThere,
    READY_WITHIN_MS,
  );
}

/** SIGKILL to the QEMU of a running domain: its guest is gone in mid-sentence. Returns the pid that was killed. */
export async function killQemu(domainName: string): Promise<number> {
  const pid = Number(readFileSync(`/run/libvirt/qemu/${domainName}.pid`, 'utf8'));
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`guest=${domainName},`)) throw new Error(`process ${pid} is not the QEMU of ${domainName}`);
  await kill(pid);
  return pid;
}

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await eventually(
    () => isGone(pid),
    (gone) => gone,
    15_000,
  );
}

/** A zombie whose parent does not collect it does nothing any more. */
function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return ['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3));
  } catch {
    return true;
  }
}

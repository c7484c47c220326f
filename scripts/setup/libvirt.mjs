/** libvirt's daemons: asked, and started when they do not answer. */
import { chmodSync, chownSync, existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { ask, findProgram, run, startDaemon } from './programs.mjs';
import { SetupStopped, say } from './progress.mjs';

const LOG_SOCKET = '/run/libvirt/virtlogd-sock';
const READY_WITHIN_MS = 30_000;

export async function libvirtIsReady() {
  return (await socketAnswers(LOG_SOCKET)) && (await ask('virsh', ['-q', '-c', 'qemu:///system', 'version'], { timeoutMs: 10_000 })) !== null;
}

/**
 * Whether /dev/kvm belongs to root alone, as on a machine without udev. libvirt runs QEMU as another user, takes the difference for a change of the machine
 * and examines QEMU again with every definition: 10 to 30 s each (measured with libvirt 9.0; 0.02 s otherwise).
 */
export function kvmDeviceIsRootOnly() {
  const device = statSync('/dev/kvm', { throwIfNoEntry: false });
  return device !== undefined && !existsSync('/run/udev/control') && device.uid === 0 && device.gid === 0 && (device.mode & 0o077) === 0 && kvmGroup() !== null;
}

/** What udev does on other machines. */
export function giveKvmDeviceToItsGroup() {
  say('Giving /dev/kvm to the group kvm, as udev does where it runs');
  chownSync('/dev/kvm', 0, kvmGroup());
  chmodSync('/dev/kvm', 0o660);
}

function kvmGroup() {
  const gid = /^kvm:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1];
  return gid === undefined ? null : Number(gid);
}

/** Starts what does not run, through systemd where it runs. */
export async function startLibvirt() {
  say('Starting libvirt');
  try {
    if (existsSync('/run/systemd/system')) {
      await run('systemctl', ['start', 'virtlogd.socket', 'libvirtd'], { timeoutMs: 60_000 });
    } else {
      if (!(await socketAnswers(LOG_SOCKET))) await startDaemon(daemon('virtlogd'), ['-d']);
      if ((await ask('virsh', ['-q', '-c', 'qemu:///system', 'version'], { timeoutMs: 10_000 })) === null) await startDaemon(daemon('libvirtd'), ['-d']);
    }
    for (const endAt = Date.now() + READY_WITHIN_MS; Date.now() < endAt;) {
      if (await libvirtIsReady()) return;
      await new Promise((resolvePromise) => setTimeout(resolvePromise, 250));
    }
    throw new Error(`no answer within ${READY_WITHIN_MS / 1000} s`);
  } catch (error) {
    throw new SetupStopped(
      `libvirt could not be started: ${error.message}${error.output ? `\n${error.output}` : ''}\n` +
        'What to do: look at its log (journalctl -u libvirtd, or run "libvirtd" in a terminal), then start again.',
    );
  }
}

function daemon(name) {
  const path = findProgram(name);
  if (path === null) throw new Error(`${name} is not installed`);
  return path;
}

function socketAnswers(path) {
  return new Promise((resolvePromise) => {
    const socket = connect(path);
    socket.setTimeout(5_000, () => finish(false));
    socket.on('connect', () => finish(true));
    socket.on('error', () => finish(false));
    const finish = (answer) => {
      socket.destroy();
      resolvePromise(answer);
    };
  });
}

import { guestExec, guestOutput } from '../guests/guest-commands';
import { eventually } from './up-process';

/** Which program is held, and when. */
export interface HoldAt {
  /** As /proc/<pid>/comm names it. */
  readonly program: string;
  /** Stands somewhere in its command line: not every restic is the one that is meant. */
  readonly argument: string;
  /** Not before it has read or written so many bytes, as its kernel counts them. */
  readonly counter?: 'rchar' | 'wchar';
  readonly leastBytes?: number;
}

export interface Held {
  readonly pid: number;
  /** What it had read or written by then; 0 without a counter. */
  readonly bytes: number;
}

const DIRECTORY = '/run/modosu-test-hold';
const HELD_WITHIN_MS = 240_000;
/**
 * Endless until it has held something, or was told to stop. The shell's own commands alone while there is nothing to see: a guest under emulation has one
 * processor, and the work that is waited for needs it.
 */
const WATCH = `
  while [ -e ${DIRECTORY}/watching ]; do
    for comm in /proc/[0-9]*/comm; do
      read -r name < $comm || continue
      [ "$name" = "$1" ] || continue
      pid=\${comm#/proc/}; pid=\${pid%/comm}
      tr '\\0' ' ' < /proc/$pid/cmdline | grep -qF -e "$2" || continue
      bytes=0
      [ "$3" = none ] || bytes=$(sed -n "s/^$3: //p" /proc/$pid/io)
      [ "\${bytes:-0}" -ge "$4" ] || continue
      kill -STOP $pid || continue
      [ "$3" = none ] || bytes=$(sed -n "s/^$3: //p" /proc/$pid/io)
      rm ${DIRECTORY}/watching
      echo "$pid $bytes" > ${DIRECTORY}/held.part && mv ${DIRECTORY}/held.part ${DIRECTORY}/held
      exit
    done 2>/dev/null
    sleep 0.1
  done`;

/**
 * Stops a program of a guest (SIGSTOP) in the middle of its work, so that a fault hits it at a moment that is known and proven. Works from inside the guest:
 * nobody outside is quick enough. Call `watch` shortly before the program begins; a later call ends the earlier one.
 */
export class GuestHold {
  constructor(private readonly uuid: string) {}

  async watch({ program, argument, counter, leastBytes = 0 }: HoldAt): Promise<void> {
    const script = `rm -rf ${DIRECTORY}; mkdir ${DIRECTORY}; touch ${DIRECTORY}/watching; setsid sh -c "$5" sh "$1" "$2" "$3" "$4" </dev/null >/dev/null 2>&1 &`;
    await guestOutput(this.uuid, ['sh', '-c', script, 'sh', program, argument, counter ?? 'none', String(leastBytes), WATCH]);
  }

  /** Waits until it stands still. */
  async held(): Promise<Held> {
    const look = async (): Promise<string> => (await guestExec(this.uuid, ['cat', `${DIRECTORY}/held`])).stdout;
    const [pid = Number.NaN, bytes = Number.NaN] = (await eventually(look, (text) => text !== '', HELD_WITHIN_MS)).trim().split(' ').map(Number);
    expect(await this.stateOf(pid)).toBe('T');
    return { pid, bytes };
  }

  /** Letter of its state; empty: it is gone. */
  async stateOf(pid: number): Promise<string> {
    return /^State:\s+(\S)/m.exec((await guestExec(this.uuid, ['cat', `/proc/${pid}/status`])).stdout)?.[1] ?? '';
  }

  kill = (pid: number): Promise<string> => guestOutput(this.uuid, ['kill', '-KILL', String(pid)]);

  goOn = (pid: number): Promise<string> => guestOutput(this.uuid, ['kill', '-CONT', String(pid)]);
}

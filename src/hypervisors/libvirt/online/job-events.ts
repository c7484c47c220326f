import { setTimeout as delay } from 'node:timers/promises';
import { requireUuid, type Virsh } from '../virsh';

/** The end of a job as libvirt announces it. */
export interface JobEnd {
  readonly success: boolean;
  /** QEMU's own words; libvirt gives none where QEMU itself has died. */
  readonly errorText: string | null;
}

const OPERATION_BACKUP = '9';
const HEADER = /^\S.*event 'job-completed' for domain/;
const FIELD = /^\s+(\w+):\s?(.*)$/;
/** After `success: 0` the error's text may follow. */
const TEXT_FOLLOWS_MS = 300;
const AGAIN_MS = 1_000;

/** Reads what `virsh event --event job-completed` writes. Pieces may end anywhere. */
export class JobEventReader {
  private tail = '';
  private fields: Map<string, string> | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly onEnd: (end: JobEnd) => void) {}

  read(text: string): void {
    const lines = (this.tail + text).split('\n');
    this.tail = (lines.pop() ?? '').slice(-4096);
    for (const line of lines) this.readLine(line);
  }

  private readLine(line: string): void {
    const [, key, value] = FIELD.exec(line) ?? [];
    if (key === undefined || value === undefined) {
      this.flush();
      if (HEADER.test(line)) this.fields = new Map();
      return;
    }
    this.fields?.set(key, value.trim());
    if (key === 'errmsg' || (key === 'success' && value.trim() === '1')) this.flush();
    else if (key === 'success') this.timer ??= setTimeout(() => this.flush(), TEXT_FOLLOWS_MS);
  }

  private flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const { fields } = this;
    this.fields = null;
    if (fields === null || fields.get('operation') !== OPERATION_BACKUP || !fields.has('success')) return;
    this.onEnd({ success: fields.get('success') === '1', errorText: fields.get('errmsg')?.slice(0, 1000) ?? null });
  }
}

/** Listens until the signal is aborted, also through restarts of libvirtd. What happens while it is away is missed: `BackupJob.lastEnd` has to be asked. */
export async function listenForJobEnds(virsh: Pick<Virsh, 'attempt'>, uuid: string, onEnd: (end: JobEnd) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const reader = new JobEventReader(onEnd);
    await virsh
      .attempt(['event', '--domain', requireUuid(uuid), '--event', 'job-completed', '--loop', '--timestamp'], {
        timeoutMs: 2_147_483_647,
        maxOutputBytes: 64 * 1024,
        signal,
        onStdout: (piece) => reader.read(piece.toString('utf8')),
      })
      .catch(() => undefined); // libvirtd is away, or the server is: asked again below
    await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

import { Worker } from 'node:worker_threads';
import { SEGMENT_HASH_WORKER_SOURCE, type SegmentDigest, type SegmentReply, type SegmentRequest } from './segment-hash-worker';

/**
 * Hashes stretches of files in a thread of its own, one at a time: the bytes never pass through the event loop. `close` it in a
 * `finally`.
 *
 * An abort ends the thread between two instructions and rejects what is pending with the signal's reason. A thread that
 * sits in a read of dead storage cannot be ended; the promise rejects all the same.
 */
export class SegmentHasher {
  private readonly worker: Worker;
  private pending: { readonly resolve: (digest: SegmentDigest) => void; readonly reject: (error: unknown) => void } | null = null;
  private ended: { readonly reason: unknown } | null = null;
  private readonly onAbort: () => void;

  constructor(private readonly signal: AbortSignal) {
    // No environment and no inherited options: the thread needs neither secrets nor loaders.
    this.worker = new Worker(SEGMENT_HASH_WORKER_SOURCE, { eval: true, name: 'segment-hash', env: {}, execArgv: [] });
    this.worker.on('message', (reply: SegmentReply) => this.settle(reply));
    this.worker.on('error', (error) => this.end(error));
    this.worker.on('exit', () => this.end(new Error('the hashing thread has ended')));
    this.onAbort = (): void => this.end(this.signal.reason);
    if (signal.aborted) this.onAbort();
    else signal.addEventListener('abort', this.onAbort, { once: true });
  }

  /**
   * Checksum of one stretch. Throws the signal's reason after an abort and errors with Node's `code` (`ENOENT`, `EIO` …) from the file system. One
   * call at a time.
   */
  hash(request: SegmentRequest): Promise<SegmentDigest> {
    if (this.ended !== null) return Promise.reject(this.ended.reason);
    if (this.pending !== null) return Promise.reject(new Error('the hashing thread does one stretch at a time'));
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject };
      this.worker.postMessage(request);
    });
  }

  /** Ends the thread. Idempotent; what is pending rejects. */
  close(): void {
    this.end(new Error('the hashing thread was closed'));
  }

  private settle(reply: SegmentReply): void {
    const { pending } = this;
    this.pending = null;
    if ('digest' in reply) pending?.resolve(reply.digest);
    else pending?.reject(Object.assign(new Error(reply.error.message), { code: reply.error.code }));
  }

  private end(reason: unknown): void {
    if (this.ended !== null) return;
    this.ended = { reason };
    this.signal.removeEventListener('abort', this.onAbort);
    this.pending?.reject(reason);
    this.pending = null;
    void this.worker.terminate();
  }
}

export type { SegmentDigest };

/* istanbul ignore file -- a coverage run would put counters into the source below, and they live outside of it */

/**
 * What runs inside the hashing thread.
 *
 * The thread is started from the *source text* of `segmentHashWorker` (`eval: true`) rather than from a file: the compiled program has
 * `segment-hash-worker.js` beside it, the tests have only TypeScript, and a worker thread does not inherit Jest's transformer. So this
 * function must be self-contained: it sees its three parameters, the globals of a worker, and nothing else of this file or any other. Types
 * are fine, imported values are not.
 */

/** Asks for the checksum of one stretch of the file. */
export interface SegmentRequest {
  readonly path: string;
  readonly offset: number;
  readonly lengthBytes: number;
  /** Unit in which to look for stretches that are all zero; 0: do not look. */
  readonly emptyUnitBytes: number;
}

export interface SegmentDigest {
  /** Lower-case hex. Of fewer bytes than asked for when the file ended. */
  readonly sha256: string;
  readonly bytesRead: number;
  /** Device, inode and time of birth of the file that was read. */
  readonly fileId: string;
  /** An aligned unit was all zero. */
  readonly sawEmptyUnit: boolean;
}

export type SegmentReply = { readonly digest: SegmentDigest } | { readonly error: { readonly code: string; readonly message: string } };

function segmentHashWorker(threads: typeof import('node:worker_threads'), fs: typeof import('node:fs'), crypto: typeof import('node:crypto')): void {
  const buffer = Buffer.allocUnsafe(2 * 1024 * 1024);

  const isEmpty = (from: number, to: number): boolean => {
    for (let at = from; at < to; at += 1) if (buffer[at] !== 0) return false;
    return true;
  };

  const hash = (request: SegmentRequest): SegmentDigest => {
    const fd = fs.openSync(request.path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    try {
      const stats = fs.fstatSync(fd, { bigint: true });
      if (!stats.isFile()) throw Object.assign(new Error(`${request.path} is not a regular file`), { code: 'EINVAL' });
      const sha256 = crypto.createHash('sha256');
      let bytesRead = 0;
      let sawEmptyUnit = false;
      while (bytesRead < request.lengthBytes) {
        const wanted = Math.min(buffer.length, request.lengthBytes - bytesRead);
        let filled = 0;
        while (filled < wanted) {
          const read = fs.readSync(fd, buffer, filled, wanted - filled, request.offset + bytesRead + filled);
          if (read === 0) break;
          filled += read;
        }
        const unit = request.emptyUnitBytes;
        for (let at = 0; unit > 0 && !sawEmptyUnit && at < filled; at += unit) sawEmptyUnit = isEmpty(at, Math.min(at + unit, filled));
        sha256.update(buffer.subarray(0, filled));
        bytesRead += filled;
        if (filled < wanted) break;
      }
      return { sha256: sha256.digest('hex'), bytesRead, fileId: `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`, sawEmptyUnit };
    } finally {
      fs.closeSync(fd);
    }
  };

  const port = threads.parentPort;
  port?.on('message', (request: SegmentRequest) => {
    let reply: SegmentReply;
    try {
      reply = { digest: hash(request) };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      reply = { error: { code, message: error instanceof Error ? error.message : String(error) } };
    }
    port.postMessage(reply);
  });
}

export const SEGMENT_HASH_WORKER_SOURCE = `(${segmentHashWorker.toString()})(require('node:worker_threads'), require('node:fs'), require('node:crypto'));`;

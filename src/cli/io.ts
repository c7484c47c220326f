import { readFile } from 'node:fs/promises';
import type { Profile } from '../contracts/profile';

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** Everything the CLI touches of its process: tests bring their own. */
export interface CliIo {
  /** Data only. */
  readonly stdout: OutputStream;
  /** Everything else: progress, hints, errors. */
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  /** Calls `handler` on Ctrl-C or SIGTERM until the returned function is called. */
  readonly onInterrupt: (handler: () => void) => () => void;
  readonly readFile: (path: string) => Promise<Buffer>;
  /** The consistency profiles that lie beside this program, for when nobody else can be asked about them; none where absent. */
  readonly shippedProfiles?: () => Promise<readonly Profile[]>;
}

export function processIo(): CliIo {
  return {
    stdout: quietAfterBrokenPipe(process.stdout),
    stderr: quietAfterBrokenPipe(process.stderr),
    env: process.env,
    now: () => new Date(),
    onInterrupt: (handler) => {
      process.on('SIGINT', handler);
      process.on('SIGTERM', handler);
      return () => {
        process.off('SIGINT', handler);
        process.off('SIGTERM', handler);
      };
    },
    readFile: (path) => readFile(path),
  };
}

/** `modosu run list | head`: the reader has seen enough, and that is no error. */
function quietAfterBrokenPipe(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const guarded = stream as NodeJS.WriteStream & { modosuGuarded?: boolean };
  if (guarded.modosuGuarded !== true) {
    guarded.modosuGuarded = true;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return stream;
}

export const line = (stream: OutputStream, text: string): void => {
  stream.write(`${text}\n`);
};

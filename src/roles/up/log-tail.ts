import { open } from 'node:fs/promises';
import { redactLine } from '../../config/log';

const TAIL_BYTES = 4096;

/** The last lines of a log, on one line, for an error message. Empty when there is none. */
export async function lastLines(path: string, count = 3): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const length = Math.min(size, TAIL_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      const lines = buffer.toString('utf8', 0, bytesRead).split('\n').filter((line) => line.trim() !== '');
      return redactLine(lines.slice(-count).join(' | ')).slice(-1500);
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}

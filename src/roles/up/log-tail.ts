import { redact } from '../../contracts/redact';
import { readEnd } from '../../system/files';

const TAIL_BYTES = 4096;

/** The last lines of a log, on one line, for an error message. Empty when there is none. */
export async function lastLines(path: string, count = 3): Promise<string> {
  try {
    const { text } = await readEnd(path, TAIL_BYTES);
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return redact(lines.slice(-count).join(' | ')).slice(-1500);
  } catch {
    return '';
  }
}

/** What set-up says: plain lines, because they end up in terminals, logs and CI output alike. */
import { ProgramFailed } from './programs.mjs';

const REPORT_EVERY_MS = 10_000;
const LINE_WIDTH = 100;
/** Titles of the long parts that are under way. */
const under = new Set();

/** A problem that a person has to solve: the message is all they see. */
export class SetupStopped extends Error {}

export const say = (line) => process.stderr.write(`${line}\n`);

/** Elapsed time for people: "8 s", "2 min 05 s". */
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/**
 * Runs a long part: a line at its start with the expected duration, about every 10 s one with the elapsed time and
 * the last output, one at its end. `work` gets a function that takes output lines.
 * When it fails, the end of its output is shown, then `advice`: what to do next.
 */
export async function longPart(title, { expected, advice }, work) {
  const startedAt = Date.now();
  let last = '';
  /** Says whose line it is where several parts are under way. */
  const sayOf = (line) => say(under.size > 1 ? `  ${title}: ${line}` : `  ${line}`);
  under.add(title);
  say(`${title} (about ${expected})`);
  const timer = setInterval(() => {
    sayOf(`… ${duration(Date.now() - startedAt)}${last === '' ? '' : `  ${last}`}`);
  }, REPORT_EVERY_MS);
  try {
    const result = await work((line) => (last = printable(line)));
    sayOf(`done in ${duration(Date.now() - startedAt)}`);
    return result;
  } catch (error) {
    if (error instanceof SetupStopped) throw error;
    const output = error instanceof ProgramFailed && error.output !== '' ? `\n${indent(error.output)}` : '';
    throw new SetupStopped(`${title}: failed after ${duration(Date.now() - startedAt)}.\n  ${error.message}${output}\nWhat to do: ${advice}`);
  } finally {
    clearInterval(timer);
    under.delete(title);
  }
}

export const indent = (text) =>
  text
    .split('\n')
    .map((line) => `  | ${line}`)
    .join('\n');

/** Output of programs is shown without control characters, cut to one line. */
function printable(line) {
  const plain = line
    .replace(/\p{Cc}\[[0-9;?]*[A-Za-z]/gu, '')
    .replace(/\p{Cc}/gu, ' ')
    .trim();
  return plain.length > LINE_WIDTH ? `${plain.slice(0, LINE_WIDTH - 1)}…` : plain;
}

import { ModosuError } from '../../contracts/errors';
import { sha256Of } from '../../system/sha256';
import type { RawFact } from './fact-entries';
import { isHashLine, parseHashes } from './parse-hashes';

/** The lines of crontabs of the system name a user behind the schedule. */
const OF_THE_SYSTEM = /^\/etc\/(crontab$|cron\.d\/)/;
/** Numbers and English names, in lists, ranges and steps; nothing that could be the beginning of a command. */
const PART = '(?:\\*|\\?|\\d{1,2}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)';
const FIELD = `${PART}(?:[-/,~]${PART})*`;
const SCHEDULE = new RegExp(`^(@[a-z]{3,20}|${Array(5).fill(FIELD).join('[ \\t]+')})[ \\t]+(\\S.*)$`, 'i');
const ASSIGNMENT = /^["']?[A-Za-z_]\w*["']?\s*=/;
const ENVIRONMENT = 'environment';

/**
 * Lines of crontabs, each behind the path of its file and a colon, and lines of `sha256sum` of scripts: the two are told apart by how they begin. What is run
 * stands there only as a hash: command lines may hold what is secret. Commands with the same schedule are one task.
 */
export function parseTasks(lines: readonly string[]): readonly RawFact[] {
  const commands = new Map<string, string[]>();
  const scripts = parseHashes(lines);
  for (const line of lines) {
    const [, path, text = ''] = /^(\/[^:]+):\s*(\S.*)$/.exec(line) ?? [];
    if (path === undefined) {
      if (isHashLine(line)) continue;
      throw new ModosuError('FACTS_NOT_COLLECTED', 'The guest gave a list of scheduled tasks that cannot be read.');
    }
    const [task, command] = taskIn(path, text);
    const key = `${path}: ${task}`;
    commands.set(key, [...(commands.get(key) ?? []), command]);
  }
  return [
    ...[...commands].map(([key, said]): RawFact => [key, described(key, said)]),
    ...[...scripts].map(([path, hash]): RawFact => [path, `sha256 ${hash}`]),
  ];
}

/** What is no task belongs to the environment of those below it. */
function taskIn(path: string, text: string): readonly [task: string, command: string] {
  if (ASSIGNMENT.test(text)) return [ENVIRONMENT, text];
  if (path === '/etc/anacrontab') {
    const [, period, wait, name, command] = /^(\d+|@[a-z]+)\s+(\d+)\s+(\S+)\s+(\S.*)$/.exec(text) ?? [];
    return command === undefined ? [ENVIRONMENT, text] : [`${name} every ${period}, after ${wait} min`, command];
  }
  const [, schedule, command = ''] = SCHEDULE.exec(text) ?? [];
  if (schedule === undefined) return [ENVIRONMENT, text];
  const when = schedule.split(/\s+/).join(' ');
  if (!OF_THE_SYSTEM.test(path)) return [when, command];
  const [, user, inner] = /^([\w.-]{1,64})\s+(\S.*)$/.exec(command) ?? [];
  return user === undefined || inner === undefined ? [ENVIRONMENT, text] : [`${when} ${user}`, inner];
}

const described = (key: string, said: readonly string[]): string => {
  // The order of assignments counts, that of commands with one schedule does not.
  const isEnvironment = key.endsWith(`: ${ENVIRONMENT}`);
  const hash = `sha256 ${sha256Of((isEnvironment ? said : [...said].sort()).join('\n'))}`;
  return said.length === 1 || isEnvironment ? hash : `${said.length} commands, ${hash}`;
};

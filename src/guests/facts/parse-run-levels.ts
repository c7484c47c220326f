import { posix } from 'node:path';
import { sha256Of } from '../../system/sha256';
import type { RawFact } from './fact-entries';

/** Where systems without systemd say what is started; those that are not there are no matter. Their entries are at most two levels below. */
export const RUN_LEVEL_DIRECTORIES = ['/etc/init.d', '/etc/rc.d', ...[...'0123456S'].map((level) => `/etc/rc${level}.d`), '/etc/runlevels'] as const;

/** Paths of scripts, and of the links that start them: System V's and OpenRC's. */
export function parseRunLevels(paths: readonly string[]): readonly RawFact[] {
  const levels = new Map<string, string[]>();
  for (const path of paths) {
    const [, script] = /^\/etc\/(?:rc\.d\/)?init\.d\/([^/]+)$/.exec(path) ?? [];
    const [, systemV, started] = /^\/etc\/(?:rc\.d\/)?rc([0-6S])\.d\/S\d\d([^/]+)$/.exec(path) ?? [];
    const [, openRc, added] = /^\/etc\/runlevels\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    const name = script ?? started ?? added;
    if (name === undefined) continue;
    const level = systemV ?? openRc;
    levels.set(name, [...(levels.get(name) ?? []), ...(level === undefined ? [] : [level])]);
  }
  return [...levels].map(([name, at]) => [name, at.length === 0 ? 'a script, in no runlevel' : `started in ${[...new Set(at)].sort().join(', ')}`]);
}

/** inittab(5), of System V's init and of busybox's. Command lines may hold what is secret: their hash is all that is kept of them. */
export const parseInittab = (lines: readonly string[]): readonly RawFact[] =>
  lines.flatMap((line): readonly RawFact[] => {
    const [, id, levels = '', action = '', command = ''] = /^\s*([^#:\s]*):([^:]*):([a-z]+):(.*)$/.exec(line) ?? [];
    if (id === undefined) return [];
    const program = posix.basename(command.trim().replace(/^-/, '').split(/\s/)[0] ?? '');
    const at = levels === '' ? [] : [`in ${levels}`];
    return [[['inittab', id, program].filter((word) => word !== '').join(' '), [action, ...at, `sha256 ${sha256Of(command.trim())}`].join(', ')]];
  });

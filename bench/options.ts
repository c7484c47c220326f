import { parseArgs } from 'node:util';
import type { DataSizes } from './data-guest';
import { PARTS, type Part } from './document';

const MODES = ['online', 'offline'] as const;
const MIB = 1024 * 1024;
const USAGE =
  'Usage: npm run bench [-- [images] [increments] [data] [rules] [judging] [--rounds 1..100] [--print] [--mode online|offline] [--files N] [--files-mib N] [--database-mb N] [--idle-wait SECONDS]]';

export interface Options {
  readonly parts: readonly Part[];
  readonly rounds: number;
  /** Of whole images; `offline` measures the other way to take one, and nothing is written then. */
  readonly mode: (typeof MODES)[number];
  readonly sizes: DataSizes;
  /** How long each side waits for an idle machine. */
  readonly idleWaitMs: number;
  readonly writes: boolean;
}

/** From the command line; throws what one may say there. */
export function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      mode: { type: 'string', default: 'online' },
      files: { type: 'string', default: '10000' },
      'files-mib': { type: 'string', default: '1024' },
      'database-mb': { type: 'string', default: '500' },
      'idle-wait': { type: 'string', default: '45' },
      print: { type: 'boolean', default: false },
    },
  });
  const whole = (text: string, least: number, most: number): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) throw new Error(USAGE);
    return value;
  };
  const mode = MODES.find((known) => known === values.mode);
  if (mode === undefined || positionals.some((name) => PARTS.every((part) => part !== name))) throw new Error(USAGE);
  return {
    parts: PARTS.filter((part) => positionals.length === 0 || positionals.includes(part)),
    rounds: whole(values.rounds, 1, 100),
    mode,
    sizes: {
      files: whole(values.files, 100, 100_000),
      fileBytes: whole(values['files-mib'], 1, 65_536) * MIB,
      databaseBytes: whole(values['database-mb'], 1, 65_536) * 1_000_000,
    },
    idleWaitMs: whole(values['idle-wait'], 0, 3_600) * 1000,
    writes: !values.print && mode === 'online',
  };
}

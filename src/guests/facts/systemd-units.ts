import { ModosuError } from '../../contracts/errors';
import type { FactSource } from './fact-source';
import { linesOf } from './fact-files';
import { parseUnitFiles, parseUnits, UNIT_PROPERTIES, type Unit } from './parse-systemd';

export interface KnownUnits {
  readonly files: ReadonlyMap<string, string>;
  readonly units: readonly Unit[];
  readonly truncated: boolean;
}

/** What systemd says of services, sockets and timers, asked for once for all sections that show some of it. */
export class SystemdUnits {
  private asked: Promise<KnownUnits | null> | null = null;

  constructor(private readonly source: FactSource) {}

  /** Null: the guest was not started by systemd. */
  units(): Promise<KnownUnits | null> {
    return (this.asked ??= this.ask());
  }

  private async ask(): Promise<KnownUnits | null> {
    if ((await this.source.needed('/proc/1/comm')).text.trim() !== 'systemd') return null;
    const files = await this.source.mustRun(['systemctl', 'list-unit-files', '--no-legend', '--no-pager', '--full', '--type=service,socket,timer']);
    // Without --all those that do not run are left out.
    const units = await this.source.mustRun([
      'systemctl',
      'show',
      '--no-pager',
      '--all',
      `--property=${UNIT_PROPERTIES.join(',')}`,
      '*.service',
      '*.socket',
      '*.timer',
    ]);
    const states = parseUnitFiles(linesOf({ text: files.stdout, truncated: files.truncated }));
    if (states.size === 0) throw new ModosuError('FACTS_NOT_COLLECTED', 'systemctl in the guest names no unit.', { context: { program: 'systemctl' } });
    return {
      files: states,
      units: parseUnits(units.stdout),
      truncated: files.truncated || units.truncated,
    };
  }
}

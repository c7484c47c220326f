import type { RawFact } from './fact-entries';

/** Of `systemctl show`. */
export const UNIT_PROPERTIES = [
  'Id',
  'LoadState',
  'ActiveState',
  'SubState',
  'UnitFileState',
  'Type',
  'RemainAfterExit',
  'TriggeredBy',
  'Triggers',
  'Transient',
  'TimersCalendar',
  'TimersMonotonic',
] as const;

type Property = (typeof UNIT_PROPERTIES)[number];

/** A unit in systemd's memory. */
export type Unit = Readonly<Partial<Record<Property, string>>> & { readonly schedule: readonly string[] };

/** `systemctl list-unit-files --no-legend`: states of unit files, by name. Other names of a unit are left out, and so is what a program has made for a moment. */
export function parseUnitFiles(lines: readonly string[]): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  for (const line of lines) {
    const [, name, state] = /^\s*([^\s/]+\.(?:service|socket|timer))\s+([a-z-]+)(?:\s|$)/.exec(line) ?? [];
    if (name !== undefined && state !== undefined && state !== 'alias' && state !== 'transient') states.set(name, state);
  }
  return states;
}

/** `systemctl show` of several units: `Name=value` in blocks with an empty line between them. */
export function parseUnits(text: string): readonly Unit[] {
  return text.split(/\n\n+/).flatMap((block): readonly Unit[] => {
    const unit: Partial<Record<Property, string>> = {};
    const schedule: string[] = [];
    for (const line of block.split('\n')) {
      const [, name = '', value = ''] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
      if (name.startsWith('Timers')) schedule.push(...scheduleIn(value));
      else if ((UNIT_PROPERTIES as readonly string[]).includes(name)) unit[name as Property] = value;
    }
    const isReal = (unit.LoadState === 'loaded' || unit.LoadState === 'masked') && unit.Transient !== 'yes';
    return isReal ? [{ ...unit, schedule }] : [];
  });
}

/** `{ OnCalendar=*-*-* 06,18:00:00 ; next_elapse=… }`: without the time of the next one. */
const scheduleIn = (value: string): readonly string[] =>
  [...value.matchAll(/\{ (On[A-Za-z]+=.*?) ; next_elapse=/g)].map(([, when = '']) => when.replace('OnCalendar=', ''));

/** Services and sockets. */
export const serviceFacts = (files: ReadonlyMap<string, string>, units: readonly Unit[]): readonly RawFact[] =>
  known(files, units, /\.(service|socket)$/).map(({ name, state, unit }) => [name, [state, ...runningOf(state, unit)].join(', ')]);

export const timerFacts = (files: ReadonlyMap<string, string>, units: readonly Unit[]): readonly RawFact[] =>
  known(files, units, /\.timer$/).map(({ name, state, unit }) => {
    const starts = unit?.Triggers === undefined || unit.Triggers === '' ? [] : [`starts ${unit.Triggers}`];
    return [name, [...[...(unit?.schedule ?? [])].sort(), ...starts, state, ...(unit?.ActiveState === 'active' ? ['active'] : [])].join(', ')];
  });

const isEnabled = (state: string): boolean => state.startsWith('enabled') || state === 'generated';

/**
 * What has a file, and of what has none (instances of templates) what is started with the system: others come and go with sessions and connections. What
 * systemd has not in its memory does not run.
 */
function known(
  files: ReadonlyMap<string, string>,
  units: readonly Unit[],
  like: RegExp,
): readonly { readonly name: string; readonly state: string; readonly unit: Unit | undefined }[] {
  const loaded = new Map(units.flatMap((unit) => (unit.Id === undefined ? [] : [[unit.Id, unit] as const])));
  const instances = units.filter(({ Id = '', UnitFileState = '' }) => !files.has(Id) && isEnabled(UnitFileState));
  const states = new Map([...files, ...instances.map(({ Id = '', UnitFileState = '' }) => [Id, UnitFileState] as const)]);
  return [...states].filter(([name]) => like.test(name)).map(([name, state]) => ({ name, state, unit: loaded.get(name) }));
}

/**
 * Nothing for what runs only when it is used or due (`Type=oneshot`, started by D-Bus, a socket or a timer; static units are parts of others), which would make
 * each generation another one; but that it has failed is said of all. Of what is not started with the system only that it runs is said: whether systemd still
 * remembers it says nothing.
 */
function runningOf(state: string, unit: Unit | undefined): readonly string[] {
  if (unit === undefined) return [];
  const word = wordFor(unit);
  if (word === 'failed') return [word];
  const isOneShot = unit.Type === 'oneshot' && unit.RemainAfterExit !== 'yes';
  if (isOneShot || state === 'static' || state === 'masked') return [];
  if (isEnabled(state)) return [word];
  const isOnDemand = unit.Type === 'oneshot' || unit.Type === 'dbus' || (unit.TriggeredBy ?? '') !== '';
  return isOnDemand || word === 'stopped' ? [] : [word];
}

/** A state between two is that which comes next. */
function wordFor({ Id = '', Type, ActiveState = '', SubState }: Unit): 'running' | 'active' | 'stopped' | 'failed' {
  // A socket "runs" while it hands over a connection.
  const up = Id.endsWith('.socket') || Type === 'oneshot' || SubState === 'exited' ? 'active' : 'running';
  switch (ActiveState) {
    case 'active':
    case 'reloading':
    case 'refreshing':
      return up;
    case 'activating':
      return SubState === 'auto-restart' ? 'failed' : up;
    case 'failed':
      return 'failed';
    default:
      return 'stopped';
  }
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes for people: `165 MiB`, `1.5 GiB`. Binary units, at most one decimal, rounded to the nearest. */
export const formatBytes = (bytes: number): string => inUnits(bytes, (value, digits) => value.toFixed(digits));

/** As `formatBytes`, never less than there are: for what somebody is told to free. */
export const formatBytesNeeded = (bytes: number): string => inUnits(bytes, (value, digits) => (Math.ceil(value * 10 ** digits) / 10 ** digits).toFixed(digits));

function inUnits(bytes: number, rounded: (value: number, digits: number) => string): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${rounded(value, digits).replace(/\.0$/, '')} ${UNITS[unit] ?? 'B'}`;
}

/** Seconds for people: `8 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 86_400) return joined(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min');
  return joined(Math.floor(whole / 86_400), 'd', Math.floor((whole % 86_400) / 3600), 'h');
}

const joined = (major: number, majorUnit: string, minor: number, minorUnit: string): string =>
  minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;

export const describeAge = (since: string, now: Date): string => formatDuration((now.getTime() - Date.parse(since)) / 1000);

import { formatBytes, formatDuration } from '../../contracts/format';
import type { StepProgress } from '../../contracts/run';

/** `43 % of 165 MiB`. */
export const shareText = ({ doneBytes, totalBytes }: Pick<StepProgress, 'doneBytes' | 'totalBytes'>): string =>
  totalBytes > 0 ? `${Math.floor((Math.min(doneBytes, totalBytes) / totalBytes) * 100)} % of ${formatBytes(totalBytes)}` : formatBytes(doneBytes);

/** `120 MiB/s`, `about 5 s left`: what can be said of them. */
export function rateWords(bytesPerSecond: number | null, secondsLeft: number | null): string[] {
  if (bytesPerSecond === null || bytesPerSecond <= 0) return [];
  return [`${formatBytes(bytesPerSecond)}/s`, ...(secondsLeft === null ? [] : [`about ${formatDuration(secondsLeft)} left`])];
}

export const stalledText = (seconds: number): string => `stalled for ${formatDuration(seconds)}`;

/** Share, rate and time left of one disk, or for how long nothing has moved. */
export function progressText(progress: StepProgress, now: Date): string {
  const { bytesPerSecond, secondsLeft, stalledSince } = progress;
  const pace = stalledSince === null ? rateWords(bytesPerSecond, secondsLeft) : [stalledText((now.getTime() - Date.parse(stalledSince)) / 1000)];
  return [shareText(progress), ...pace].join(', ');
}

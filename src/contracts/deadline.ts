import type { ModosuError } from './errors';

/** The promise's result, or what `late` says after `timeoutMs`. What runs on behind it is not waited for. */
export async function withinDeadline<T>(work: Promise<T>, timeoutMs: number, late: () => ModosuError): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), timeoutMs);
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(timer);
  }
}

import { ModosuError } from '../../contracts/errors';

/** The promise's result, or `HYPERVISOR_COMMAND_TIMED_OUT` after `timeoutMs`. What runs on behind it is not waited for. */
export async function withinDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ModosuError('HYPERVISOR_COMMAND_TIMED_OUT', `${what} took longer than ${Math.round(timeoutMs / 1000)} s.`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

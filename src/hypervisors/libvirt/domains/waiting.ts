const EVERY_MS = 2_000;

/** Calls `onWaiting` now and every two seconds until `work` has ended: a call to libvirt may take longer than callers want to go without a sign of life. */
export async function keepSaying<T>(onWaiting: (() => void) | undefined, work: Promise<T>): Promise<T> {
  onWaiting?.();
  const timer = setInterval(() => onWaiting?.(), EVERY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/**
 * The first SIGTERM or SIGINT asks for an orderly end: the signal of the result aborts. A second one ends the process at once, with 130 for SIGINT and 143 for
 * SIGTERM, as a shell would.
 */
export function shutdownSignal(): AbortSignal {
  const controller = new AbortController();
  for (const [name, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCode);
      controller.abort(name);
    });
  }
  return controller.signal;
}

/** Resolves when the signal aborts; at once when it has. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

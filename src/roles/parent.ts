import type { ErrorSummary } from '../contracts/errors';

/** What a role tells the supervisor that started it, over Node's channel to a parent process. */
export type ChildMessage = { readonly type: 'ready' } | { readonly type: 'failed'; readonly error: ErrorSummary };

/** Started by hand, without a supervisor: nothing. Resolves when the message is on its way. */
export function tellParent(message: ChildMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, undefined, undefined, () => resolve());
  });
}

export const isChildMessage = (value: unknown): value is ChildMessage =>
  typeof value === 'object' && value !== null && 'type' in value && (value.type === 'ready' || (value.type === 'failed' && 'error' in value));

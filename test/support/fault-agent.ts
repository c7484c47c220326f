import type { CommandResult, GuestAgent, GuestProgram } from '../../src/guests/guest-agent';

export class CallerDied extends Error {
  constructor() {
    super('the caller died');
  }
}

export interface Faults {
  /** Before a program starts; what it throws is thrown. `call` counts from 1. */
  readonly before?: (argv: readonly string[], call: number, input: GuestProgram['input']) => Promise<void> | void;
  /** After a program has started, or, for short ones, ended. */
  readonly after?: (argv: readonly string[], call: number, pid: number | null, input: GuestProgram['input']) => Promise<void> | void;
}

/** Wraps a guest agent so that a test can step in between its calls. */
export function faultAgent(agent: GuestAgent, { before, after }: Faults): GuestAgent & { readonly calls: readonly (readonly string[])[] } {
  const calls: (readonly string[])[] = [];
  const wrapped = Object.create(agent) as GuestAgent & { calls: (readonly string[])[] };
  wrapped.calls = calls;
  wrapped.exec = async (argv, options): Promise<CommandResult> => {
    const call = calls.push(argv);
    await before?.(argv, call, options.input);
    const result = await agent.exec(argv, options);
    await after?.(argv, call, null, options.input);
    return result;
  };
  wrapped.start = async (program: GuestProgram, options): Promise<number> => {
    const call = calls.push(program.argv);
    await before?.(program.argv, call, program.input);
    const pid = await agent.start(program, options);
    await after?.(program.argv, call, pid, program.input);
    return pid;
  };
  return wrapped;
}

/**
 * An agent whose caller dies after its `last`th program, or the first that is like `last`: nothing gets through any more, as when a worker is killed. What it
 * has started goes on in the guest.
 */
export function dyingAgent(
  agent: GuestAgent,
  last: number | ((argv: readonly string[], input: string) => boolean),
): GuestAgent & { readonly calls: readonly (readonly string[])[] } {
  let dead = false;
  const wrapped = faultAgent(agent, {
    before: (_argv, call) => {
      dead ||= typeof last === 'number' && call > last;
      if (dead) throw new CallerDied();
    },
    after: (argv, _call, _pid, input) => {
      dead ||= typeof last !== 'number' && last(argv, String(input ?? ''));
    },
  });
  for (const method of ['outcome', 'readFile'] as const) {
    const original = agent[method].bind(agent) as (...args: unknown[]) => Promise<never>;
    Object.assign(wrapped, {
      [method]: async (...args: unknown[]) => {
        if (dead) throw new CallerDied();
        return original(...args);
      },
    });
  }
  return wrapped;
}

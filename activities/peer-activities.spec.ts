import { MockActivityEnvironment } from '@temporalio/testing';
import { ERROR_CODES } from '../src/contracts/error-codes';
import { ModosuError } from '../src/contracts/errors';
import type { MarkerSpec } from '../src/contracts/profile';
import type { ProbeJob } from '../src/contracts/reading';
import type { CommandResult, GuestAgent } from '../src/guests/guest-agent';
import { readMarkers } from '../src/probes/read-markers';
import { boundedProgram } from '../test/support/bounded-program';
import { madeUpMarker } from '../test/support/made-up-relations';
import { relationLab, type RelationLab } from '../test/support/relation-lab';
import { PeerCalls } from './peer-activities';

const SIDES = [
  { relation: 'standby', peer: 'db02', of: 'peer' },
  { relation: 'second', peer: 'db02', of: 'peer' },
] as const;
const text = (name: string): MarkerSpec => madeUpMarker(name, { type: 'text', probe: { kind: 'command', argv: ['/usr/bin/ask', name] } });
const FACT = madeUpMarker('identity', { type: 'text', probe: { kind: 'fact', fact: 'generation-id' } });

type Answer = Partial<CommandResult> | Error;
/** Answers by the last argument of a program. */
const agentThat = (answer: (asked: string, maxOutputBytes: number | undefined) => Answer | Promise<Answer>): GuestAgent =>
  ({
    exec: async (argv: readonly string[], { maxOutputBytes }: { readonly maxOutputBytes?: number }) => {
      const said = await answer(boundedProgram(argv).at(-1) ?? '', maxOutputBytes);
      if (said instanceof Error) throw said;
      return { exitCode: 0, stdout: '', stderr: '', truncated: false, ...said };
    },
  }) as unknown as GuestAgent;

interface Host {
  readonly inspect?: () => Promise<{ readonly generationId: string | null }>;
}

async function asked(specs: readonly MarkerSpec[], agent: GuestAgent, { inspect }: Host = {}) {
  const lab = await relationLab([], {
    readMarkers,
    hypervisor: async (name: string) => {
      if (name !== 'hv1') throw new ModosuError('HYPERVISOR_NOT_CONFIGURED', `no ${name}`);
      return { guestAgent: () => agent, inspect: inspect ?? (() => Promise.reject(new Error('nobody needs to look'))) } as never;
    },
  });
  const job = await jobOf(lab, specs);
  const counts = await (new MockActivityEnvironment().run(() => new PeerCalls(lab.deps).readMarkers(job)) as Promise<unknown>);
  const sides = await lab.catalog.readingsOf('run_1');
  return { counts, sides, readings: sides[0]?.readings ?? {} };
}

async function jobOf({ catalog }: RelationLab, specs: readonly MarkerSpec[]): Promise<ProbeJob> {
  const { id, name, uuid, hypervisor } = await catalog.getServer('db02');
  return { occasion: 'run_1', sides: SIDES, target: { serverId: id, serverName: name, uuid, hypervisor, address: null }, specs };
}

describe('markers of one server', () => {
  it('are read once and written down for every side that asks', async () => {
    const calls: string[] = [];
    const agent = agentThat((name) => (calls.push(name), { stdout: `${name} says\n` }));
    const { counts, sides } = await asked([text('one'), text('two')], agent);
    expect([counts, calls]).toEqual([{ read: 2, failed: 0 }, ['one', 'two']]);
    expect(sides.map(({ relation }) => relation)).toEqual(['second', 'standby']);
    expect(sides[0]?.readings).toEqual(sides[1]?.readings);
    expect(sides[0]?.readings['two']).toMatchObject({ state: 'read', value: 'two says', raw: 'two says\n' });
  });

  it('that fail are written down with why, and take nothing from the others', async () => {
    const agent = agentThat((name) => {
      if (name === 'silent') return new ModosuError('AGENT_SILENT', 'The agent of db02 does not answer.');
      return name === 'bad' ? { exitCode: 3, stderr: 'no such database\n' } : { stdout: 'fine\n' };
    });
    const { counts, readings } = await asked([text('silent'), text('bad'), text('fine')], agent);
    expect(counts).toEqual({ read: 1, failed: 2 });
    expect(readings).toMatchObject({
      silent: { state: 'failed', code: 'AGENT_SILENT' },
      bad: { state: 'failed', code: 'PROBE_FAILED', message: expect.stringContaining('no such database') },
      fine: { state: 'read', value: 'fine' },
    });
  });

  it('with values beyond 16 KiB are too large; up to there they are kept whole', async () => {
    const agent = agentThat((name) => ({ stdout: name.startsWith('large') ? 'x'.repeat(16 * 1024 + 1) : 'é'.repeat(8 * 1024) }));
    const { readings } = await asked([text('large'), text('fits')], agent);
    expect(readings['large']).toMatchObject({ state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE', message: expect.stringContaining('more than 16 KiB: xxx') });
    expect(ERROR_CODES.PROBE_OUTPUT_TOO_LARGE.hint).toContain('a value has at most 16 KiB');
    expect(readings['fits']).toMatchObject({ state: 'read', value: 'é'.repeat(8 * 1024) });
    expect((readings['fits'] as { readonly raw: string }).raw.length).toBeLessThanOrEqual(1024);
  });

  it('of a probe that prints 100 MB are bounded where it is run, and what is cut is no value', async () => {
    const bounds: (number | undefined)[] = [];
    const flood = 'x'.repeat(1024 * 1024);
    const agent = agentThat((_name, maxOutputBytes) => (bounds.push(maxOutputBytes), { stdout: flood.slice(0, maxOutputBytes), truncated: true }));
    const { readings } = await asked([text('flood')], agent);
    expect(bounds[0]).toBeLessThanOrEqual(128 * 1024);
    expect(readings['flood']).toMatchObject({ state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE' });
    expect(JSON.stringify(readings).length).toBeLessThan(2_000);
  });

  it('with hostile text are no value, or are evidence that steers nothing', async () => {
    const agent = agentThat((name) => ({ stdout: name === 'escape' ? 'a\u001b[2Jb' : name === 'nul' ? 'a\u0000b' : `${'😀'.repeat(600)}\n` }));
    const { readings } = await asked([text('escape'), text('nul'), text('wide')], agent);
    expect(readings).toMatchObject({ escape: { state: 'failed', code: 'MARKER_UNREADABLE' }, nul: { state: 'failed', code: 'MARKER_UNREADABLE' } });
    expect(JSON.stringify(readings)).not.toMatch(/\\u001b|\\u0000|\\ud83d(?!\\ude00)/);
    expect(readings['wide']).toMatchObject({ state: 'read', value: '😀'.repeat(600) });
    expect((readings['wide'] as { readonly raw: string }).raw).toMatch(/^(?:😀)+.?$/u);
  });

  it('that came too late are asked for once more, unless the agent is silent', async () => {
    const late = (code: 'AGENT_SILENT' | 'AGENT_COMMAND_FAILED') =>
      new Promise<Error>((resolve) => setTimeout(() => resolve(new ModosuError(code, 'sh had not ended')), 1_050));
    const ask = async (names: readonly string[]) => {
      const calls: string[] = [];
      const agent = agentThat((name) => {
        calls.push(name);
        if (name === 'silent') return late('AGENT_SILENT');
        if (name === 'never' || calls.filter((call) => call === name).length === 1) return late('AGENT_COMMAND_FAILED');
        return name === 'bad' ? { exitCode: 3 } : { stdout: 'in the end' };
      });
      const { readings } = await asked(
        names.map((name) => ({ ...text(name), timeoutSeconds: 1 })),
        agent,
      );
      return { calls, readings };
    };
    const { calls, readings } = await ask(['busy', 'never', 'bad']);
    expect(calls).toEqual(['busy', 'never', 'bad', 'busy', 'never', 'bad']);
    expect(readings).toMatchObject({
      busy: { state: 'read', value: 'in the end' },
      never: { state: 'failed', code: 'PROBE_TIMED_OUT', message: 'There was no answer within 1 s.' },
      bad: { state: 'failed', code: 'PROBE_FAILED' },
    });
    const beside = await ask(['busy', 'silent']);
    expect(beside.calls).toEqual(['busy', 'silent']);
    expect(beside.readings).toMatchObject({ busy: { code: 'PROBE_TIMED_OUT' }, silent: { code: 'AGENT_SILENT' } });
  });

  it('are ended by their own time when a probe hangs; the others are read meanwhile', async () => {
    const agent = agentThat((name) => (name === 'hangs' ? new Promise<never>(() => undefined) : { stdout: 'fine' }));
    const { counts, readings } = await asked([{ ...text('hangs'), timeoutSeconds: 1 }, text('fine')], agent);
    expect([counts, readings['hangs']]).toMatchObject([
      { read: 1, failed: 1 },
      { state: 'failed', code: 'PROBE_TIMED_OUT' },
    ]);
  });
});

describe('the generation id', () => {
  const agent = agentThat(() => new Error('no program is needed'));

  it('is that of the definition, or none', async () => {
    const of = async (generationId: string | null) => (await asked([FACT], agent, { inspect: async () => ({ generationId }) })).readings['identity'];
    expect(await of('3F0C9C1E-1111-4222-8333-444455556666')).toMatchObject({ state: 'read', value: '3f0c9c1e-1111-4222-8333-444455556666' });
    expect(await of(null)).toMatchObject({ state: 'read', value: 'none' });
  });

  it('is not known where the hypervisor does not tell: never "none"', async () => {
    const inspect = () => Promise.reject(new ModosuError('SERVER_GONE', 'There is no db02.'));
    const { counts, readings } = await asked([FACT], agent, { inspect });
    expect([counts, readings['identity']]).toMatchObject([
      { read: 0, failed: 1 },
      { state: 'failed', code: 'PROBE_FAILED' },
    ]);
  });

  it('is looked for only where a marker asks for it', async () => {
    expect(
      (
        await asked(
          [text('one')],
          agentThat(() => ({ stdout: 'fine' })),
        )
      ).counts,
    ).toEqual({ read: 1, failed: 0 });
  });
});

describe('a program in a peer', () => {
  const run = async (agent: Partial<GuestAgent>) => {
    const lab = await relationLab([], { hypervisor: async () => ({ guestAgent: () => agent }) as never });
    const { target } = await jobOf(lab, []);
    const work = () => new PeerCalls(lab.deps).runInPeer(target, { argv: ['/usr/bin/rebuild', 'db02'], timeoutSeconds: 5 });
    return new MockActivityEnvironment().run(work) as Promise<unknown>;
  };
  const ends = (result: Partial<CommandResult>) => ({
    exec: async () => ({ exitCode: 1, stdout: '', stderr: '', truncated: false }),
    start: async () => 7,
    outcome: async () => ({ exitCode: 0, stdout: '', stderr: '', truncated: false, ...result }),
  });

  it('is done when it ends well, and for people when it does not, with its last words', async () => {
    expect(await run(ends({}))).toEqual({ isApplied: true, evidence: 'exit code 0' });
    expect(await run(ends({ exitCode: 4, stderr: 'no room\u001b[31m left\n' }))).toEqual({ isApplied: false, evidence: 'exit code 4: no room [31m left' });
  });

  it('is for people where its agent refuses or is silent', async () => {
    const refuses = { ...ends({}), start: () => Promise.reject(new ModosuError('GUEST_COMMAND_FORBIDDEN', 'guest-exec is switched off')) };
    expect(await run(refuses)).toMatchObject({ isApplied: false, evidence: expect.stringContaining('GUEST_COMMAND_FORBIDDEN') });
    const silent = { ...ends({}), start: () => Promise.reject(new ModosuError('AGENT_SILENT', 'nobody answers')) };
    expect(await run(silent)).toMatchObject({ isApplied: false, evidence: 'AGENT_SILENT: nobody answers' });
  });
});

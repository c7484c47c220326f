import { ModosuError } from '../../contracts/errors';
import type { ApiClient } from '../api-client';
import type { CliIo } from '../io';
import { waitForChangeImage } from './change-image';
import { waitForJudgements } from './judgements';
import { Patience, patientGet } from './patience';
import { PlanWaits } from './plan-waits';
import { waitForRestoreSet } from './restore-set';
import { waitForBackupSet, waitForPlan, waitForTransfer, waitForVerification } from './waiting';

const AWAY = new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer.');
const BROKEN = new ModosuError('API_UNREACHABLE', 'The API does not answer.');
const GONE = new ModosuError('RESTORE_SET_NOT_FOUND', 'There is none.');
const options = { timeoutMs: 20_000 };
const note = (): void => undefined;

function terminal(): { readonly io: CliIo; readonly said: string[] } {
  const said: string[] = [];
  const stderr = { write: (text: string) => said.push(text) };
  const io: CliIo = { stdout: stderr, stderr, env: {}, now: () => new Date(), onInterrupt: () => () => undefined, readFile: async () => Buffer.from('') };
  return { io, said };
}

/** One answer or failure after the other. */
function clientOf(...answers: readonly unknown[]): ApiClient {
  const left = [...answers];
  const get = async (): Promise<{ value: unknown }> => {
    const next = left.shift();
    if (next instanceof Error) throw next;
    return { value: next };
  };
  return { get } as unknown as ApiClient;
}

const PLANNING = { state: 'planning' };
const RUNNING = { state: 'running', members: [], runs: [] };
const UNDER_WAY = { finishedAt: null, waitsFor: null, doneBytes: null, totalBytes: null };
const OVER = { ...UNDER_WAY, finishedAt: '2026-01-31T12:00:00.000Z' };
const CHANGE = { id: 'chg_1', serverId: 'srv_1', serverName: 'db01', completedAt: '2026-01-31T12:00:00.000Z', recoveryPointId: null, imageComes: 'by-itself' };
const NOTHING_DUE = { items: [] };

describe('whoever waits', () => {
  it('waits out a restart of the database, and of the API', async () => {
    const { io, said } = terminal();
    const isOver = ({ state }: { readonly state: string }): boolean => state !== 'running';
    const waits = await Promise.all([
      waitForPlan(io, clientOf(PLANNING, AWAY, BROKEN, { state: 'ready' }), 'plan_1', note, options),
      waitForBackupSet(io, clientOf(RUNNING, AWAY, BROKEN, { state: 'complete' }), 'set_1', note, options),
      waitForRestoreSet(io, clientOf(RUNNING, AWAY, BROKEN, { state: 'succeeded' }), 'rset_1', note, isOver, options),
      waitForVerification(io, clientOf(UNDER_WAY, AWAY, BROKEN, OVER), 'ver_1', note, options),
      waitForTransfer(io, clientOf(UNDER_WAY, AWAY, BROKEN, OVER), 'tr_1', note, options),
      waitForJudgements(io, clientOf({ items: [{ isAsked: true }] }, AWAY, BROKEN, { items: [] }), { path: '/v1/x', server: undefined }, note, options),
      waitForChangeImage(io, clientOf(NOTHING_DUE, AWAY, BROKEN, { ...CHANGE, recoveryPointId: 'rp_1' }), CHANGE, note, options),
    ]);
    expect(waits).toMatchObject([
      { state: 'ready' },
      { state: 'complete' },
      { state: 'succeeded' },
      OVER,
      OVER,
      undefined,
      { recoveryPointId: 'rp_1' },
    ] as unknown as typeof waits);
    expect(said).toEqual(waits.map(() => 'PostgreSQL does not answer. It goes on by itself; asking again.\n'));
  });
});

describe('what the making of a plan waits for', () => {
  const held = (message: string) => ({
    retrying: { attempt: 0, failedAt: null, nextAttemptAt: null, error: { code: 'NO_WORKER' as const, message, hint: 'Start\u001b one.' } },
  });
  const failed = {
    retrying: { ...held('').retrying, attempt: 2, failedAt: '2026-01-31T12:00:00.000Z', error: { code: 'COPY_FAILED' as const, message: 'no', hint: 'Look.' } },
  };

  it('is said once for each reason, with what to do', async () => {
    const notes: string[] = [];
    const answers = [
      PLANNING,
      ...[held('Nobody.'), held('Nobody.'), failed, { retrying: null }, failed].map((more) => ({ ...PLANNING, ...more })),
      { state: 'ready' },
    ];
    await waitForPlan(terminal().io, clientOf(...answers), 'plan_1', (text) => notes.push(text), options);
    expect(notes).toEqual([
      'held up: NO_WORKER: Nobody.',
      'hint: Start one.',
      'attempt 2 failed and is tried again: COPY_FAILED: no',
      'hint: Look.',
      'attempt 2 failed and is tried again: COPY_FAILED: no',
      'hint: Look.',
    ]);
  });

  it('is to be looked for where nobody says it for more than a minute: it may be that no worker is there at all', async () => {
    const { io } = terminal();
    const notes: string[] = [];
    let seconds = 0;
    const late = { ...io, now: () => new Date(1_000_000 + 1000 * (seconds += 30)) };
    const answers = [...Array<object>(6).fill(PLANNING), { ...PLANNING, ...held('Nobody.') }, { state: 'ready' }];
    await waitForPlan(late, clientOf(...answers), 'plan_1', (text) => notes.push(text), options);
    expect(notes).toEqual([expect.stringContaining('`modosu doctor`'), 'held up: NO_WORKER: Nobody.', 'hint: Start one.']);
  });

  it.each([
    ['an attempt is still to come', '1970-01-01T00:20:00.000Z', false],
    ['none has come for more than a minute', '1970-01-01T00:17:00.000Z', true],
    ['one is under way', null, false],
  ])('is not to be looked for before anything is silent: %s', (_what, nextAttemptAt, isTold) => {
    const notes: string[] = [];
    let ms = 1_000_000;
    const waits = new PlanWaits(
      (text) => notes.push(text),
      () => new Date(ms),
    );
    for (ms = 1_000_000; ms <= 1_200_000; ms += 10_000) waits.see({ ...failed.retrying, nextAttemptAt });
    expect(notes.slice(2).map((text) => text.includes('`modosu doctor`'))).toEqual(isTold ? [true] : []);
  });

  it('is said of each server of a set', async () => {
    const notes: string[] = [];
    const members = [
      { serverName: 'db01', planId: 'plan_1', planState: 'planning', error: null },
      { serverName: 'db02', planId: 'plan_2', planState: 'ready', error: null },
      { serverName: 'db03', planId: null, planState: null, error: null },
    ];
    let isOver = false;
    const get = async (path: string) => {
      if (!path.includes('restore-plans')) return { value: { state: isOver ? 'planned' : 'planning', members } };
      isOver = true;
      return { value: { ...PLANNING, ...held(path) } };
    };
    const client = { get } as unknown as ApiClient;
    await waitForRestoreSet(
      terminal().io,
      client,
      'rset_1',
      (text) => notes.push(text),
      ({ state }) => state !== 'planning',
      options,
    );
    expect(notes.slice(1)).toEqual(['db01: held up: NO_WORKER: /v1/restore-plans/plan_1', 'db01: hint: Start one.']);
  });
});

describe('patience', () => {
  const signal = new AbortController().signal;
  const get = (...answers: readonly unknown[]) => patientGet(terminal().io, clientOf(...answers), { signal, goesOn: 'It goes on.' });

  it('begins with the first answer: what is away from the beginning is an error at once', async () => {
    await expect(get(AWAY, {})('/v1/x')).rejects.toBe(AWAY);
    await expect(get(BROKEN, {})('/v1/x')).rejects.toBe(BROKEN);
  });

  it('has none for what does not pass by itself', async () => {
    for (const failure of [GONE, new TypeError('a fault of ours')]) {
      const ask = get({}, failure);
      await ask('/v1/x');
      await expect(ask('/v1/x')).rejects.toBe(failure);
    }
  });

  it('ends after five minutes without an answer, and not sooner for those that were answered meanwhile', async () => {
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now);
    const said: string[] = [];
    const patience = new Patience({ signal, goesOn: 'It goes on.', onBroken: (why) => said.push(why) });
    patience.known();
    now = 299_000;
    await patience.endure(AWAY);
    await patience.endure(AWAY);
    expect(said).toEqual(['PostgreSQL does not answer.']);
    patience.heard();
    now += 299_000;
    await patience.endure(AWAY);
    expect(said).toHaveLength(2);
    now += 2_000;
    await expect(patience.endure(AWAY)).rejects.toMatchObject({
      code: 'CATALOG_UNAVAILABLE',
      message: 'PostgreSQL does not answer. It has been asked again for 5 minutes.',
      hint: `${AWAY.hint} It goes on.`,
      cause: AWAY,
    });
    await expect(patience.endure(BROKEN)).rejects.toMatchObject({
      code: 'API_UNREACHABLE',
      message: "Modosu's API has not answered for 5 minutes. The API does not answer.",
      hint: `${BROKEN.hint} It goes on.`,
      cause: BROKEN,
    });
    clock.mockRestore();
  });

  it('ends with whoever has it', async () => {
    const stop = new AbortController();
    const patience = new Patience({ signal: stop.signal, goesOn: '', onBroken: () => stop.abort(new Error('Ctrl-C')) });
    patience.known();
    await expect(patience.endure(AWAY)).rejects.toThrow('Ctrl-C');
  });
});

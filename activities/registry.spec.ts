import type { Info as ActivityInfo } from '@temporalio/activity';
import { type ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { ModosuError, toModosuError } from '../src/contracts/errors';
import { CatalogueWrites } from './catalogue-activities';
import { CredentialCalls } from './credential-activities';
import { DataCalls } from './data-activities';
import { DataTransfers } from './data-transfer-activities';
import type { ActivityDependencies } from './dependencies';
import { finalFailure, finalWhen, toFailure, translateFailures } from './failures';
import { HostCalls } from './host-activities';
import { JudgementCalls } from './judgement-activities';
import { PeerCalls } from './peer-activities';
import { PlanningJudgements } from './planning-activities';
import { createControlActivities, createHostActivities, createTransferActivities } from './registry';
import { RelationCalls } from './relation-activities';
import { ServerCalls } from './server-activities';
import { Transfers } from './transfer-activities';

const silent = { info() {}, warn() {}, error() {} };
const deps = { log: silent } as unknown as ActivityDependencies;

/** Public methods of a class: private helpers are marked by TypeScript only, so they are named here. */
const methods = (type: { prototype: object }, hidden: readonly string[] = []) =>
  Object.getOwnPropertyNames(type.prototype)
    .filter((name) => name !== 'constructor' && !hidden.includes(name))
    .sort();

describe('the registry', () => {
  it('binds every activity as an own property, and nothing twice', () => {
    const control = createControlActivities(deps);
    const host = createHostActivities(deps);
    const transfer = createTransferActivities(deps);
    expect(Object.keys(control).sort()).toEqual(
      [
        ...methods(CatalogueWrites),
        ...methods(PlanningJudgements, ['chooseData', 'relationsOfUndo']),
        ...methods(RelationCalls, ['jobsFor', 'judge', 'pairsIn', 'planOf']),
        ...methods(JudgementCalls),
      ].sort(),
    );
    expect(Object.keys(host).sort()).toEqual(
      [
        ...methods(HostCalls, ['requireSameDefinition', 'knownParent', 'markersOf']),
        ...methods(CredentialCalls, ['read', 'current', 'stateOf']),
        ...methods(ServerCalls, ['verifiedDefinition', 'beginOnline', 'onBasis', 'onlineRequest']),
        ...methods(DataCalls),
        ...methods(PeerCalls, ['factsOf']),
      ].sort(),
    );
    expect(Object.keys(transfer).sort()).toEqual([...methods(Transfers, ['transfer']), ...methods(DataTransfers, ['stage', 'placeFiles', 'fetchDump'])].sort());
    const all = [control, host, transfer].flatMap((group) => Object.keys(group));
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('toFailure', () => {
  it('carries code, hint and advice to Temporal, and no cause', () => {
    const failure = toFailure(new ModosuError('NOT_ENOUGH_SPACE', 'full', { cause: new Error('argv with a password') })) as ApplicationFailure;
    expect(failure).toMatchObject({ type: 'NOT_ENOUGH_SPACE', nonRetryable: true, message: 'full' });
    expect(failure.details?.[0]).toMatchObject({ code: 'NOT_ENOUGH_SPACE', hint: expect.stringContaining('Free') as string });
    expect(failure.cause).toBeUndefined();
  });
  it('lets Temporal try again what may pass', () => {
    expect(toFailure(new ModosuError('REPOSITORY_UNREACHABLE', 'gone'))).toMatchObject({ nonRetryable: false });
  });
  it('tries an unknown error again too, and calls it INTERNAL', () => {
    expect(toFailure(new TypeError('x'))).toMatchObject({ type: 'INTERNAL', nonRetryable: false });
  });
  it('tries nothing again that has had its time, whatever its code advises', async () => {
    const gone = new ModosuError('REPOSITORY_UNREACHABLE', 'gone', { cause: new Error('argv with a password') });
    const failure = finalFailure(gone);
    expect(failure).toMatchObject({ type: 'REPOSITORY_UNREACHABLE', nonRetryable: true, message: 'gone', details: [gone.summary()] });
    expect(failure.cause).toBeUndefined();
    expect(toFailure(failure)).toBe(failure);
    await expect(finalWhen('REPOSITORY_UNREACHABLE', Promise.reject(gone))).rejects.toMatchObject({ type: 'REPOSITORY_UNREACHABLE', nonRetryable: true });
    await expect(finalWhen('COPY_FAILED', Promise.reject(gone))).rejects.toBe(gone);
  });
  it('passes cancellation through', () => {
    const cancelled = new CancelledFailure('stop');
    expect(toFailure(cancelled)).toBe(cancelled);
  });
});

describe('translateFailures', () => {
  it('wraps results and errors of each activity, and logs what failed', async () => {
    const lines: unknown[] = [];
    const group = translateFailures(
      { good: async () => 7, bad: async () => Promise.reject(new ModosuError('COPY_FAILED', 'no')) },
      { log: { ...silent, warn: (fields) => lines.push(fields) }, catalog: { recordRetry: () => Promise.reject(new Error('outside activities')) } },
    );
    await expect(group.good()).resolves.toBe(7);
    await expect(group.bad()).rejects.toMatchObject({ type: 'COPY_FAILED' });
    expect(lines).toEqual([expect.objectContaining({ activity: 'bad', code: 'COPY_FAILED' })]);
  });

  describe('lets people see what is tried again', () => {
    const away = new ModosuError('TARGET_UNREACHABLE', 'The directory is not there.');
    const told = async (thrown: unknown, info: Partial<ActivityInfo> = {}, input: unknown = { runId: 'run_1' }, recordRetry = async () => undefined) => {
      const [told, warned]: [unknown[], unknown[]] = [[], []];
      const group = translateFailures(
        { copy: async (_input: unknown) => Promise.reject(thrown as Error) },
        {
          log: { ...silent, warn: (fields, message) => void warned.push([message, fields]) },
          catalog: { recordRetry: (...given) => (told.push(given), recordRetry()) },
        },
      );
      const attempt = { attempt: 3, retryPolicy: { maximumAttempts: 25 } as ActivityInfo['retryPolicy'], ...info };
      await expect(new MockActivityEnvironment(attempt).run(() => group.copy(input))).rejects.toBeInstanceOf(Error);
      return { told, warned };
    };

    it('with the attempt, its time and its error', async () => {
      const { told: once } = await told(away);
      expect(once).toEqual([['run_1', { attempt: 3, failedAt: expect.stringMatching(/^20\d\d-.*Z$/) as string, error: away.summary() }]]);
      expect((await told(new TypeError('x'), {}, 'run_2')).told).toEqual([
        ['run_2', expect.objectContaining({ error: toModosuError(new TypeError('x')).summary() })],
      ]);
      expect((await told(away, { attempt: 400, retryPolicy: { initialInterval: 1 } as ActivityInfo['retryPolicy'] })).told).toHaveLength(1);
      expect((await told(away, { attempt: 24 })).told).toHaveLength(1);
    });

    it.each([
      ['of the last attempt', away, { attempt: 25 }, undefined],
      ['of what is never tried again', new ModosuError('FENCED_OFF', 'a newer run'), {}, undefined],
      ['of what has had its time', finalFailure(away), {}, undefined],
      ['of a cancel', new CancelledFailure('stop'), {}, undefined],
      ['of a local activity', away, { isLocal: true }, undefined],
      ['of what belongs to no run', away, {}, 'srv_1'],
    ] as const)('not %s', async (_what, thrown, info, input) => {
      expect((await told(thrown, info, input)).told).toEqual([]);
    });

    it('and is not held up by a database that is away', async () => {
      const { told: once, warned } = await told(away, {}, undefined, () => Promise.reject(new Error('away, too')));
      expect(once).toHaveLength(1);
      expect(warned).toContainEqual(['attempt not recorded', { runId: 'run_1', error: 'Error: away, too' }]);
      expect((await told(away, {}, undefined, () => new Promise(() => undefined))).told).toHaveLength(1);
    });
  });
});

import { type ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { ModosuError } from '../src/contracts/errors';
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
    expect(failure.stack).toBe('');
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
      { log: { ...silent, warn: (fields) => lines.push(fields) } },
    );
    await expect(group.good()).resolves.toBe(7);
    await expect(group.bad()).rejects.toMatchObject({ type: 'COPY_FAILED' });
    expect(lines).toEqual([expect.objectContaining({ activity: 'bad', code: 'COPY_FAILED' })]);
  });
});

import type { ActivityOptions } from '@temporalio/workflow';

jest.mock('@temporalio/workflow', () => ({
  proxyActivities: (options: ActivityOptions) => options,
  proxyLocalActivities: (options: ActivityOptions) => options,
}));

import { callsTo, hostLooks, recording, setBegins } from './activities';

const MINUTE = 60_000;
const msOf = (text: ActivityOptions['startToCloseTimeout']): number => {
  const [, count = '', unit = ''] = /^(\d+) (ms|s|min|h|days)$/.exec(String(text)) ?? [];
  return Number(count) * { ms: 1, s: 1000, min: MINUTE, h: 60 * MINUTE, days: 24 * 60 * MINUTE }[unit as 'ms'];
};

/** How long a part may be away that says so at once, before the call gives up. */
function patienceMs(calls: unknown): number {
  const { retry = {}, scheduleToCloseTimeout } = calls as ActivityOptions;
  const whole = scheduleToCloseTimeout === undefined ? Infinity : msOf(scheduleToCloseTimeout);
  if (retry.maximumAttempts === undefined) return whole;
  const most = retry.maximumInterval === undefined ? Infinity : msOf(retry.maximumInterval);
  const waits = Array.from({ length: retry.maximumAttempts - 1 }, (_, index) =>
    Math.min(most, msOf(retry.initialInterval) * (retry.backoffCoefficient ?? 2) ** index),
  );
  return Math.min(
    whole,
    waits.reduce((sum, wait) => sum + wait, 0),
  );
}

/** How long a part may hang, so that every attempt takes all its time, before the call gives up; without the waits between them. */
function longestMs(calls: unknown): number {
  const { retry = {}, startToCloseTimeout, scheduleToCloseTimeout } = calls as ActivityOptions;
  const whole = scheduleToCloseTimeout === undefined ? Infinity : msOf(scheduleToCloseTimeout);
  return Math.min(whole, (retry.maximumAttempts ?? Infinity) * msOf(startToCloseTimeout));
}

const { host, lateHost, server, transfer, offlineTransfer, data, dataTransfer, undo, undoData } = callsTo('kvm1');

describe('a part that is away', () => {
  it.each([
    ['server', server],
    ['late host', lateHost],
    ['transfer', transfer],
    ['data transfer', dataTransfer],
  ])('for eight minutes throws nothing away that took hours: %s', (_group, calls) => {
    expect(patienceMs(calls)).toBeGreaterThan(8 * MINUTE);
    expect(patienceMs(calls)).toBeLessThan(15 * MINUTE);
  });

  it.each([
    ['host', host],
    ['data', data],
  ])('is told of after more than a minute where nothing is lost yet: %s', (_group, calls) => {
    expect(patienceMs(calls)).toBeGreaterThan(MINUTE);
    expect(patienceMs(calls)).toBeLessThan(2 * MINUTE);
  });

  it.each([
    ['a copy of a server that stands still', offlineTransfer],
    ['a look for a plan', hostLooks('kvm1')],
    ['the moment of a set', setBegins('kvm1')],
  ])('keeps nobody waiting for longer than a minute: %s', (_group, calls) => expect(patienceMs(calls)).toBeLessThan(MINUTE));

  it('is waited for by what puts things back', () => {
    expect(patienceMs(undo)).toBe(24 * 60 * MINUTE);
    expect(patienceMs(undoData)).toBeGreaterThan(8 * MINUTE);
  });

  it('is asked again by who writes down that an image is there', () => expect(patienceMs(recording('kvm1'))).toBeLessThan(2 * MINUTE));

  it.each([
    ['late host', lateHost, 60],
    ['recording', recording('kvm1'), 20],
  ])('and hangs holds no server for hours: %s', (_group, calls, minutes) => expect(longestMs(calls)).toBeLessThanOrEqual(minutes * MINUTE));
});

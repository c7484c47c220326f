import { inOrderOfTheirBeginning } from './step-order';

const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 3, minute)).toISOString();
const step = (key: string, began: number | null = null, ended: number | null = null) => ({
  key,
  startedAt: began === null ? null : at(began),
  finishedAt: ended === null ? null : at(ended),
});
const order = (...steps: readonly ReturnType<typeof step>[]): string =>
  inOrderOfTheirBeginning(steps)
    .map(({ key }) => key)
    .join(' ');

describe('the order of steps', () => {
  it('is that of the plan, whatever has begun', () => {
    expect(order(step('check'), step('copy'), step('record'))).toBe('check copy record');
    expect(order(step('check', 1), step('copy', 2), step('record'))).toBe('check copy record');
    expect(order(step('check', 1), step('copy', 1))).toBe('check copy');
    expect(order(step('check', 1), step('record', 3), step('release', 2))).toBe('check record release');
  });

  it('is that of the plan when the clocks of two workers differ', () => {
    expect(order(step('check', 5), step('copy', 3), step('swap', 6), step('release', 4))).toBe('check copy swap release');
  });

  it('has what came up in the run where it began, not at the end', () => {
    expect(order(step('swap', 1), step('go-live', 8), step('record', 9), step('found', 5))).toBe('swap found go-live record');
    expect(order(step('swap', 1), step('go-live', 8), step('record', 9), step('found', 5), step('another', 6))).toBe('swap found another go-live record');
    expect(order(step('examine', 1), step('release', 9), step('found', 9))).toBe('examine release found');
  });

  it('has it before what is still to come', () => {
    expect(order(step('swap', 1), step('go-live'), step('record'), step('found', 5))).toBe('swap found go-live record');
    expect(order(step('swap'), step('record'), step('found', 5))).toBe('found swap record');
    expect(order(step('swap', 1), step('go-live'), step('record'), step('found'))).toBe('swap go-live record found');
  });

  it('has it before what never came, because the run had failed, and after what was left out before', () => {
    expect(order(step('swap', 1, 5), step('go-live', null, 7), step('record', null, 7), step('found', 5, 7))).toBe('swap found go-live record');
    expect(order(step('swap', 1, 2), step('attach', null, 3), step('go-live'), step('record'), step('found', 5))).toBe('swap attach found go-live record');
  });

  it('is not led past the go-live by what was planned for after it and is not wanted any more', () => {
    expect(order(step('swap', 1), step('go-live'), step('rule:live', null, 2), step('record'), step('found', 5))).toBe('swap found go-live rule:live record');
    expect(order(step('swap', 1), step('go-live', 6), step('rule:live', null, 2), step('record', 7), step('found', 5))).toBe(
      'swap found go-live rule:live record',
    );
  });
});

import { ProgressMeter } from './progress-meter';

const T0 = Date.parse('2026-03-02T12:00:00.000Z');

describe('ProgressMeter', () => {
  it('knows no rate from one observation', () => {
    expect(new ProgressMeter().see({ doneBytes: 10, totalBytes: 100 }, T0)).toEqual({
      doneBytes: 10,
      totalBytes: 100,
      updatedAt: '2026-03-02T12:00:00.000Z',
      bytesPerSecond: null,
      secondsLeft: null,
      stalledSince: null,
    });
  });

  it('gives rate and time left', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 1000 }, T0);
    expect(meter.see({ doneBytes: 100, totalBytes: 1000 }, T0 + 2000)).toMatchObject({ bytesPerSecond: 50, secondsLeft: 18 });
  });

  it('knows no rate from one observation that is repeated, nor from two of one instant', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 10, totalBytes: 100 }, T0);
    expect(meter.see({ doneBytes: 10, totalBytes: 100 }, T0 + 2000)).toMatchObject({ bytesPerSecond: null, secondsLeft: null });
    const hasty = new ProgressMeter();
    hasty.see({ doneBytes: 10, totalBytes: 100 }, T0);
    expect(hasty.see({ doneBytes: 20, totalBytes: 100 }, T0)).toMatchObject({ bytesPerSecond: null, secondsLeft: null });
  });

  it('takes the rate over the whole window, up to now: a copy that moves in bursts is not as fast as its bursts', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 10_000 }, T0);
    meter.see({ doneBytes: 100, totalBytes: 10_000 }, T0 + 1000);
    expect(meter.see({ doneBytes: 400, totalBytes: 10_000 }, T0 + 2000)).toMatchObject({ bytesPerSecond: 200, updatedAt: '2026-03-02T12:00:02.000Z' });
    expect(meter.see({ doneBytes: 400, totalBytes: 10_000 }, T0 + 8000)).toMatchObject({
      bytesPerSecond: 50,
      updatedAt: '2026-03-02T12:00:02.000Z',
      stalledSince: null,
    });
    expect(meter.see({ doneBytes: 400, totalBytes: 10_000 }, T0 + 12_000)).toMatchObject({ stalledSince: '2026-03-02T12:00:02.000Z' });
  });

  it('promises no end of what hardly moves', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 100 }, T0);
    expect(meter.see({ doneBytes: 1, totalBytes: 100 }, T0 + 5000)).toMatchObject({ bytesPerSecond: 0, secondsLeft: null });
  });

  it('remembers as far back as its window goes', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 1000 }, T0);
    expect(meter.see({ doneBytes: 200, totalBytes: 1000 }, T0 + 20_000)).toMatchObject({ bytesPerSecond: 10 });
  });

  it('forgets what is older than its window', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 10_000 }, T0);
    meter.see({ doneBytes: 5000, totalBytes: 10_000 }, T0 + 1000);
    meter.see({ doneBytes: 5010, totalBytes: 10_000 }, T0 + 30_000);
    expect(meter.see({ doneBytes: 5020, totalBytes: 10_000 }, T0 + 31_000)).toMatchObject({ bytesPerSecond: 10 });
  });

  it('says since when nothing has moved, and takes no rate from it', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 100 }, T0);
    meter.see({ doneBytes: 50, totalBytes: 100 }, T0 + 1000);
    expect(meter.see({ doneBytes: 50, totalBytes: 100 }, T0 + 10_999)).toMatchObject({ stalledSince: null });
    expect(meter.see({ doneBytes: 50, totalBytes: 100 }, T0 + 11_000)).toMatchObject({
      stalledSince: '2026-03-02T12:00:01.000Z',
      updatedAt: '2026-03-02T12:00:01.000Z',
      bytesPerSecond: null,
      secondsLeft: null,
    });
    expect(meter.see({ doneBytes: 60, totalBytes: 100 }, T0 + 12_000)).toMatchObject({ stalledSince: null });
  });

  it('does not call a finished copy stalled', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 100, totalBytes: 100 }, T0);
    expect(meter.see({ doneBytes: 100, totalBytes: 100 }, T0 + 60_000).stalledSince).toBeNull();
  });

  it('starts over with a copy that starts over', () => {
    const meter = new ProgressMeter();
    meter.see({ doneBytes: 0, totalBytes: 100 }, T0);
    meter.see({ doneBytes: 90, totalBytes: 100 }, T0 + 1000);
    expect(meter.see({ doneBytes: 5, totalBytes: 100 }, T0 + 2000)).toMatchObject({ doneBytes: 5, bytesPerSecond: null, stalledSince: null });
  });
});

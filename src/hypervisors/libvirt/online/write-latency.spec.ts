import { parseWriteCounters, WriteLatency } from './write-latency';

const counters = (requests: number, totalMs: number, target = 'vda'): Map<string, { requests: number; totalNs: number }> =>
  new Map([[target, { requests, totalNs: totalMs * 1e6 }]]);

describe('parseWriteCounters', () => {
  it('reads each disk that has counters', () => {
    const text =
      "Domain: 'db01'\n  block.count=2\n  block.0.name=vda\n  block.0.wr.reqs=34\n  block.0.wr.times=4897225\n  block.1.name=sda\n  block.1.rd.reqs=1\n";
    expect([...parseWriteCounters(text)]).toEqual([['vda', { requests: 34, totalNs: 4_897_225 }]]);
  });
});

describe('WriteLatency', () => {
  it('says nothing before ten seconds were watched, then the average of the slowest disk', () => {
    const latency = new WriteLatency();
    expect(latency.add(0, counters(0, 0))).toBeNull();
    expect(latency.add(5_000, counters(10, 1_000))).toBeNull();
    expect(latency.add(10_000, new Map([...counters(20, 2_000), ...counters(5, 1_000_000, 'vdb')]))).toBe(100);
  });

  it('forgets what is longer ago', () => {
    const latency = new WriteLatency();
    latency.add(0, counters(0, 0));
    latency.add(10_000, counters(10, 100_000));
    latency.add(20_000, counters(20, 100_010));
    expect(latency.add(20_500, counters(30, 100_020))).toBeCloseTo(1, 5);
  });

  it('says nothing where nothing is written, nor where QEMU was started anew', () => {
    const latency = new WriteLatency();
    latency.add(0, counters(100, 5_000));
    expect(latency.add(10_000, counters(100, 5_000))).toBeNull();
    expect(latency.add(20_000, counters(3, 1))).toBeNull();
  });
});

import { exposition } from './exposition';

describe('text exposition', () => {
  it('writes a family with its help, its type and a line for each sample', () => {
    const text = exposition([
      { name: 'modosu_up', type: 'gauge', help: 'One.', samples: [{ value: 1 }] },
      {
        name: 'modosu_x_seconds',
        type: 'histogram',
        help: 'Two.',
        samples: [
          { suffix: '_bucket', labels: { kind: 'a', le: '+Inf' }, value: 3 },
          { suffix: '_sum', labels: { kind: 'a' }, value: 0.5 },
        ],
      },
    ]);
    expect(text).toBe(
      '# HELP modosu_up One.\n# TYPE modosu_up gauge\nmodosu_up 1\n# HELP modosu_x_seconds Two.\n# TYPE modosu_x_seconds histogram\nmodosu_x_seconds_bucket{kind="a",le="+Inf"} 3\nmodosu_x_seconds_sum{kind="a"} 0.5\n',
    );
  });

  it('no name of a server breaks out of its label', () => {
    expect(exposition([{ name: 'm', type: 'gauge', help: 'back\\slash\nand line', samples: [{ labels: { server: 'a"} 1\nm{server="b\\' }, value: 1 }] }])).toBe(
      '# HELP m back\\\\slash\\nand line\n# TYPE m gauge\nm{server="a\\"} 1\\nm{server=\\"b\\\\"} 1\n',
    );
  });

  it('leaves a family without samples out', () => {
    expect(exposition([{ name: 'm', type: 'counter', help: 'h', samples: [] }])).toBe('');
  });
});

import { withPart } from './document';

const BY_HAND = '<!-- Below: written by people, kept by `npm run bench`. -->\n';

describe('the document', () => {
  const old = `# Benchmarks\n\nimages of old\n\n${BY_HAND}\n## By hand\n- why\n`;

  it('gets another text for one part, and keeps the others and what people have written', () => {
    const both = withPart(old, 'data', '## Data\n\nnew\n');
    expect(both).toBe(`# Benchmarks\n\nimages of old\n\n<!-- data -->\n## Data\n\nnew\n\n${BY_HAND}\n## By hand\n- why\n`);
    expect(withPart(both, 'data', '## Data\n\nnewer\n')).toBe(both.replace('new\n', 'newer\n'));
    expect(withPart(both, 'images', '# Benchmarks\n\nimages of today\n')).toBe(both.replace('of old', 'of today'));
    const all = withPart(both, 'rules', '## Rules\n\nslow\n');
    expect(all).toBe(`# Benchmarks\n\nimages of old\n\n<!-- data -->\n## Data\n\nnew\n\n<!-- rules -->\n## Rules\n\nslow\n\n${BY_HAND}\n## By hand\n- why\n`);
    expect(withPart(all, 'data', '## Data\n\nnewer\n')).toBe(all.replace('new\n', 'newer\n'));
    expect(withPart(all, 'rules', '## Rules\n\nquick\n')).toBe(all.replace('slow', 'quick'));
    const four = withPart(all, 'increments', '## Incremental images\n\nsmall\n');
    expect(four).toBe(all.replace('<!-- data -->', '<!-- increments -->\n## Incremental images\n\nsmall\n\n<!-- data -->'));
    expect(withPart(four, 'increments', '## Incremental images\n\nsmaller\n')).toBe(four.replace('small', 'smaller'));
    expect(withPart(four, 'data', '## Data\n\nnewer\n')).toBe(four.replace('new\n', 'newer\n'));
    const five = withPart(four, 'judging', '## Judging an estate\n\nfast\n');
    expect(five).toBe(four.replace(`slow\n\n${BY_HAND}`, `slow\n\n<!-- judging -->\n## Judging an estate\n\nfast\n\n${BY_HAND}`));
    expect(withPart(five, 'rules', '## Rules\n\nquick\n')).toBe(five.replace('slow', 'quick'));
    expect(withPart(four, 'images', '# Benchmarks\n\nimages of today\n')).toBe(four.replace('of old', 'of today'));
  });

  it('is made where there is none', () => {
    expect(withPart('', 'images', '# Benchmarks\n\nfirst\n')).toBe(`# Benchmarks\n\nfirst\n\n${BY_HAND}`);
    expect(withPart('', 'data', '## Data\n')).toBe(`# Benchmarks\n\n<!-- data -->\n## Data\n\n${BY_HAND}`);
  });
});

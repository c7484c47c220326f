import { withPart } from './document';

const BY_HAND = '<!-- Below: written by people, kept by `npm run bench`. -->\n';

describe('the document', () => {
  const old = `# Benchmarks\n\nimages of old\n\n${BY_HAND}\n## By hand\n- why\n`;

  it('gets another text for one part, and keeps the others and what people have written', () => {
    const both = withPart(old, 'data', '## Data\n\nnew\n');
    expect(both).toBe(`# Benchmarks\n\nimages of old\n\n<!-- data -->\n## Data\n\nnew\n\n${BY_HAND}\n## By hand\n- why\n`);
    expect(withPart(both, 'data', '## Data\n\nnewer\n')).toBe(both.replace('new\n', 'newer\n'));
    expect(withPart(both, 'images', '# Benchmarks\n\nimages of today\n')).toBe(both.replace('of old', 'of today'));
  });

  it('is made where there is none', () => {
    expect(withPart('', 'images', '# Benchmarks\n\nfirst\n')).toBe(`# Benchmarks\n\nfirst\n\n${BY_HAND}`);
    expect(withPart('', 'data', '## Data\n')).toBe(`# Benchmarks\n\n<!-- data -->\n## Data\n\n${BY_HAND}`);
  });
});

import { execFileSync } from 'node:child_process';

interface Cruised {
  readonly modules: readonly {
    readonly source: string;
    readonly dependencies: readonly { readonly resolved: string; readonly dependencyTypes: readonly string[] }[];
  }[];
}

it('the rules about imports see packages, and what they are made of', () => {
  const output = execFileSync(
    process.execPath,
    ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src/catalog/data-source.ts'],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  const { modules } = JSON.parse(output) as Cruised;
  const dependencies = modules.find(({ source }) => source === 'src/catalog/data-source.ts')?.dependencies ?? [];
  const typeorm = dependencies.find(({ resolved }) => resolved.startsWith('node_modules/typeorm/'));
  expect(typeorm?.dependencyTypes).toContain('npm');
}, 60_000);

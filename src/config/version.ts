import { readFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The program's version, from package.json: the sources and `dist` lie at different depths below it. */
export function programVersion(): string {
  for (let directory = __dirname; ; directory = dirname(directory)) {
    const path = join(directory, 'package.json');
    if (existsSync(path)) return (JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }).version;
    if (directory === dirname(directory)) return '0.0.0';
  }
}

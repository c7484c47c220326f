import { environmentSchema, SECRET_VARIABLES, type VariableName } from './variables';

/** The table in docs/CONFIGURATION.md, made from the schema so that the two cannot drift (a test compares them). */
export function configurationTable(): string {
  const rows = Object.entries(environmentSchema.shape).map(([name, schema]) => {
    const preset = environmentSchema.shape[name as VariableName].safeParse(undefined);
    const value = preset.success && preset.data !== undefined ? `\`${[preset.data].flat().join(':')}\`` : '';
    const secret = (SECRET_VARIABLES as readonly string[]).includes(name) ? ` Or \`${name}_FILE\`.` : '';
    return `| \`${name}\` | ${value} | ${schema.description ?? ''}${secret} |`;
  });
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

const onlyContractsAndDomain = {
  patterns: [
    { group: ['**/contracts/api/*', '**/contracts/api'], message: 'zod would triple the workflow bundle: use src/contracts.' },
    {
      group: [
        '**/src/catalog/**',
        '**/src/hypervisors/**',
        '**/src/repositories/**',
        '**/src/api/**',
        '**/src/roles/**',
        '**/src/system/**',
        '**/activities/**',
        '!**/contracts/activities/**',
        'node:*',
      ],
      message: 'Workflows are deterministic: only @temporalio/workflow, src/contracts and src/domain.',
    },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/', 'docs/', 'reports/', '.stryker-tmp*/'] },
  eslint.configs.recommended,
  ...tseslint.configs.recommended,
  // What does not fit on one line has braces.
  { rules: { curly: ['error', 'multi-line'] } },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      'no-control-regex': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: "Property[key.name='shell'][value.value=true]", message: 'No shell: pass an argv array.' },
        {
          selector: 'ImportDeclaration[source.value=/^(node:)?child_process$/] ImportSpecifier[imported.name=/^exec(Sync)?$/]',
          message: 'No shell: pass an argv array (spawn, execFile).',
        },
      ],
    },
  },
  // Nest reads the types of constructor parameters at run time: a type-only import would erase them.
  { files: ['src/api/**/*.ts'], rules: { '@typescript-eslint/consistent-type-imports': 'off' } },
  { files: ['workflows/**/*.ts'], ignores: ['**/*.spec.ts'], rules: { 'no-restricted-imports': ['error', onlyContractsAndDomain] } },
  {
    files: ['src/domain/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['node:*'], message: 'src/domain is pure: no I/O.' }] }] },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', 'bin/*'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        AbortController: 'readonly',
        AbortSignal: 'readonly',
        module: 'writable',
        require: 'readonly',
        __dirname: 'readonly',
        performance: 'readonly',
      },
    },
  },
  { files: ['**/*.cjs', 'bin/*'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);

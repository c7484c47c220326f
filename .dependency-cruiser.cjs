/** The rooms of ARCHITECTURE.md and which doors they have. Specs may look anywhere. */
const spec = '\\.spec\\.ts$';
const room = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: spec },
  to: { path: '^(src|workflows|activities|migrations|demo|bench|test)/', pathNot: [from, ...allowed] },
});

/** The one helper of `system` that does no I/O. */
const sha256 = '^src/system/sha256\\.ts$';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    room('contracts', '^src/contracts/', [], 'The language everybody shares knows nobody.'),
    room('domain', '^src/domain/', ['^src/contracts/(?!api/)'], 'Pure rules: contracts only.'),
    {
      name: 'domain-is-pure',
      comment: 'croner counts the times of a schedule; it does no I/O.',
      severity: 'error',
      from: { path: '^src/domain/', pathNot: spec },
      to: { dependencyTypes: ['core', 'npm'], pathNot: '^node_modules/croner/' },
    },
    room('workflows', '^workflows/', ['^src/contracts/(?!api/)', '^src/domain/'], 'Deterministic: contracts and domain only.'),
    {
      name: 'workflows-use-only-temporal',
      severity: 'error',
      from: { path: '^workflows/', pathNot: spec },
      to: { dependencyTypes: ['core', 'npm'], pathNot: '@temporalio/(workflow|common)' },
    },
    room(
      'activities',
      '^activities/',
      [
        '^src/contracts/',
        '^src/domain/',
        '^src/catalog/(catalog|plan-hash)\\.ts$',
        '^src/hypervisors/hypervisor\\.ts$',
        '^src/guests/',
        '^src/repositories/image/image-repository\\.ts$',
        '^src/repositories/data/data-repository\\.ts$',
        '^src/repositories/offsite/offsite-repository\\.ts$',
        '^src/credentials/(secret-store|secret-value)\\.ts$',
        '^src/audit/',
        sha256,
      ],
      'Activities call ports, never an adapter.',
    ),
    room('hypervisors', '^src/(hypervisors|guests)/', ['^src/contracts/', '^src/domain/', '^src/system/'], 'An adapter never imports another adapter.'),
    room(
      'repositories',
      '^src/repositories/',
      ['^src/contracts/', '^src/domain/', '^src/system/', '^src/secrets/secrets\\.ts$'],
      'An adapter never imports another adapter.',
    ),
    room('secrets', '^src/secrets/', ['^src/contracts/', '^src/system/'], 'What is secret is kept in one place.'),
    room('credentials', '^src/credentials/', ['^src/contracts/', '^src/system/', '^src/secrets/secrets\\.ts$'], 'Secret stores of people are only read.'),
    {
      name: 'secret-stores-keep-apart',
      comment: 'An adapter never imports another adapter.',
      severity: 'error',
      from: { path: '^src/credentials/([^/]+)/', pathNot: spec },
      to: { path: '^src/credentials/[^/]+/', pathNot: '^src/credentials/$1/' },
    },
    room('catalog', '^src/catalog/', ['^src/contracts/', '^src/domain/', '^src/audit/', sha256, '^migrations/'], 'Entities never leave this folder.'),
    { name: 'entities-stay-in-catalog', severity: 'error', from: { pathNot: ['^src/catalog/', '^test/'] }, to: { path: '^src/catalog/entities/' } },
    {
      name: 'typeorm-stays-in-catalog',
      severity: 'error',
      from: { pathNot: ['^src/catalog/', '^migrations/', '^test/'] },
      to: { path: 'node_modules/typeorm' },
    },
    room('audit', '^src/audit/', ['^src/contracts/', '^src/domain/', sha256], 'The chain knows no tables of others.'),
    room(
      'temporal',
      '^src/temporal/',
      ['^src/contracts/', '^src/domain/', '^src/catalog/catalog\\.ts$', '^src/system/', '^src/config/'],
      'Temporal glue: no workflow code, types by name.',
    ),
    room('profiles', '^src/profiles/', ['^src/contracts/', '^src/system/files\\.ts$'], 'Profiles are files; what they mean is judged elsewhere.'),
    room('notify', '^src/notify/', ['^src/contracts/'], 'Channels know what they send, and nothing of where it comes from.'),
    room('system', '^src/system/', ['^src/contracts/'], 'Helpers for the operating system.'),
    room('config', '^src/config/', ['^src/contracts/', '^src/system/'], 'The environment is read here.'),
    room(
      'api',
      '^src/api/',
      [
        '^src/contracts/',
        '^src/domain/',
        '^src/catalog/catalog\\.ts$',
        '^src/hypervisors/hypervisor\\.ts$',
        '^src/guests/',
        '^src/repositories/image/image-repository\\.ts$',
        '^src/temporal/run-starter\\.ts$',
        '^src/config/',
        sha256,
      ],
      'The API starts workflows by type name and calls ports.',
    ),
    room('cli', '^src/cli/', ['^src/contracts/'], 'A client over HTTP.'),
    {
      name: 'roles-are-the-only-composition-roots',
      severity: 'error',
      from: { path: '^(src|workflows|activities|migrations)/', pathNot: ['^src/roles/', spec] },
      to: { path: '^src/roles/' },
    },
    {
      name: 'no-test-code-in-the-product',
      severity: 'error',
      from: { path: '^(src|workflows|activities|migrations)/', pathNot: spec },
      to: { path: '^(test|demo|bench)/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependency-in-the-product',
      severity: 'error',
      from: { path: '^(src|workflows|activities|migrations)/', pathNot: spec },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: '^dist/' },
  },
};

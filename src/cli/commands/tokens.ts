import { InvalidArgumentError, Option, type Command } from 'commander';
import { TOKEN_SCOPES, type CreatedToken, type TokenScope, type TokenView } from '../../contracts/api/token';
import type { PageOf } from '../../contracts/api/common';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { idSegment, type CliContext } from '../context';
import { fields, plain, table, utc } from '../output/text';
import { examples } from './options';

const DAY_MS = 86_400_000;

export function addTokenCommands(program: Command, context: CliContext): void {
  const token = program.command('token').description('who may use the API, and for what');
  examples(token.command('list').description('list tokens, newest first, also those whose time is over'), ['modosu token list']).action(
    async (_options: unknown, command: Command) => {
      const client = await context.client();
      const { items } = (await client.get<PageOf<TokenView>>('/v1/tokens')).value;
      context.printer(command).data(items, () =>
        table(
          ['ID', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES'],
          items.map((item) => [item.id, plain(item.name), item.scopes.join(', '), utc(item.createdAt), expiry(item, context.io.now())]),
        ),
      );
    },
  );
  examples(
    token
      .command('create')
      .description('make a token; its secret is shown this once')
      .argument('<name>', 'who or what will use it; stands in the audit')
      .addOption(
        new Option(
          '--scope <scope>',
          'read, change (also registers configuration changes), operate (also starts runs) or admin (also applies the estate and manages tokens); each includes the one before',
        )
          .choices(TOKEN_SCOPES)
          .makeOptionMandatory(),
      )
      .addOption(new Option('--expires-in <time>', 'such as 12h or 90d, or never').argParser(expiryOption).default(365 * DAY_MS, '365d'))
      .action(async (name: string, { scope, expiresIn }: { readonly scope: TokenScope; readonly expiresIn: number }, command: Command) => {
        const client = await context.client();
        const expiresAt = Number.isFinite(expiresIn) ? new Date(context.io.now().getTime() + expiresIn).toISOString() : null;
        const { value } = await client.post<CreatedToken>('/v1/tokens', { name, scopes: [scope], expiresAt }, { once: true }).catch(mayBeMade);
        context.printer(command).data(value, () => `${tokenText(value.token, context.io.now())}\nSecret, shown this once\n  ${plain(value.secret)}\n`);
      }),
    ['modosu token create prometheus --scope read --expires-in 365d', 'modosu token create alice --scope operate -o json'],
  );
  examples(token.command('revoke').description('end a token now').argument('<token>', 'id of the token'), ['modosu token revoke tok_01j8…']).action(
    async (id: string, _options: unknown, command: Command) => {
      const client = await context.client();
      const { value } = await client.post<TokenView>(`/v1/tokens/${idSegment('tok', id)}/revoke`, {});
      context.printer(command).data(value, () => tokenText(value, context.io.now()));
    },
  );
}

/** The answer with the secret is lost, not the token. */
function mayBeMade(error: unknown): never {
  if (!isModosuError(error) || error.code !== 'API_UNREACHABLE' || error.context['refused'] === true) throw error;
  throw new ModosuError('API_UNREACHABLE', error.message, {
    hint: 'The token may have been made, and nobody has its secret: look with `modosu token list`, revoke it, and make another.',
    context: error.context,
  });
}

const tokenText = (token: TokenView, now: Date): string =>
  fields([
    ['id', token.id],
    ['name', plain(token.name)],
    ['scopes', token.scopes.join(', ')],
    ['expires', expiry(token, now)],
  ]);

const expiry = ({ expiresAt }: TokenView, now: Date): string =>
  expiresAt === null ? 'never' : `${utc(expiresAt)}${Date.parse(expiresAt) <= now.getTime() ? ' (over)' : ''}`;

/** Milliseconds; infinite for `never`. */
function expiryOption(text: string): number {
  if (text === 'never') return Number.POSITIVE_INFINITY;
  const match = /^(\d{1,5})(h|d)$/.exec(text);
  const amount = Number(match?.[1] ?? 0);
  if (match === null || amount === 0) throw new InvalidArgumentError('Use a time like 12h or 90d, or never.');
  return amount * (match[2] === 'h' ? 3_600_000 : DAY_MS);
}

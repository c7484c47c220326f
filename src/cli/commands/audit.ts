import type { Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import type { AuditEntryView, AuditVerification } from '../../contracts/run';
import { limitOption, type CliContext } from '../context';
import { plain, table, utc } from '../output/text';
import { examples } from './options';

export function addAuditCommands(program: Command, context: CliContext): void {
  const audit = program.command('audit').description('who did what, when, why, with what result');
  examples(
    audit
      .command('list')
      .description('list audit entries, oldest first')
      .option('--run <run>', 'only those of this run')
      .option('--limit <number>', 'how many', limitOption, 1000),
    ['modosu audit list --run run_01j8…'],
  ).action(async (options: { readonly run?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const entries = await context.list<AuditEntryView>(printer, '/v1/audit', { run: options.run }, options.limit);
    printer.data(entries, () =>
      table(
        ['SEQ', 'AT', 'ACTOR', 'ACTION', 'RUN', 'DETAILS'],
        entries.map((entry) => [String(entry.seq), utc(entry.at), entry.actor, entry.action, entry.runId ?? '-', detailText(entry.details)]),
      ),
    );
  });
  examples(audit.command('verify').description('check the hash chain of the whole audit'), ['modosu audit verify']).action(
    async (_options: unknown, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.get<AuditVerification>('/v1/audit/verify');
      printer.data(value, () => verdictText(value));
      if (value.intact) return;
      throw new ModosuError('AUDIT_CHAIN_BROKEN', `Audit entry ${value.firstBadSeq} does not fit the chain: ${value.problem}`);
    },
  );
}

const verdictText = (verdict: AuditVerification): string =>
  verdict.intact
    ? `intact: ${verdict.entries} entries, head ${plain(verdict.headHash)}`
    : `BROKEN at entry ${verdict.firstBadSeq} of ${verdict.entries}: ${plain(verdict.problem)}`;

function detailText(details: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(details)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

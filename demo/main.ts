import { consistency } from './acts/consistency';
import { mission, MISSION_SETTINGS } from './acts/mission';
import { Narrator } from './narrator';
import { Stage } from './stage';

interface Act {
  readonly play: (stage: Stage) => Promise<void>;
  readonly settings: NodeJS.ProcessEnv;
  /** What a person may look at afterwards. */
  readonly tryNext: readonly string[];
}

const ACTS: ReadonlyMap<string, Act> = new Map([
  ['mission', { play: mission, settings: MISSION_SETTINGS, tryNext: ['server show db01', 'run list', 'restore plan db01 --scenario server', 'doctor'] }],
  [
    'consistency',
    {
      play: consistency,
      settings: {},
      tryNext: ['relation list', 'profile show postgresql-replication', 'restore plan db01 --scenario server', 'restore plan db02 --scenario server'],
    },
  ],
]);

const USAGE = `usage: npm run demo -- [--act ${[...ACTS.keys()].join('|')}] [--exit]
  --act    mission: a server is lost and comes back (default); consistency: a primary goes back in time beside its standby
  --exit   end afterwards, with exit code 0 only if every comparison held`;

/** Null: what was typed is none of it. */
function actOf(args: readonly string[]): { readonly act: Act; readonly endsAfterwards: boolean } | null {
  const given = args.filter((arg) => arg !== '--exit');
  const [flag, name = ''] = given;
  const act = ACTS.get(flag === undefined ? 'mission' : name);
  return act === undefined || (flag !== undefined && flag !== '--act') || given.length > 2 ? null : { act, endsAfterwards: given.length < args.length };
}

/** `npm run demo`: one act, in a state directory, on ports and with domains of its own. */
async function main(args: readonly string[]): Promise<number> {
  const chosen = actOf(args);
  if (chosen === null) {
    console.error(USAGE);
    return 2;
  }
  const { act, endsAfterwards } = chosen;
  let interrupted: (signal: NodeJS.Signals) => void = () => undefined;
  const interruption = new Promise<NodeJS.Signals>((resolve) => (interrupted = resolve));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted(signal));

  const narrator = new Narrator();
  const stage = new Stage(narrator, act.settings);
  const shown = async (): Promise<void> => {
    await stage.open();
    await act.play(stage);
  };
  const outcome = await Promise.race([
    shown().then(
      () => 'shown' as const,
      (error: unknown) => error,
    ),
    interruption,
  ]);
  if (outcome === 'shown' && !endsAfterwards) {
    narrator.begin('It stays up. Try, in another terminal:');
    for (const command of act.tryNext) narrator.say(`MODOSU_STATE_DIR=${stage.stateDirectory} bin/modosu ${command}`);
    narrator.say('Ctrl-C stops everything and removes it.');
    await interruption;
  }
  if (outcome instanceof Error) narrator.verdict(false, outcome.message);
  await stage.close();
  if (outcome !== 'shown') return outcome === 'SIGINT' || outcome === 'SIGTERM' || outcome === 'SIGHUP' ? 130 : 1;
  narrator.verdict(stage.held, stage.held ? 'Every comparison held.' : 'A comparison did not hold.');
  return stage.held ? 0 : 1;
}

void main(process.argv.slice(2)).then((code) => process.exit(code));

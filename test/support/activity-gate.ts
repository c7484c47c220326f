import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './up-process';

/** `<activity>.<before|after>`, or with the disk or the health check it is called for: `copyDiskToVolume.vda.before`. */
export type GatePoint = `${string}.${'before' | 'after'}`;

interface Reached {
  readonly pid: number;
  readonly runId: string | null;
}

/**
 * Holds the worker at the boundaries of steps, so that a fault hits it at a moment that is known and proven. Works through a preload of the worker
 * (`activity-gate-preload.cjs`); the product knows nothing of it. An activity that is tried again while its point is held stops there again.
 */
export class Gate {
  private readonly directory = mkdtempSync(join(tmpdir(), 'modosu-gate-'));

  constructor() {
    chmodSync(this.directory, 0o755);
  }

  /** For the environment of `modosu up`. */
  get env(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--require ${join(__dirname, 'activity-gate-preload.cjs')}`, MODOSU_TEST_GATE_DIR: this.directory };
  }

  /** From now on the worker waits at this point. */
  hold(point: GatePoint): void {
    rmSync(this.markOf(point), { force: true });
    writeFileSync(join(this.directory, point), '');
  }

  /** Waits until the worker waits there, for this run or for any; says which process it is and for which run. */
  async reached(point: GatePoint, deadlineMs: number, runId?: string): Promise<Reached> {
    const path = this.markOf(point, runId);
    await eventually(
      () => existsSync(path),
      (isThere) => isThere,
      deadlineMs,
    ).catch(() => {
      throw new Error(`the worker did not come to ${point}${runId === undefined ? '' : ` for ${runId}`} within ${deadlineMs} ms`);
    });
    return JSON.parse(readFileSync(path, 'utf8')) as Reached;
  }

  /** Forgets that the point was reached: the next `reached` waits for another process to come there. */
  forget(point: GatePoint): void {
    rmSync(this.markOf(point), { force: true });
  }

  open(point: GatePoint): void {
    rmSync(join(this.directory, point), { force: true });
  }

  openAll(): void {
    for (const file of readdirSync(this.directory)) rmSync(join(this.directory, file), { force: true });
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private markOf(point: GatePoint, runId?: string): string {
    return join(this.directory, runId === undefined ? `${point}.reached` : `${point}.${runId}.reached`);
  }
}

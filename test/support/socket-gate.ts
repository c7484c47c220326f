import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A socket that passes everything on to another one, and can be shut as if the program behind it had died. */
export class SocketGate {
  private server: Server | null = null;
  private readonly open = new Set<Socket>();

  private constructor(
    readonly path: string,
    private readonly behind: string,
  ) {}

  static async open(path: string, behind: string): Promise<SocketGate> {
    const gate = new SocketGate(path, behind);
    await gate.reopen();
    return gate;
  }

  async reopen(): Promise<void> {
    await rm(this.path, { force: true });
    const server = createServer((front) => {
      const back = connect(this.behind);
      for (const [one, other] of [
        [front, back],
        [back, front],
      ] as const) {
        this.open.add(one);
        one.on('error', () => undefined);
        one.on('close', () => {
          this.open.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.path, () => resolve()));
    this.server = server;
  }

  /** Every connection breaks, and nobody listens any more. */
  async shut(): Promise<void> {
    const { server } = this;
    this.server = null;
    const closed = new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())));
    for (const socket of this.open) socket.destroy();
    await closed;
    await rm(this.path, { force: true });
  }

  close(): Promise<void> {
    return this.shut();
  }
}

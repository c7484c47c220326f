import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlertView } from '../../src/contracts/alert';

export interface ReceivedWebhook {
  readonly id: string;
  readonly isSigned: boolean;
  readonly type: string;
  readonly data: Omit<AlertView, 'deliveries'>;
}

/** A receiver of webhooks on loopback, which checks what it gets as any receiver should. */
export class WebhookReceiver {
  /** All that it was sent, also what it has refused. */
  readonly received: ReceivedWebhook[] = [];
  /** How it answers the next requests; then 204. */
  readonly answers: number[] = [];
  private readonly server: Server;

  constructor(private readonly secret: string) {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => String(request.headers[name]));
        const expected = createHmac('sha256', this.secret).update(`${id}.${timestamp}.${body}`).digest('base64');
        const isRecent = Math.abs(Date.now() / 1000 - Number(timestamp)) < 60;
        const { type, data } = JSON.parse(body) as Pick<ReceivedWebhook, 'type' | 'data'>;
        this.received.push({ id: String(id), isSigned: isRecent && signature === `v1,${expected}`, type, data });
        response.writeHead(this.answers.shift() ?? 204).end();
      });
    });
  }

  /** Returns its address. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

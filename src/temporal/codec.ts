import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { ModosuError } from '../contracts/errors';
import type { PayloadKeys } from './payload-keys';

const ENCODING = 'binary/encrypted';
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Bound into every tag, so that a ciphertext of another program under the same key is not taken for a payload. */
const DOMAIN = 'modosu/payload/1';

/**
 * The one payload the Temporal server writes itself: the detail of a cancelled activity that no worker was carrying out, because it waited for its first or its next try.
 * Source: Temporal server, `activityCancellationMsgActivityNotStarted`.
 */
const NOT_STARTED = { encoding: 'json/plain', data: '"ACTIVITY_ID_NOT_STARTED"' };
const NOTHING: Payload = { metadata: { encoding: Buffer.from('binary/null') } };

const text = (value: Uint8Array | null | undefined): string => (value == null ? '' : Buffer.from(value).toString('utf8'));
const additionalData = (keyId: string): Buffer => Buffer.from(`${DOMAIN}\n${keyId}`);

/**
 * Encrypts everything Temporal stores for us: inputs, results, heartbeats, failures. AES-256-GCM; the key's id stands in the metadata.
 *
 * Decoding refuses what is not encrypted: only holders of a key can give a run its input, whoever else reaches the Temporal server. What the server itself writes about a
 * cancelled activity is read as nothing: refused, it would keep the workflow from ever hearing of its cancellation.
 * Throws `PAYLOAD_UNREADABLE` for an unknown key id and for changed bytes.
 */
export class EncryptionCodec implements PayloadCodec {
  constructor(private readonly keys: PayloadKeys) {}

  encode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads.map((payload) => this.encrypt(payload)));
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads.map((payload) => this.decrypt(payload)));
  }

  private encrypt(payload: Payload): Payload {
    const { id, key } = this.keys.current;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(additionalData(id));
    const plain = temporal.api.common.v1.Payload.encode(payload).finish();
    const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    return { metadata: { encoding: Buffer.from(ENCODING), 'encryption-cipher': Buffer.from(CIPHER), 'encryption-key-id': Buffer.from(id) }, data };
  }

  private decrypt(payload: Payload): Payload {
    const encoding = text(payload.metadata?.encoding);
    if (encoding === NOT_STARTED.encoding && text(payload.data) === NOT_STARTED.data) return NOTHING;
    if (encoding !== ENCODING) {
      throw new ModosuError('PAYLOAD_UNREADABLE', 'Temporal delivered a payload that is not encrypted; it was not made by Modosu and is refused.', {
        hint: 'Somebody else wrote to this workflow. Look at its history in Temporal, and at who can reach the Temporal server.',
      });
    }
    const keyId = text(payload.metadata?.['encryption-key-id']);
    const key = this.keys.byId.get(keyId);
    if (key === undefined) {
      throw new ModosuError('PAYLOAD_UNREADABLE', `A payload in Temporal is encrypted with the key "${keyId}", which payload-keys.json does not hold.`, {
        context: { keyId, knownKeyIds: [...this.keys.byId.keys()] },
      });
    }
    const data = Buffer.from(payload.data ?? []);
    try {
      const decipher = createDecipheriv(CIPHER, key, data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(additionalData(keyId));
      decipher.setAuthTag(data.subarray(data.length - TAG_BYTES));
      const plain = Buffer.concat([decipher.update(data.subarray(NONCE_BYTES, data.length - TAG_BYTES)), decipher.final()]);
      return temporal.api.common.v1.Payload.decode(plain);
    } catch (error) {
      throw new ModosuError(
        'PAYLOAD_UNREADABLE',
        `A payload in Temporal does not match its checksum under the key "${keyId}": its bytes or the key were changed.`,
        {
          context: { keyId },
          cause: error,
        },
      );
    }
  }
}

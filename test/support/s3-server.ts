import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AwsClient } from 'aws4fetch';
import { freePort, killChild } from './data-lab';
import { eventually } from './processes';

/** versitygw on a directory: S3 with versions and object lock. `npm run test:full` builds it. */
export interface S3Server {
  readonly url: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** A bucket that keeps every version of everything for a day, whoever removes it. */
  makeLockedBucket(name: string): Promise<void>;
  /** The body of the answer. Throws with it when the server refuses. */
  ask(
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    options?: { readonly body?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<string>;
  end(): Promise<void>;
}

/** Where `scripts/setup/s3.mjs` has put it. */
function program(): string {
  const cache = process.env['MODOSU_CACHE_DIR'] ?? '/var/cache/modosu';
  const name = readdirSync(cache).findLast((entry) => entry.startsWith('versitygw-') && existsSync(join(cache, entry, 'versitygw')));
  if (name === undefined) throw new Error('The S3 server is not there: node scripts/setup.mjs --for full');
  return join(cache, name, 'versitygw');
}

export async function startS3Server(directory: string): Promise<S3Server> {
  const [buckets, versions, port] = [join(directory, 'buckets'), join(directory, 'versions'), await freePort()];
  for (const path of [buckets, versions]) mkdirSync(path, { recursive: true });
  const [accessKeyId, secretAccessKey] = ['modosu', randomBytes(16).toString('hex')];
  const server = spawn(program(), ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--versioning-dir', versions, buckets], {
    env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}`;
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: 's3', region: 'us-east-1', retries: 0 });
  const ask: S3Server['ask'] = async (method, path, { body, headers } = {}) => {
    const response = await client.fetch(`${url}/${path}`, { method, ...(body === undefined ? {} : { body }), ...(headers === undefined ? {} : { headers }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text;
  };
  await eventually(
    'the S3 server answers',
    () =>
      ask('GET', '')
        .catch(() => null)
        .then((text) => text !== null),
    20_000,
  );
  return {
    url,
    accessKeyId,
    secretAccessKey,
    ask,
    async makeLockedBucket(name) {
      await ask('PUT', name, { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
      const rule = '<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>';
      const body = `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
      await ask('PUT', `${name}?object-lock`, { body, headers: { 'content-md5': createHash('md5').update(body).digest('base64') } });
    },
    end: () => killChild(server),
  };
}

// Runs restic, then lets the keys that it has made be opened without work.
//   node make-cheap.mjs RESTIC [ARGUMENT...]
//
// restic makes each password as slow to try as half a second of this machine allows (scrypt). Every call pays that; a guest under emulation pays ten times as
// much, and that was most of what tests of data took. restic takes the parameters from the key's file, so they can be changed, with the file's name, when the
// password is known. The rest of the repository stays as restic has made it. Passwords of tests guard nothing.
//
// Format: https://restic.readthedocs.io/en/stable/100_references.html ("Keys, Encryption and MAC").
import { spawnSync } from 'node:child_process';
import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { chmodSync, chownSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';

const CHEAP = { N: 2, r: 1, p: 1 };
const DERIVED_BYTES = 64;

const derived = (password, salt, { N, r, p }) => {
  const bytes = scryptSync(password, salt, DERIVED_BYTES, { N, r, p, maxmem: 512 * 1024 * 1024 });
  return { encryption: bytes.subarray(0, 32), macK: bytes.subarray(32, 48), macR: bytes.subarray(48) };
};

const littleEndian = (bytes) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** Poly1305-AES (RFC 8439, 2.5, with the pad of the nonce under AES-128). */
function poly1305Aes({ macK, macR }, nonce, message) {
  const cipher = createCipheriv('aes-128-ecb', macK, null).setAutoPadding(false);
  const pad = littleEndian(Buffer.concat([cipher.update(nonce), cipher.final()]));
  const r = littleEndian(macR) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const prime = (1n << 130n) - 5n;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r) % prime;
  }
  const mac = (sum + pad) & ((1n << 128n) - 1n);
  return Buffer.from(Array.from({ length: 16 }, (_, index) => Number((mac >> BigInt(8 * index)) & 0xffn)));
}

/** What a sealed text holds; null when it is sealed with another key. */
function opened(key, sealed) {
  const [nonce, body, mac] = [sealed.subarray(0, 16), sealed.subarray(16, -16), sealed.subarray(-16)];
  if (!poly1305Aes(key, nonce, body).equals(mac)) return null;
  const decipher = createDecipheriv('aes-256-ctr', key.encryption, nonce);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}

function sealed(key, text) {
  const nonce = randomBytes(16);
  const cipher = createCipheriv('aes-256-ctr', key.encryption, nonce);
  const body = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, body, poly1305Aes(key, nonce, body)]);
}

/** One key file; those of other passwords stay as they are. */
function makeCheap(directory, name, password) {
  const path = join(directory, name);
  const key = JSON.parse(readFileSync(path, 'utf8'));
  if (key.kdf !== 'scrypt' || key.N === CHEAP.N) return;
  const salt = Buffer.from(key.salt, 'base64');
  const master = opened(derived(password, salt, key), Buffer.from(key.data, 'base64'));
  if (master === null) return;
  const content = JSON.stringify({ ...key, ...CHEAP, data: sealed(derived(password, salt, CHEAP), master).toString('base64') });
  const cheaper = join(directory, createHash('sha256').update(content).digest('hex'));
  // Beside the keys: nobody takes it for one meanwhile.
  const unfinished = join(directory, '..', `key-${process.pid}`);
  writeFileSync(unfinished, content);
  // A server that runs as another user has to read it.
  const { uid, gid, mode } = statSync(path);
  chownSync(unfinished, uid, gid);
  chmodSync(unfinished, mode);
  renameSync(unfinished, cheaper);
  rmSync(path, { force: true });
}

/** Where a repository lies on this machine, also behind a REST server of this machine; null where that is not known. */
function directoryOf(repository) {
  if (!repository.startsWith('rest:')) return repository;
  const { port, pathname } = new URL(repository.slice('rest:'.length));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
      const served = basename(argv[0] ?? '') === 'rclone' && argv[1] === 'serve' && argv[2] === 'restic';
      if (served && argv[argv.indexOf('--addr') + 1]?.endsWith(`:${port}`)) return join(argv.at(-1), decodeURIComponent(pathname));
    } catch {
      // it has ended
    }
  }
  return null;
}

const [restic, ...args] = process.argv.slice(2);
const { status, signal, error } = spawnSync(restic, args, { stdio: 'inherit' });
if (error !== undefined) throw error;
if (signal !== null) process.kill(process.pid, signal);

const valueOf = (...options) => args[args.findIndex((arg) => options.includes(arg)) + 1];
const has = (option) => args.includes(option);
const repository = has('-r') || has('--repo') ? valueOf('-r', '--repo') : process.env.RESTIC_REPOSITORY;
const directory = status === 0 && repository !== undefined ? directoryOf(repository) : null;
const keys = directory === null ? null : join(directory, 'keys');
if (keys !== null && existsSync(keys)) {
  const password = has('--new-password-file') ? readFileSync(valueOf('--new-password-file'), 'utf8').split('\n')[0] : process.env.RESTIC_PASSWORD;
  if (password !== undefined) for (const name of readdirSync(keys)) makeCheap(keys, name, password);
}
process.exitCode = status ?? 1;

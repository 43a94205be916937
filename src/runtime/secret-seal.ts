/**
 * Secrets in the records of a home. A box may be started again by another program, so their values are kept; they are
 * encrypted with a key that lies beside the database, in a file of its own: a copy of the database alone, such as a
 * backup or an attachment to a report, tells none of them. Whoever can read the user's files can read both.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BoxliteError, systemCode } from '../base/errors.ts';
import type { BoxSpec, SecretRule } from '../spec/box-spec.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The same box with its secrets' values encrypted. The key is made if it is the first time. */
export function sealSecrets(homeDir: string, spec: BoxSpec): BoxSpec {
  if (spec.secrets.length === 0) return spec;
  const key = readKey(homeDir) ?? makeKey(homeDir);
  return { ...spec, secrets: spec.secrets.map((secret) => sealed(key, secret)) };
}

/** The reverse. @throws BoxliteError `Storage` if the key is not the one it was done with */
export function openSecrets(homeDir: string, spec: BoxSpec): BoxSpec {
  if (spec.secrets.length === 0) return spec;
  const key = readKey(homeDir);
  const secrets = spec.secrets.map((secret) => {
    try {
      if (key === null) throw new Error('it is not there');
      return opened(key, secret);
    } catch (cause) {
      const what = `Cannot read the secret "${secret.name}"`;
      const remedy = 'put the file back that was there, or make the box anew';
      throw new BoxliteError(
        'Storage',
        `${what}: the key "${keyFile(homeDir)}" does not fit; ${remedy}`,
        { cause },
      );
    }
  });
  return { ...spec, secrets };
}

function sealed(key: Uint8Array, secret: SecretRule): SecretRule {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(secret.name));
  const bytes = Buffer.concat([cipher.update(secret.value, 'utf8'), cipher.final()]);
  const value = Buffer.concat([nonce, cipher.getAuthTag(), bytes]).toString('base64');
  return { ...secret, value };
}

function opened(key: Uint8Array, secret: SecretRule): SecretRule {
  const bytes = Buffer.from(secret.value, 'base64');
  const tagEnd = NONCE_BYTES + TAG_BYTES;
  const cipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(Buffer.from(secret.name)).setAuthTag(bytes.subarray(NONCE_BYTES, tagEnd));
  const value = Buffer.concat([cipher.update(bytes.subarray(tagEnd)), cipher.final()]);
  return { ...secret, value: value.toString('utf8') };
}

function keyFile(homeDir: string): string {
  return join(homeDir, 'secrets.key');
}

function readKey(homeDir: string): Uint8Array | null {
  try {
    return readFileSync(keyFile(homeDir));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Whole or not at all; of several programs the first one's counts. */
function makeKey(homeDir: string): Uint8Array {
  // Not after the process: those of two containers, or two threads, may have the same number.
  const temporary = `${keyFile(homeDir)}.${randomUUID()}`;
  writeFileSync(temporary, randomBytes(KEY_BYTES), { flag: 'wx', mode: 0o600 });
  try {
    linkSync(temporary, keyFile(homeDir));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary);
  }
  return readFileSync(keyFile(homeDir));
}

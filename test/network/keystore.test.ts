import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { CertificateAuthority } from '../../src/network/tls/authority.ts';
import { elementsOf } from '../../src/network/tls/der-reader.ts';
import { withTrusted } from '../../src/network/tls/keystore.ts';
import { subjectHash } from '../../src/network/tls/subject-hash.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystore-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const authority = new CertificateAuthority('BoxLite  Test Box');
const earlier = new CertificateAuthority('BoxLite before');
const others = rootCertificates
  .slice(0, 3)
  .map((pem) => new Uint8Array(new X509Certificate(pem).raw));

/** What `keytool` would have written. */
function jks(certificates: readonly Uint8Array[]): Buffer {
  const uint32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const utf = (text: string) => Buffer.concat([Buffer.of(0, text.length), Buffer.from(text)]);
  const entries = certificates.map((certificate, i) =>
    Buffer.concat([
      ...[uint32(2), utf(`root ${i}`), Buffer.alloc(8, 1), utf('X.509')],
      ...[uint32(certificate.length), certificate],
    ]),
  );
  const head = [uint32(0xfeedfeed), uint32(2), uint32(entries.length)];
  const contents = Buffer.concat(head.concat(entries));
  return Buffer.concat([contents, proof(contents)]);
}

function proof(contents: Uint8Array): Buffer {
  const password = Buffer.from('changeit', 'utf16le').swap16();
  return createHash('sha1').update(password).update('Mighty Aphrodite').update(contents).digest();
}

function contains(store: Uint8Array | null, certificate: Uint8Array): boolean {
  return store !== null && Buffer.from(store).includes(Buffer.from(certificate));
}

/** A keystore without a password, written by OpenSSL. */
function pkcs12(...options: string[]): Buffer {
  const path = join(folder, 'roots.pem');
  writeFileSync(path, rootCertificates.slice(0, 3).join('\n'));
  const none = ['-keypbe', 'NONE', '-certpbe', 'NONE', '-nomaciter', '-passout', 'pass:'];
  return execFileSync('openssl', [
    'pkcs12',
    '-export',
    '-nokeys',
    '-in',
    path,
    ...none,
    ...options,
  ]);
}

describe('withTrusted() of a JKS', () => {
  it('adds a certificate to those that are there, once', () => {
    const store = jks(others);
    const first = withTrusted(store, earlier.certificate);
    const second = withTrusted(first ?? store, authority.certificate);
    assert.ok(second !== null && contains(first, earlier.certificate));
    assert.ok(!contains(second, earlier.certificate) && contains(second, authority.certificate));
    for (const each of others) assert.ok(contains(second, each));
    assert.equal(Buffer.from(second).readUInt32BE(8), 4);
    const [contents, hash] = [second.subarray(0, -20), second.subarray(-20)];
    assert.deepEqual(Buffer.from(hash), proof(contents));
  });

  it('leaves a broken one alone, and never throws', () => {
    const store = jks(others);
    for (let end = 0; end < store.length - 20; end += 7) {
      assert.equal(withTrusted(store.subarray(0, end), authority.certificate), null);
    }
    const change = fc.tuple(fc.nat(store.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const copy = Buffer.from(store);
        for (const [at, value] of changes) copy[at] = value;
        withTrusted(copy, authority.certificate);
      }),
    );
  });
});

describe('withTrusted() of a PKCS #12', () => {
  it('adds a certificate to those that are there, once', () => {
    const store = pkcs12('-nomac');
    const first = withTrusted(store, earlier.certificate);
    const second = withTrusted(first ?? store, authority.certificate);
    assert.ok(second !== null && contains(first, earlier.certificate));
    assert.ok(!contains(second, earlier.certificate));
    const path = join(folder, 'changed.p12');
    writeFileSync(path, second);
    const read = ['pkcs12', '-in', path, '-nokeys', '-nomac', '-passin', 'pass:'];
    const listed = execFileSync('openssl', read, { encoding: 'utf8', stdio: 'pipe' });
    const found = listed.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const raw = found.map((pem) => new Uint8Array(new X509Certificate(pem).raw));
    assert.deepEqual(raw, [...others, new Uint8Array(authority.certificate)]);
  });

  it('leaves one with a password alone, and one that is broken, and never throws', () => {
    assert.equal(withTrusted(pkcs12('-macalg', 'sha256'), authority.certificate), null);
    const store = pkcs12('-nomac');
    for (let end = 0; end < store.length; end += 7) {
      assert.equal(withTrusted(store.subarray(0, end), authority.certificate), null);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        elementsOf(bytes);
        withTrusted(Uint8Array.from([0x30, ...bytes]), authority.certificate);
      }),
    );
  });
});

it('a keystore of more than any has is left alone', () => {
  const nothing = new Uint8Array(0);
  const entries = Array.from({ length: 200_000 }, () => nothing);
  assert.equal(withTrusted(jks(entries), authority.certificate), null);
  // NULL, as often.
  assert.equal(elementsOf(Buffer.alloc(400_000, Buffer.of(5, 0))), null);
});

it('a keystore of any other kind is left alone', () => {
  for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----']) {
    assert.equal(withTrusted(Buffer.from(text), authority.certificate), null);
  }
});

it('subjectHash() is what OpenSSL looks for', () => {
  const path = join(folder, 'authority.pem');
  writeFileSync(path, authority.pem);
  const args = ['x509', '-in', path, '-noout', '-subject_hash'];
  const expected = execFileSync('openssl', args, { encoding: 'utf8' }).trim();
  assert.equal(subjectHash(authority.name), expected);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { proxyFor } from '../../src/image/proxy.ts';

const SETTINGS = { http: 'http://plain:3128', https: 'http://user:pw@secure:3128', none: null };
const through = (url: string, none: string | null = null) =>
  proxyFor(new URL(url), { ...SETTINGS, none }) !== null;

test('proxyFor() takes the proxy of the protocol', () => {
  assert.equal(proxyFor(new URL('https://ghcr.io/v2/'), SETTINGS), 'http://user:pw@secure:3128/');
  assert.equal(proxyFor(new URL('http://ghcr.io/v2/'), SETTINGS), 'http://plain:3128/');
  assert.equal(proxyFor(new URL('http://x.y'), { ...SETTINGS, http: 'host:80' }), 'http://host/');
  assert.equal(proxyFor(new URL('http://x.y'), { ...SETTINGS, http: null }), null);
});

test('proxyFor() never goes through a proxy to this machine', () => {
  for (const host of ['localhost:5000', '127.0.0.1', '127.9.9.9', '[::1]:5000', 'a.localhost']) {
    assert.equal(through(`https://${host}/`), false, host);
  }
});

test('proxyFor() leaves out what NO_PROXY names', () => {
  const cases: [url: string, none: string, through: boolean][] = [
    ['https://ghcr.io/', '*', false],
    ['https://ghcr.io/', 'example.com, GHCR.io', false],
    ['https://pkg.ghcr.io/', 'ghcr.io', false],
    ['https://notghcr.io/', 'ghcr.io', true],
    ['https://ghcr.io/', '.ghcr.io', true],
    ['https://pkg.ghcr.io/', '*.ghcr.io', false],
    ['https://ghcr.io/', 'ghcr.io:443', false],
    ['https://ghcr.io:8443/', 'ghcr.io:443', true],
    ['http://10.1.2.3:5000/', '10.0.0.0/8', false],
    ['http://11.1.2.3:5000/', '10.0.0.0/8', true],
    ['http://[fd00::1]/', 'fd00::/8', false],
    ['http://[fd00::1]:5000/', '[fd00::1]:5000', false],
    ['http://10.1.2.3/', '10.1.2.3', false],
    ['http://10.1.2.3/', '10.0.0.0/99,,nonsense/8', true],
  ];
  for (const [url, none, expected] of cases)
    assert.equal(through(url, none), expected, `${url} ${none}`);
});

test('proxyFor() refuses a proxy it cannot use rather than going around it', () => {
  for (const https of ['socks5://secret@host:1080', 'http://', 'http://a b']) {
    assert.throws(
      () => proxyFor(new URL('https://x.y'), { ...SETTINGS, https }),
      (error) => BoxliteError.is(error, 'Config') && !error.message.includes('secret'),
    );
  }
});

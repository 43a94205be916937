import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nameFiles } from '../../src/runtime/box-names.ts';

describe('nameFiles()', () => {
  it('names the box, the host and who resolves names', () => {
    const files = nameFiles('mybox', 'enabled');
    assert.equal(files['/etc/hostname'], 'mybox\n');
    assert.equal(files['/etc/resolv.conf'], 'nameserver 192.168.127.1\n');
    const hosts = (files['/etc/hosts'] ?? '').split('\n');
    assert.ok(hosts.includes('127.0.0.1\tlocalhost'));
    assert.ok(hosts.includes('192.168.127.254\thost.boxlite.internal'));
    assert.ok(hosts.includes('192.168.127.2\tmybox'));
  });

  it('without a network knows the box alone', () => {
    const files = nameFiles('mybox', 'disabled');
    assert.equal(files['/etc/resolv.conf'], '');
    assert.match(files['/etc/hosts'] ?? '', /^127\.0\.1\.1\tmybox$/m);
    assert.doesNotMatch(files['/etc/hosts'] ?? '', /192\.168/);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { destinationOf } from '../../src/network/fixed-rules.ts';

describe('destinationOf()', () => {
  it('leads the names of the host to its loopback', () => {
    assert.deepEqual(destinationOf('192.168.127.254'), { dial: '127.0.0.1' });
    assert.deepEqual(destinationOf('fd6b:7865:6c69::fe'), { dial: '::1' });
  });

  it('lets others be dialed as they are', () => {
    for (const address of ['1.1.1.1', '10.1.2.3', '192.168.1.1', '2606:4700::1111', 'fd00::1']) {
      assert.deepEqual(destinationOf(address), { dial: address });
    }
  });

  it('forbids what only has a meaning on the host, in every spelling', () => {
    const forbidden = [
      ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '0.1.2.3', '169.254.169.254', '169.254.0.1'],
      ...['224.0.0.1', '255.255.255.255', '240.0.0.1', '::1', '::', '::ffff:127.0.0.1'],
      ...['::ffff:a9fe:a9fe', '::7f00:1', '64:ff9b::7f00:1', '2002:7f00:1::', 'fe80::1', 'febf::1'],
      ...['fec0::1', 'ff02::1', 'fd00:ec2::254', '2001:0:1::1'],
    ];
    for (const address of forbidden) {
      assert.deepEqual(destinationOf(address), { refuse: 'prohibited' }, address);
    }
  });

  it('finds nobody else on the link', () => {
    assert.deepEqual(destinationOf('192.168.127.1'), { refuse: 'reset' });
    for (const address of ['192.168.127.2', '192.168.127.77', 'fd6b:7865:6c69::77', 'no address']) {
      assert.deepEqual(destinationOf(address), { refuse: 'unreachable' }, address);
    }
  });
});

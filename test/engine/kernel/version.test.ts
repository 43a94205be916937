import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareVersions } from '../../../src/engine/kernel/version.ts';
import { runCommand } from '../../../src/process/run.ts';

const versions = fc
  .tuple(
    fc.constantFrom('', '1:', '2:'),
    fc.stringMatching(/^[0-9][0-9a-c.+~]{0,5}$/),
    fc.constantFrom('', '-1', '-1~bpo13+1', '-2', '-10', '-1+b13'),
  )
  .map((parts) => parts.join(''));

test('compareVersions() knows the order of kernel versions', () => {
  const ordered = [
    '6.1~rc1',
    '6.1',
    '6.1um4',
    '6.1.0-9-cloud-amd64',
    '6.1.0-56-cloud-amd64',
    '6.1.176',
    '6.9',
    '6.12.1',
    '6.16',
    '7.3.4-1~bpo13+1',
    '7.3.4-1',
    '7.10',
    '1:1',
  ];
  assert.deepEqual(ordered.toReversed().toSorted(compareVersions), ordered);
});

test('compareVersions() is an order', () => {
  fc.assert(
    fc.property(versions, versions, versions, (a, b, c) => {
      assert.equal(compareVersions(a, a), 0);
      assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) + 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
        assert(compareVersions(a, c) <= 0);
      }
    }),
  );
});

test('compareVersions() agrees with dpkg', async () => {
  await fc.assert(
    fc.asyncProperty(versions, versions, async (a, b) => {
      const { code } = await runCommand('dpkg', ['--compare-versions', a, 'lt', b]);
      assert.equal(compareVersions(a, b) < 0, code === 0, `${a} and ${b}`);
    }),
    { numRuns: 60 },
  );
});

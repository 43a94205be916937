import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatConfig,
  mergeFragments,
  notTaken,
  parseConfig,
} from '../../../src/engine/kernel/fragments.ts';
import { kernelRecipe } from '../../../src/engine/kernel/recipe.ts';

test('parseConfig() reads values, text and symbols that are not set', () => {
  const text = 'CONFIG_A=y\n# a comment\n# CONFIG_B is not set\nCONFIG_C="x y"\n CONFIG_D=n\nB=y\n';
  assert.deepEqual(
    [...parseConfig(text)],
    [
      ['A', 'y'],
      ['B', 'n'],
      ['C', '"x y"'],
      ['D', 'n'],
    ],
  );
});

test('formatConfig() writes what parseConfig() reads', () => {
  const config = fc
    .array(fc.tuple(fc.stringMatching(/^[A-Z0-9_]+$/), fc.constantFrom('y', 'n', '64', '"text"')))
    .map((entries) => new Map(entries));
  fc.assert(
    fc.property(config, (entries) => {
      assert.deepEqual(parseConfig(formatConfig(entries)), entries);
    }),
  );
});

test('notTaken() names the lines that a kernel source did not accept', () => {
  const wanted = mergeFragments([
    'CONFIG_TAKEN=y\nCONFIG_GONE=y\nCONFIG_N=64\n',
    'CONFIG_OFF=n\nCONFIG_ON=n\n',
  ]);
  const final = parseConfig('CONFIG_TAKEN=y\nCONFIG_N=32\nCONFIG_ON=y\nCONFIG_MORE=y\n');
  assert.deepEqual(notTaken(wanted, final), ['CONFIG_GONE=y', 'CONFIG_N=64', 'CONFIG_ON=n']);
});

for (const flavor of ['uml', 'vm'] as const) {
  test(`the fragments of ${flavor} name each symbol once and ask for several processors`, async () => {
    const { fragments } = kernelRecipe(flavor, 'x64');
    const read = (name: string) =>
      readFile(new URL(`../../../kernel/${name}`, import.meta.url), 'utf8');
    const texts = await Promise.all(fragments.map(read));
    const symbols = texts.flatMap((text) =>
      [...text.matchAll(/^CONFIG_(\w+)=/gm)].map((m) => m[1]),
    );
    assert.deepEqual(
      symbols.filter((symbol, i) => symbols.indexOf(symbol) !== i),
      [],
    );
    assert.equal(mergeFragments(texts).get('SMP'), 'y');
  });
}

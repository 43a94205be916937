import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buildHash,
  type KernelRecipe,
  kernelRecipe,
  recipeHash,
  StepCounter,
} from '../../../src/engine/kernel/recipe.ts';

test('recipeHash() changes with every input of the build', () => {
  const recipe = kernelRecipe('uml', 'x64');
  const config = new Map([['A', 'y']]);
  const changed: KernelRecipe = { ...recipe, variables: ['KCFLAGS=-O3'] };
  const hashes = [
    recipeHash(recipe, config, []),
    recipeHash(recipe, new Map([['A', 'n']]), []),
    recipeHash(recipe, config, ['--- a/x']),
    recipeHash(changed, config, []),
    recipeHash(kernelRecipe('vm', 'x64'), config, []),
  ];
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(recipeHash(recipe, new Map(config), []), hashes[0]);
  assert(hashes.every((hash) => /^[0-9a-f]{16}$/.test(hash)));
});

test('buildHash() changes with the source', () => {
  assert.notEqual(
    buildHash('r', 'linux-source-7.3 7.3.4-1'),
    buildHash('r', 'linux-source-7.4 7.4-1'),
  );
});

test('kernelRecipe() refuses an architecture without a configuration', () => {
  assert.throws(() => kernelRecipe('vm', 'arm64'), { kind: 'Unsupported' });
});

test('StepCounter counts the short lines of make and stays below 100', () => {
  const steps = new StepCounter(4);
  assert.equal(steps.add("make[1]: Entering directory '/tmp/build'"), null);
  assert.equal(steps.add('  CC      init/main.o'), 25);
  assert.equal(steps.add('    warning text'), null);
  assert.equal(steps.add('  HOSTCC  scripts/basic/fixdep'), 50);
  for (let i = 0; i < 9; i++) steps.add('  LD      vmlinux.o');
  assert.equal(steps.add('  LINK linux'), 99);
});

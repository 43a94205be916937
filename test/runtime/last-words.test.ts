import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lastWords } from '../../src/runtime/last-words.ts';

describe('lastWords()', () => {
  it('finds the agent’s', () => {
    const console =
      '<6>Mounted.\r\nboxlite-agent: cannot poll: Bad address\r\nreboot: Power down\r\n';
    assert.equal(lastWords(console), 'boxlite-agent: cannot poll: Bad address');
  });

  it('finds the kernel’s, which come last', () => {
    const console =
      'boxlite-agent: one\n<0>[    1.5] Kernel panic - not syncing: Out of memory\n---[ end';
    assert.equal(lastWords(console), 'Kernel panic - not syncing: Out of memory');
  });

  it('finds none in what is no end', () => {
    assert.equal(lastWords(''), null);
    assert.equal(lastWords('<6>Run /init as init process\n'), null);
  });

  it('shows a bounded part, safe for a terminal', () => {
    const said = lastWords(`boxlite-agent: \x1b[2J${'x'.repeat(100_000)}`) ?? '';
    assert.ok(said.length <= 300);
    assert.ok(!said.includes('\x1b'));
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../../src/engine/vmm.ts';

test('findProgram() finds what may be executed, and nothing below the present folder', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-path-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'tool'), '', { mode: 0o755 });
  writeFileSync(join(folder, 'text'), '', { mode: 0o644 });
  assert.equal(await findProgram('tool', `/nonexistent:${folder}`), join(folder, 'tool'));
  assert.equal(await findProgram('text', folder), null);
  assert.equal(await findProgram('tool', relative(process.cwd(), folder)), null);
  assert.equal(await findProgram('package.json', `:.:${folder}`), null);
});

/** The messages that the troubleshooting page explains are ones that the code has. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(join(top, 'docs/guides/troubleshooting.md'), 'utf8');
const sources = globSync('src/**/*.ts', { cwd: top }).map((path) =>
  readFileSync(join(top, path), 'utf8').replaceAll(/\$\{[^}]*\}+/g, '…'),
);

describe('the troubleshooting page', () => {
  const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading);
  const messages = headings.flatMap((heading) => [...heading.matchAll(/`([^`]+)`/g)]);

  for (const [, message = ''] of messages) {
    it(`explains a message there is: ${message}`, () => {
      const parts = message.split('…').filter((part) => part.trim().length > 2);
      assert.ok(parts.length > 0);
      const file = sources.find((source) => parts.every((part) => source.includes(part)));
      assert.ok(file !== undefined, 'no file of src/ has it');
    });
  }

  it('explains every reason for which the network refuses something', () => {
    const types = readFileSync(join(top, 'src/spec/network-event.ts'), 'utf8');
    const reasons = [...types.matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, reason]) => reason);
    assert.ok(reasons.length > 5);
    for (const reason of reasons) assert.ok(page.includes(`\`${reason}\``), reason);
  });
});

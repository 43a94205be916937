/** The examples do what they say, run as they are. */
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inNamespace } from '../network/namespace.ts';
import { API_KEY, DocumentedWorld, worldHosts } from './world.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));
const EXAMPLE_MS = 240_000;

/** What each example prints, to the letter. */
const printed: Readonly<Record<string, string>> = {
  'code-interpreter.ts': `The best month was March
summary.json: {"total": 450}
The average is 150.0
An error for the model to read: NameError: name 'undefined_name' is not defined
`,
  'jobs.ts': '100 jobs in 10 boxes: 55539\n',
  'scraper.ts': `The key, as the box sees it: <BOXLITE_SECRET:news>
- Boxes are small
- Kernels boot fast
Nothing goes elsewhere
refused: news.example.com (name-not-allowed)
`,
  'test-runner.ts': 'passed  fix-sums\nFAILED  add-telemetry  found: nothing\n',
  'web-service.ts': `Hello, World!
Hello, Ada! Hello, Grace! Hello, Edsger!
`,
};

if (inNamespace(import.meta.filename, { hosts: worldHosts, timeoutMs: 600_000 })) {
  describe('an example', () => {
    let world: DocumentedWorld;
    before(async () => {
      world = await DocumentedWorld.start();
    });
    after(() => world[Symbol.asyncDispose]());

    for (const name of readdirSync(examples)) {
      it(name, { timeout: EXAMPLE_MS }, async () => {
        copyFileSync(join(examples, name), join(world.folder, name));
        const output = await world.say(process.execPath, [name]);
        assert.equal(output, printed[name]);
        assert.ok(!output.includes(API_KEY));
      });
    }
  });
}

/** Damaged images: whatever the bytes, there is an image that is sound, or an Image error. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { convertLayers } from '../../src/image/convert.ts';
import { readErofs } from './support/erofs-reader.ts';
import { nastyLayers } from './support/nasty-layers.ts';
import { reseal } from './tar/read-all.ts';

const home = fs.mkdtempSync(join(tmpdir(), 'boxlite-fuzz-'));
after(() => fs.rmSync(home, { recursive: true, force: true }));

const layers = nastyLayers();
const RUNS = 250;
/** Bytes that mean something in a header. */
const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 0x2f, 0x2e, 0x30, 0x37, 0x80, 0xff));
const damage = fc.record({
  layer: fc.nat(layers.length - 1),
  /** Where, in parts of the layer. */
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  bytes: fc.array(byte, { minLength: 1, maxLength: 8 }),
});
const order = fc.shuffledSubarray([0, 1, 2], { minLength: 1 });

/** Changes bytes, and makes the checksums right again: else most changes end there. */
function damaged(changes: readonly { layer: number; at: number; bytes: number[] }[]): Buffer[] {
  const copies = layers.map((layer) => Buffer.from(layer));
  for (const { layer, at, bytes } of changes) {
    const copy = copies[layer] ?? Buffer.alloc(0);
    const offset = Math.trunc(at * copy.length);
    copy.set(bytes.slice(0, copy.length - offset), offset);
    const start = offset - (offset % 512);
    reseal(copy.subarray(start, start + 512));
  }
  return copies;
}

describe('a damaged image', () => {
  test('is refused, or gives a disk that is sound', async () => {
    const path = join(home, 'image');
    const limits = { bytes: 1 << 26 };
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { maxLength: 6 }), order, async (changes, which) => {
        const copies = damaged(changes);
        const sources = which.map((index) => ({
          mediaType: 'application/vnd.oci.image.layer.v1.tar',
          diffId: null,
          async *open() {
            yield copies[index] ?? Buffer.alloc(0);
          },
        }));
        try {
          await convertLayers(sources, path, { limits });
        } catch (error) {
          assert.ok(BoxliteError.is(error, 'Image'), String(error));
          return;
        }
        taken += 1;
        readErofs(fs.readFileSync(path));
        if (taken % 10 === 0) execFileSync('fsck.erofs', [path], { stdio: 'pipe' });
      }),
      { numRuns: RUNS, seed: 13 },
    );
    assert.ok(taken > RUNS / 10, `only ${taken} of ${RUNS} were images at all`);
    assert.deepEqual(
      fs.readdirSync(home).filter((name) => name !== 'image'),
      [],
    );
  });
});

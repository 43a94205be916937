import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ScreenModes } from '../../src/cli/screen-modes.ts';

const ESC = '\x1b';

/** What restores the screen after these have been shown. */
function after(...pieces: readonly (string | Uint8Array)[]): string {
  const modes = new ScreenModes();
  for (const piece of pieces) modes.watch(Buffer.from(piece as string));
  return modes.restoring();
}

describe('ScreenModes', () => {
  it('has nothing to restore where nothing was changed', () => {
    assert.equal(after('plain\r\n', `${ESC}[31mred${ESC}[2J`), '');
    assert.equal(after(`${ESC}[?25l${ESC}[?25h`), '');
    assert.equal(after(`${ESC}[?1049h`, `${ESC}[?1049l`), '');
  });

  it('undoes what was changed, the last first', () => {
    const changes = `${ESC}[?1049h${ESC}[?25l${ESC}[?2004h`;
    assert.equal(after(changes), `${ESC}[0m${ESC}[?2004l${ESC}[?25h${ESC}[?1049l`);
  });

  it('knows several modes in one sequence, and leaves unknown ones alone', () => {
    assert.equal(after(`${ESC}[?12;25l${ESC}[?1000;9999h`), `${ESC}[0m${ESC}[?1000l${ESC}[?25h`);
    assert.equal(after(`${ESC}[?;h${ESC}[?h${ESC}[?${'1'.repeat(1000)}h`), '');
  });

  it('sees through broken sequences', () => {
    assert.equal(after(`${ESC}[?25${ESC}[?25l`), `${ESC}[0m${ESC}[?25h`);
    assert.equal(after(`${ESC}[?2x5l`, `${ESC}?25l`, '[?25l'), '');
  });

  it('sees the same however the output is cut', () => {
    const parts = [ESC, '[', '?', ';', '25', '1049', 'h', 'l', 'x'];
    const output = fc.array(fc.constantFrom(...parts)).map((list) => list.join(''));
    fc.assert(
      fc.property(output, fc.array(fc.nat(200)), (text, cuts) => {
        const ends = [...cuts, text.length].sort((a, b) => a - b);
        const pieces = ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
        assert.equal(after(...pieces), after(text));
      }),
    );
  });
});

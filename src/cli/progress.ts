import type { ImageProgress } from '../index.ts';
import { size } from './table.ts';

/** Characters of a bar. */
const BAR_WIDTH = 24;
/** A terminal is redrawn at most this often, in ms. */
const REDRAW_MS = 100;

interface Layer {
  readonly digest: string;
  readonly size: number;
  bytes: number;
  state: string;
}

/** Shows a pull on stderr: a bar for each layer in a terminal, a line for each event elsewhere. */
class PullDisplay implements Disposable {
  readonly #out = process.stderr;
  #layers: Layer[] = [];
  #drawnLines = 0;
  #drawnAt = 0;

  show(progress: ImageProgress): void {
    switch (progress.kind) {
      case 'resolving':
        return this.#line(`looking for ${progress.reference}`);
      case 'resolved':
        this.#line(`pulling ${progress.reference} (${progress.digest})`);
        this.#layers = progress.layers.map((layer) => ({ ...layer, bytes: 0, state: 'waiting' }));
        return this.#draw(true);
      case 'layer':
        return this.#layer(progress);
      case 'unpacking':
        return undefined;
    }
  }

  [Symbol.dispose](): void {
    if (this.#layers.length > 0) this.#draw(true);
  }

  #layer({ digest, bytes, state }: Extract<ImageProgress, { kind: 'layer' }>): void {
    for (const layer of this.#layers.filter((each) => each.digest === digest)) {
      const ended = state !== 'downloading' && layer.state !== state;
      layer.bytes = bytes;
      layer.state = state;
      if (ended && !this.#out.isTTY)
        this.#line(`${shortDigest(digest)} ${state} ${size(layer.size)}`);
    }
    this.#draw(false);
  }

  #line(text: string): void {
    this.#out.write(`${text}\n`);
  }

  #draw(always: boolean): void {
    const now = Date.now();
    if (!this.#out.isTTY || (!always && now - this.#drawnAt < REDRAW_MS)) return;
    this.#drawnAt = now;
    const up = this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A` : '';
    const lines = this.#layers.map((layer) => `\x1b[K${describe(layer)}\n`);
    this.#out.write(up + lines.join(''));
    this.#drawnLines = lines.length;
  }
}

/** Does it with its progress shown, unless that is not wanted; what comes of it, once all is shown. */
export async function shown<T>(
  quiet: boolean,
  work: (onProgress: (progress: ImageProgress) => void) => Promise<T>,
): Promise<T> {
  if (quiet) return await work(() => undefined);
  using display = new PullDisplay();
  return await work((progress) => display.show(progress));
}

function describe({ digest, size: total, bytes, state }: Layer): string {
  const whole = state === 'done' || state === 'cached';
  const part = whole || total === 0 ? 1 : bytes / total;
  const filled = Math.round(part * BAR_WIDTH);
  const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.');
  return `${shortDigest(digest)} [${bar}] ${state.padEnd(11)} ${size(whole ? total : bytes)} of ${size(total)}`;
}

function shortDigest(digest: string): string {
  return digest.replace(/^[^:]+:/, '').slice(0, 12);
}

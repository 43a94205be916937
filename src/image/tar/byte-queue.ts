// pure
/** Bytes between a stream that gives them in pieces of any size and a parser that needs its own. */
export class ByteQueue {
  /** From `#first` on: what is not taken yet. */
  readonly #chunks: Buffer[] = [];
  #first = 0;
  #length = 0;
  #position = 0;
  #ended = false;

  /** Bytes available now. */
  get length(): number {
    return this.#length;
  }
  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }
  /** Whether no more bytes will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Adds a chunk, which is not copied. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#length += chunk.length;
  }

  /** Copies what is left of the last chunk, so that its memory may be used anew. */
  keepLast(): void {
    const last = this.#chunks.pop();
    if (last !== undefined) this.#chunks.push(Buffer.from(last));
  }

  end(): void {
    this.#ended = true;
  }

  /** Exactly `count` bytes, copied only where they lie in several pieces. */
  take(count: number): Buffer {
    if (count > this.#length) throw new RangeError(`${count} bytes taken of ${this.#length}`);
    const first = this.takeSome(count);
    if (first.length === count) return first;
    const whole = Buffer.allocUnsafe(count);
    let at = first.copy(whole);
    while (at < count) at += this.takeSome(count - at).copy(whole, at);
    return whole;
  }

  /** What there is without copying, up to `limit` bytes; at least one if any is there. */
  takeSome(limit: number): Buffer {
    const first = this.#chunks[this.#first];
    if (first === undefined || limit === 0) return Buffer.alloc(0);
    const taken = first.subarray(0, limit);
    if (taken.length < first.length) this.#chunks[this.#first] = first.subarray(taken.length);
    else this.#first += 1;
    this.#length -= taken.length;
    this.#position += taken.length;
    if (this.#length === 0) {
      this.#chunks.length = 0;
      this.#first = 0;
    }
    return taken;
  }
}

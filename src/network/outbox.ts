// pure
/** What waits at most; what comes on top is lost, as on every network. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const WAITING_RECORDS_MAX = 1024;

/** Records that belong to no TCP connection and wait for room on the link: datagrams, echoes, refusals. */
export class Outbox {
  #records: Uint8Array[] = [];
  #bytes = 0;

  /** False if it was lost. */
  add(record: Uint8Array): boolean {
    if (this.#records.length >= WAITING_RECORDS_MAX) return false;
    if (this.#bytes + record.length > WAITING_BYTES_MAX) return false;
    this.#records.push(record);
    this.#bytes += record.length;
    return true;
  }

  get empty(): boolean {
    return this.#records.length === 0;
  }

  /** Copies as many as there is room for to `target`; returns where they end. */
  drainTo(target: Uint8Array, at: number): number {
    let end = at;
    let taken = 0;
    for (const record of this.#records) {
      if (end + record.length > target.length) break;
      target.set(record, end);
      end += record.length;
      taken++;
    }
    this.#records = this.#records.slice(taken);
    this.#bytes -= end - at;
    return end;
  }
}

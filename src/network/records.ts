// pure
/**
 * The stream between the agent and the stack: what one read or write of a Linux TUN device takes, each behind its
 * length.
 *
 *     length u32 | flags u8 | gso u8 | header u16 | gso size u16 | checksum start u16 | its offset u16 | IP packet
 *
 * Little-endian. All but the length and the packet is a `struct virtio_net_hdr` (Linux: virtio_net.h).
 */
import { BoxliteError } from '../base/errors.ts';

/** Bytes of the length. */
const LENGTH_BYTES = 4;
/** Bytes of the `struct virtio_net_hdr`. */
const OFFLOAD_BYTES = 10;
/** What comes before a packet. */
export const RECORD_HEADER_BYTES = LENGTH_BYTES + OFFLOAD_BYTES;
/** The largest packet that IPv4 has, and what the device takes. */
export const MTU = 65_535;
/** As much as a frame of the wire holds. */
export const BATCH_BYTES = 256 * 1024;
/** The largest packets of which a whole number fits a batch: those that belong to a stream of bytes are no larger. */
export const STREAM_PACKET_BYTES = BATCH_BYTES / 4 - RECORD_HEADER_BYTES;
/** `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum field holds the sum of the pseudo-header only. */
const NEEDS_CHECKSUM = 1;

/** Where the receiver finds a checksum that was left to it. */
export interface ChecksumPlace {
  /** Where the summed bytes start in the packet, and where behind that the field is. */
  readonly start: number;
  readonly offset: number;
}

/** Takes records apart, however the stream was cut. */
export class RecordReader {
  readonly #onPacket: (packet: Uint8Array) => void;
  /** A record that has not come whole: its first `#filled` bytes. */
  #partial = new Uint8Array(LENGTH_BYTES);
  #filled = 0;

  /** What `onPacket` gets may be part of the bytes given to {@link push}. */
  constructor(onPacket: (packet: Uint8Array) => void) {
    this.#onPacket = onPacket;
  }

  /** @throws BoxliteError `Portal` if a length is impossible */
  push(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#filled === 0 && rest.length >= LENGTH_BYTES) {
        const end = LENGTH_BYTES + recordLength(rest);
        if (rest.length >= end) {
          this.#onPacket(rest.subarray(RECORD_HEADER_BYTES, end));
          rest = rest.subarray(end);
          continue;
        }
      }
      rest = this.#gather(rest);
    }
  }

  /** Adds to the partial record, first its length and then the rest; returns what is behind it. */
  #gather(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, this.#partial.length - this.#filled);
    this.#partial.set(taken, this.#filled);
    this.#filled += taken.length;
    if (this.#filled === LENGTH_BYTES) {
      const whole = new Uint8Array(LENGTH_BYTES + recordLength(this.#partial));
      whole.set(this.#partial);
      this.#partial = whole;
    } else if (this.#filled === this.#partial.length) {
      const packet = this.#partial.subarray(RECORD_HEADER_BYTES);
      this.#partial = new Uint8Array(LENGTH_BYTES);
      this.#filled = 0;
      this.#onPacket(packet);
    }
    return bytes.subarray(taken.length);
  }
}

/** Writes what comes before a packet of `packetBytes`. */
export function writeRecordHeader(
  target: Uint8Array,
  at: number,
  packetBytes: number,
  checksum: ChecksumPlace | null,
): void {
  target.fill(0, at, at + RECORD_HEADER_BYTES);
  const view = new DataView(target.buffer, target.byteOffset + at, RECORD_HEADER_BYTES);
  view.setUint32(0, OFFLOAD_BYTES + packetBytes, true);
  if (checksum === null) return;
  view.setUint8(4, NEEDS_CHECKSUM);
  view.setUint16(10, checksum.start, true);
  view.setUint16(12, checksum.offset, true);
}

function recordLength(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getUint32(0, true);
  if (length <= OFFLOAD_BYTES || length > OFFLOAD_BYTES + MTU) {
    throw new BoxliteError('Portal', `The guest sent a network packet of ${length} bytes`);
  }
  return length;
}

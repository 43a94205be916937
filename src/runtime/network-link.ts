import { randomBytes } from 'node:crypto';
import type { BoxliteError } from '../base/errors.ts';
import { BOX, GATEWAY, LINK_PREFIX } from '../network/addresses.ts';
import type { Uplink } from '../network/connection.ts';
import { BATCH_BYTES, MTU } from '../network/records.ts';
import { NetworkStack } from '../network/stack.ts';
import type { Channel } from '../portal/channel.ts';
import type { JsonObject } from '../portal/messages.ts';
import type { PortalStream } from '../portal/stream.ts';

/** Below this part of it a batch is copied out, and its memory used again. */
const COPIED_BYTES_MAX = BATCH_BYTES / 8;
const TICK_MS = 1_000;
/** For so many turns more a batch waits while sockets have more to say: a guest pays by the frame. */
const GATHERING_TURNS_MAX = 2;
/** How often what has passed is told of while it passes, in ticks. */
const COUNT_TICKS = 5;

/** By how much a box's counters have grown. */
export interface TrafficGrowth {
  readonly networkBytesSent: number;
  readonly networkBytesReceived: number;
  readonly networkTcpErrors: number;
}

/** What a link needs besides its channel. */
export interface NetworkLinkOptions {
  readonly uplink: Uplink;
  /** Told if the agent cannot have its network device. */
  readonly onFailed: (why: BoxliteError) => void;
  /** Told now and then, and at the end. */
  readonly onTraffic: (growth: TrafficGrowth) => void;
}

/** A box's stack at the end of its wire. It lives until the wire ends or it is disposed of. */
export class NetworkLink implements Disposable {
  readonly stack: NetworkStack;
  readonly #channel: Channel;
  readonly #stream: PortalStream;
  #batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #scheduled = false;
  /** Something was said since the turn began for which the batch waits. */
  #more = false;
  #writing = false;
  readonly #onTraffic: (growth: TrafficGrowth) => void;
  #timer: NodeJS.Timeout | null = null;
  #ticks = 0;
  /** What has been told of. */
  #told = { bytesSent: 0, bytesReceived: 0, tcpErrors: 0 };
  #closed = false;

  /**
   * Asks the agent for its network device, and does not wait: commands come behind on the same wire, and find it
   * there.
   */
  constructor(channel: Channel, options: NetworkLinkOptions) {
    this.#channel = channel;
    this.#onTraffic = options.onTraffic;
    this.stack = new NetworkStack({
      uplink: options.uplink,
      random32: () => randomBytes(4).readUInt32LE(),
      now: () => performance.now(),
      onReady: () => this.#schedule(),
    });
    this.#stream = channel.open(netRequest(), {
      data: (chunk) => this.#receive(chunk),
      closed: (reason) => {
        if (reason !== null && !this.#closed) options.onFailed(reason);
        this[Symbol.dispose]();
      },
    });
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.stack.close();
    this.settle();
    this.#stream.reset({ code: 'closed', message: 'The network was closed' });
  }

  /** Tells of what has passed and was not told of. */
  settle(): void {
    const { bytesSent, bytesReceived, tcpErrors } = this.stack.counts;
    const told = this.#told;
    this.#told = { bytesSent, bytesReceived, tcpErrors };
    this.#onTraffic({
      networkBytesSent: bytesSent - told.bytesSent,
      networkBytesReceived: bytesReceived - told.bytesReceived,
      networkTcpErrors: tcpErrors - told.tcpErrors,
    });
  }

  #receive(chunk: Uint8Array): void {
    this.stack.receive(chunk);
    this.#stream.consumed(chunk.length);
    if (this.#timer !== null || !this.stack.active || this.#closed) return;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  #tick(): void {
    this.stack.tick();
    if (++this.#ticks % COUNT_TICKS === 0) this.settle();
    if (this.stack.active || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.settle();
  }

  /** What all sockets have to say that are heard in one turn goes together, and what follows at once. */
  #schedule(): void {
    this.#more = this.#scheduled;
    if (this.#scheduled || this.#writing || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => this.#gather(GATHERING_TURNS_MAX));
  }

  #gather(turns: number): void {
    if (this.#more && turns > 0) {
      this.#more = false;
      setImmediate(() => this.#gather(turns - 1));
      return;
    }
    this.#scheduled = false;
    void this.#write();
  }

  /** Writes until there is nothing, never more than one batch ahead of the wire. */
  async #write(): Promise<void> {
    this.#writing = true;
    try {
      for (let batch = this.#nextBatch(); batch !== null; batch = this.#nextBatch()) {
        await this.#stream.write(batch);
        // The link has it still: it is not ours to write to.
        if (this.#channel.backlog > 0) this.#batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
      }
    } catch {
      // The wire has ended, which the stream's end tells.
    } finally {
      this.#writing = false;
    }
  }

  #nextBatch(): Uint8Array | null {
    const bytes = this.#closed ? 0 : this.stack.fill(this.#batch);
    if (bytes === 0) return null;
    const filled = this.#batch.subarray(0, bytes);
    return bytes <= COPIED_BYTES_MAX ? Buffer.from(filled) : filled;
  }
}

function netRequest(): JsonObject {
  return {
    service: 'net',
    mtu: MTU,
    v4: { address: BOX.v4, prefix: LINK_PREFIX.v4, gateway: GATEWAY.v4 },
    v6: { address: BOX.v6, prefix: LINK_PREFIX.v6, gateway: GATEWAY.v6 },
  };
}

import assert from 'node:assert/strict';
import { Channel, type ChannelEvents, type FrameLink } from '../../src/portal/channel.ts';
import { encodeFrame } from '../../src/portal/frame.ts';
import type { FrameTypeName } from '../../src/portal/messages.ts';

/** A link in memory: its frames stay here until somebody carries their bytes over. */
export class MemoryLink implements FrameLink {
  writable = true;
  backlog = 0;
  /** Every frame sent, oldest first. */
  readonly sent: { name: FrameTypeName; stream: number; flags: number; bytes: number }[] = [];
  /** DATA bytes sent, by stream. */
  readonly dataSent = new Map<number, number>();
  #waiting: Uint8Array[] = [];

  send(name: FrameTypeName, stream: number, flags: number, payload: Uint8Array): void {
    const frame = encodeFrame(name, stream, payload, flags);
    this.sent.push({ name, stream, flags, bytes: payload.length });
    this.#waiting.push(frame);
    this.backlog += frame.length;
    if (name !== 'DATA') return;
    assert.ok(this.writable, 'DATA on a link that is not writable');
    this.dataSent.set(stream, (this.dataSent.get(stream) ?? 0) + payload.length);
  }

  /** Removes up to `limit` bytes from the front. */
  take(limit: number): Uint8Array {
    const all = Buffer.concat(this.#waiting);
    const taken = all.subarray(0, limit);
    const rest = all.subarray(taken.length);
    this.#waiting = rest.length > 0 ? [rest] : [];
    this.backlog = rest.length;
    return taken;
  }
}

/** The names of a channel's two sides. */
export type Side = 'host' | 'guest';

/** The side opposite of `side`. */
export function opposite(side: Side): Side {
  return side === 'host' ? 'guest' : 'host';
}

/** A host and a guest, wired back to back. */
export class ChannelPair {
  readonly links = { host: new MemoryLink(), guest: new MemoryLink() };
  readonly host: Channel;
  readonly guest: Channel;

  constructor(events: { host?: ChannelEvents; guest?: ChannelEvents } = {}) {
    const options = (side: Side) =>
      ({ role: side, link: this.links[side], events: events[side] ?? {}, build: side }) as const;
    this.guest = new Channel(options('guest'));
    this.host = new Channel(options('host'));
  }

  /** Carries up to `limit` bytes of what `from` has sent to the other side. */
  carry(from: Side, limit = Number.POSITIVE_INFINITY): void {
    const bytes = this.links[from].take(limit);
    if (bytes.length > 0) this[opposite(from)].receive(bytes);
  }

  /** Carries everything, both ways, until nobody has anything to say. */
  settle(): void {
    while (this.links.host.backlog + this.links.guest.backlog > 0) {
      this.carry('guest');
      this.carry('host');
    }
  }
}

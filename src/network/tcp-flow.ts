// pure
/**
 * One TCP connection that a box asked for (RFC 9293), as seen from its other end.
 *
 * The link to the box loses nothing and keeps the order, so there is no congestion control and nothing is
 * put in order: what does not follow on what came before is dropped, acknowledged anew and comes again. The box's
 * kernel may still drop what it has no memory for, so what is not acknowledged in time is sent again, all of it.
 *
 * Nothing is sent from here. Whatever may have made something to send calls `ready`, and `next` makes the
 * segments one by one when there is room on the link; so acknowledgements and windows are always the newest, and what waits
 * for a slow box waits in the sender's queue. Time comes from outside too: `tick` is to be called once a
 * second or so.
 *
 *     asked ---accept---> answered ---ACK---> open ---both FINs acknowledged---> closed
 *       \______________________\_______________\____ RST, time-out, abort ____/
 */
import { type BlockPool, ByteQueue } from './byte-queue.ts';
import { advance, distance } from './sequence.ts';
import { type TcpOutput, type TcpSegment, tcpFlags } from './tcp.ts';

/** What becomes of a flow's bytes. */
export interface TcpFlowEvents {
  /** Something may be there to send. */
  ready(): void;
  /** Bytes from the box; {@link TcpFlow.consumed} opens the window again. */
  data(piece: Uint8Array): void;
  /** The box sends no more. */
  end(): void;
  /** There is room to write again. */
  drained(): void;
  /** The last call. `reset` by the box, `timeout` if it does not answer. */
  closed(why: 'done' | 'reset' | 'timeout' | 'aborted'): void;
}

/** What a flow starts with. */
export interface TcpFlowOptions {
  /** The box's SYN. */
  readonly syn: TcpSegment;
  /** Where our sequence numbers start: nobody may be able to guess it. */
  readonly initialSequence: number;
  /** The largest payload that the link takes. */
  readonly linkSegmentBytes: number;
  /** What the box may send ahead of the reader, and what we keep for it at most. */
  readonly bufferBytes: number;
  readonly blocks: BlockPool;
  readonly events: TcpFlowEvents;
  readonly now: number;
}

/** What everybody takes who says nothing else (RFC 9293, 3.7.1), and the least we go down to. */
const SEGMENT_BYTES_MIN = 536;
/** Our windows count in units of 16 bytes: 1 MiB at most. */
const WINDOW_SHIFT = 4;
const WINDOW_FIELD_MAX = 0xffff;

/** Times in ms. The box may be slow, and sending again what is only late costs more than waiting. */
const RETRANSMIT_MS = 2_000;
const RETRANSMIT_MAX_MS = 30_000;
const RETRANSMITS_MAX = 8;
/** The box sends its SYN again every now and then for about two minutes. */
const ASKED_MS = 150_000;
/** A window that opens is told of at once; a probe is for one that was told of in vain. */
const PROBE_MS = 5_000;
/** How long a box may say nothing, and how often it is asked then. */
const QUIET_MS = 300_000;
const QUIET_PROBE_MS = 60_000;
/** How long the box may take to end a connection that nobody reads any more: Linux's tcp_fin_timeout. */
const LINGER_MS = 60_000;
/** Probes in a row without an answer. */
const PROBES_MAX = 5;
/** RFC 5681, 3.2. */
const DUPLICATES_TO_RETRANSMIT = 3;

/** See the top of this file. */
export class TcpFlow {
  readonly #events: TcpFlowEvents;
  readonly #bufferBytes: number;
  /** What a segment may hold on its way here, and to the box. */
  readonly #linkSegmentBytes: number;
  readonly #segmentBytes: number;
  /** By how many bits the box's windows are shifted; null if neither side's are. */
  readonly #theirShift: number | null;
  readonly #theirInitial: number;
  #phase: 'asked' | 'answered' | 'open' | 'closed' = 'asked';

  // What comes from the box.
  #received: number;
  /** The right edge of the window that it has been told of. */
  #promised: number;
  /** Bytes that came and have not been consumed. */
  #held = 0;
  #theirEnd = false;
  #acknowledge = false;

  // What goes to it.
  readonly #queue: ByteQueue;
  #unacknowledged: number;
  #next: number;
  /** Beyond everything that was ever sent. */
  #highest: number;
  #window = 0;
  #largestWindow = 0;
  #ending = false;
  #endAcknowledged = false;
  #full = false;
  #duplicates = 0;
  /** Until this is acknowledged, duplicates belong to the loss that has been dealt with. */
  #recovering: number;
  #answerDue = false;
  #probeDue = false;

  // Clocks.
  readonly #started: number;
  #heard: number;
  #retransmitAt: number | null = null;
  #retransmits = 0;
  #probeAt: number | null = null;
  #probes = 0;
  #released = false;
  /** When it ends although the box does not. */
  #lingersUntil: number | null = null;

  constructor(options: TcpFlowOptions) {
    const { syn, initialSequence } = options;
    this.#events = options.events;
    this.#queue = new ByteQueue(options.blocks);
    this.#bufferBytes = Math.min(options.bufferBytes, WINDOW_FIELD_MAX << WINDOW_SHIFT);
    this.#linkSegmentBytes = options.linkSegmentBytes;
    this.#segmentBytes = Math.min(
      options.linkSegmentBytes,
      Math.max(syn.segmentSize ?? SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN),
    );
    this.#theirShift = syn.windowShift;
    this.#theirInitial = syn.sequence;
    this.#received = advance(syn.sequence, 1);
    this.#promised = this.#received;
    this.#unacknowledged = this.#next = this.#highest = this.#recovering = initialSequence;
    // A window in a SYN is never scaled.
    this.#window = this.#largestWindow = syn.window;
    this.#started = this.#heard = options.now;
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /** Whether this SYN asks for another connection than the one that has not been opened yet. */
  isSuperseded(segment: TcpSegment): boolean {
    const early = this.#phase === 'asked' || this.#phase === 'answered';
    const isSyn = (segment.flags & (tcpFlags.SYN | tcpFlags.ACK)) === tcpFlags.SYN;
    return early && isSyn && segment.sequence !== this.#theirInitial;
  }

  /** Answers the SYN. */
  accept(): void {
    if (this.#phase !== 'asked') return;
    this.#phase = 'answered';
    this.#answerDue = true;
    this.#events.ready();
  }

  /** Takes bytes for the box, which must not change afterwards. False if no more should come before `drained`. */
  write(piece: Uint8Array): boolean {
    if (this.closed || this.#ending) return true;
    this.#queue.append(piece);
    return this.#written();
  }

  /** The same with bytes that may change afterwards. */
  writeCopy(piece: Uint8Array): boolean {
    if (this.closed || this.#ending) return true;
    this.#queue.copy(piece);
    return this.#written();
  }

  #written(): boolean {
    this.#full = this.#queue.length >= this.#bufferBytes;
    this.#events.ready();
    return !this.#full;
  }

  /** Nothing more will be written. */
  end(): void {
    if (this.closed || this.#ending) return;
    this.#ending = true;
    this.#events.ready();
  }

  /** Nobody reads any more: once it has acknowledged everything, the box has a minute to end it too. */
  release(): void {
    this.#released = true;
  }

  /** Bytes that came have been used. */
  consumed(bytes: number): void {
    this.#held -= bytes;
    if (this.closed) return;
    const opens = distance(this.#promised, this.#windowEdge());
    const worthTelling = Math.min(this.#bufferBytes / 2, 2 * this.#segmentBytes);
    if (opens < worthTelling || this.#theirEnd) return;
    this.#acknowledge = true;
    this.#events.ready();
  }

  /** Ends it at once. Returns the RST that would tell the box, null if it is over already. */
  abort(): TcpOutput | null {
    if (this.closed) return null;
    const reset = this.#segment(tcpFlags.RST | tcpFlags.ACK);
    this.#close('aborted');
    return reset;
  }

  /** A segment of this connection came. */
  receive(segment: TcpSegment, now: number): void {
    if (this.closed) return;
    this.#heard = now;
    this.#probes = 0;
    if ((segment.flags & tcpFlags.RST) !== 0) this.#receiveReset(segment);
    else if ((segment.flags & tcpFlags.SYN) !== 0) this.#receiveSyn(segment);
    else if ((segment.flags & tcpFlags.ACK) !== 0 && this.#phase !== 'asked') {
      if (this.#receiveAcknowledgement(segment, now)) this.#receiveText(segment);
      if (this.#endAcknowledged && this.#theirEnd && !this.#acknowledge) this.#close('done');
    }
    if (!this.closed) this.#events.ready();
  }

  /** The next segment to send now; null if there is none. */
  next(now: number): TcpOutput | null {
    if (this.#phase === 'answered') return this.#nextAnswer(now);
    if (this.#phase !== 'open') return null;
    const output = this.#nextText(now) ?? this.#nextBare();
    if (output === null) return null;
    this.#acknowledge = false;
    if (this.#endAcknowledged && this.#theirEnd) this.#close('done');
    return output;
  }

  /** Does what is due by now. */
  tick(now: number): void {
    if (this.#phase === 'asked' && now - this.#started > ASKED_MS) return this.#close('timeout');
    if (this.#retransmitAt !== null && now >= this.#retransmitAt) return this.#retransmitLate(now);
    if (this.#phase !== 'open') return;
    if (this.#released && this.#endAcknowledged) this.#lingersUntil ??= now + LINGER_MS;
    if (this.#lingersUntil !== null && now >= this.#lingersUntil) return this.#close('done');
    const quiet = now - this.#heard >= QUIET_MS;
    if (this.#probeAt === null && quiet) this.#probeAt = now;
    if (this.#probeAt === null || now < this.#probeAt) return;
    if (this.#probes >= PROBES_MAX) return this.#close('timeout');
    this.#probes++;
    this.#probeDue = true;
    this.#probeAt = quiet ? now + QUIET_PROBE_MS : now + PROBE_MS;
    this.#events.ready();
  }

  // --- What comes ---------------------------------------------------------------------------------

  /** RFC 5961, 3.2: only the exact sequence number resets; others are asked whether they mean it. */
  #receiveReset(segment: TcpSegment): void {
    if (segment.sequence === this.#received) this.#close('reset');
    else if (this.#phase === 'open') this.#acknowledge = true;
  }

  #receiveSyn(segment: TcpSegment): void {
    if (this.#phase === 'open') this.#acknowledge = true;
    else if (this.#phase === 'answered' && segment.sequence === this.#theirInitial) {
      this.#answerDue = true;
    }
  }

  /** Whether the rest of the segment counts. */
  #receiveAcknowledgement(segment: TcpSegment, now: number): boolean {
    const acknowledged = distance(this.#unacknowledged, segment.acknowledgement);
    if (distance(this.#highest, segment.acknowledgement) > 0) {
      this.#acknowledge = this.#phase === 'open';
      return false;
    }
    if (this.#phase === 'answered') {
      if (acknowledged !== 1) return false;
      this.#unacknowledged = segment.acknowledgement;
      this.#next = segment.acknowledgement;
      this.#phase = 'open';
      this.#settleClocks(now);
    } else if (acknowledged > 0) {
      this.#takeAcknowledged(segment.acknowledgement, acknowledged, now);
    } else if (acknowledged < 0) {
      return true;
    } else {
      this.#countDuplicate(segment);
    }
    this.#window = segment.window << (this.#theirShift ?? 0);
    this.#largestWindow = Math.max(this.#largestWindow, this.#window);
    if (this.#window > 0) this.#probeAt = null;
    return true;
  }

  #takeAcknowledged(to: number, bytes: number, now: number): void {
    if (bytes > this.#queue.length) this.#endAcknowledged = true;
    this.#queue.drop(bytes);
    this.#unacknowledged = to;
    if (distance(this.#next, to) > 0) this.#next = to;
    this.#duplicates = 0;
    this.#settleClocks(now);
    if (!this.#full || this.#queue.length >= this.#bufferBytes) return;
    this.#full = false;
    this.#events.drained();
  }

  /** The box got something it cannot use, because something before it is missing. */
  #countDuplicate(segment: TcpSegment): void {
    const inFlight = this.#unacknowledged !== this.#highest;
    const sameWindow = segment.window << (this.#theirShift ?? 0) === this.#window;
    const bare = segment.payload.length === 0 && (segment.flags & tcpFlags.FIN) === 0;
    if (!inFlight || !sameWindow || !bare) return;
    if (distance(this.#recovering, this.#unacknowledged) < 0) return;
    if (++this.#duplicates < DUPLICATES_TO_RETRANSMIT) return;
    this.#duplicates = 0;
    this.#recovering = this.#highest;
    this.#next = this.#unacknowledged;
  }

  #receiveText(segment: TcpSegment): void {
    const ends = (segment.flags & tcpFlags.FIN) !== 0;
    const length = segment.payload.length + (ends ? 1 : 0);
    const known = distance(segment.sequence, this.#received);
    if (length === 0 && known === 0) return;
    // Whatever it is, it is answered: what is new, what came twice, and what left a gap.
    this.#acknowledge = true;
    if (known < 0 || known >= length || this.#theirEnd) return;
    const room = distance(this.#received, this.#promised);
    const payload = segment.payload.subarray(known, known + Math.max(0, room));
    this.#received = advance(this.#received, payload.length);
    this.#held += payload.length;
    if (payload.length > 0) this.#events.data(payload);
    if (!ends || known + payload.length < segment.payload.length || this.closed) return;
    this.#received = advance(this.#received, 1);
    this.#theirEnd = true;
    this.#events.end();
  }

  // --- What goes ----------------------------------------------------------------------------------

  #nextAnswer(now: number): TcpOutput | null {
    if (!this.#answerDue) return null;
    this.#answerDue = false;
    // A window in a SYN is never scaled.
    const window = Math.min(this.#bufferBytes, WINDOW_FIELD_MAX);
    this.#promised = advance(this.#received, window);
    this.#highest = this.#next = advance(this.#unacknowledged, 1);
    this.#retransmitAt ??= now + RETRANSMIT_MS;
    return {
      sequence: this.#unacknowledged,
      acknowledgement: this.#received,
      flags: tcpFlags.SYN | tcpFlags.ACK,
      window,
      options: {
        segmentSize: this.#linkSegmentBytes,
        windowShift: this.#theirShift === null ? null : WINDOW_SHIFT,
      },
      pieces: [],
      payloadBytes: 0,
    };
  }

  /** Bytes, the end, or both. */
  #nextText(now: number): TcpOutput | null {
    const sent = distance(this.#unacknowledged, this.#next);
    const waiting = Math.max(0, this.#queue.length - sent);
    const room = Math.max(0, this.#window - sent);
    const size = Math.min(waiting, room, this.#segmentBytes);
    const endsHere = this.#ending && size === waiting && sent <= this.#queue.length;
    const ends = endsHere && !this.#endAcknowledged;
    const forced = this.#probeDue && size > 0;
    if (size < waiting && !forced && !this.#worthSending(size)) {
      // The box has no room. If it does not say when it has, ask.
      if (sent === 0) this.#probeAt ??= now + PROBE_MS;
      return null;
    }
    if (size === 0 && !ends) return null;
    if (forced) this.#probeDue = false;
    const pieces = size === 0 ? [] : this.#queue.slices(sent, size);
    const push = size > 0 && size === waiting ? tcpFlags.PSH : 0;
    const output = this.#segment(tcpFlags.ACK | push | (ends ? tcpFlags.FIN : 0), pieces, size);
    this.#next = advance(this.#next, size + (ends ? 1 : 0));
    if (distance(this.#highest, this.#next) > 0) this.#highest = this.#next;
    this.#retransmitAt ??= now + this.#retransmitDelay();
    return output;
  }

  /** RFC 9293, 3.8.6.2.1: no small pieces only because the window ends there. */
  #worthSending(size: number): boolean {
    return size > 0 && (size === this.#segmentBytes || size >= this.#largestWindow / 2);
  }

  /** Nothing but the header. */
  #nextBare(): TcpOutput | null {
    if (this.#probeDue) {
      this.#probeDue = false;
      // A sequence number that has been acknowledged makes the box say where it is.
      return { ...this.#segment(tcpFlags.ACK), sequence: advance(this.#unacknowledged, -1) };
    }
    return this.#acknowledge ? this.#segment(tcpFlags.ACK) : null;
  }

  #segment(flags: number, pieces: readonly Uint8Array[] = [], payloadBytes = 0): TcpOutput {
    const edge = this.#windowEdge();
    if (distance(this.#promised, edge) > 0) this.#promised = edge;
    return {
      sequence: this.#next,
      acknowledgement: this.#received,
      flags,
      window: distance(this.#received, this.#promised) >>> this.#ourShift(),
      options: null,
      pieces,
      payloadBytes,
    };
  }

  /** Up to where the box could send now, in whole units of the window. */
  #windowEdge(): number {
    const room = Math.max(0, this.#bufferBytes - this.#held);
    const field = Math.min(room >>> this.#ourShift(), WINDOW_FIELD_MAX);
    return advance(this.#received, field << this.#ourShift());
  }

  #ourShift(): number {
    return this.#theirShift === null ? 0 : WINDOW_SHIFT;
  }

  // --- Clocks -------------------------------------------------------------------------------------

  #settleClocks(now: number): void {
    this.#retransmits = 0;
    const inFlight = this.#unacknowledged !== this.#highest;
    this.#retransmitAt = inFlight ? now + RETRANSMIT_MS : null;
  }

  #retransmitDelay(): number {
    return Math.min(RETRANSMIT_MS * 2 ** this.#retransmits, RETRANSMIT_MAX_MS);
  }

  #retransmitLate(now: number): void {
    if (this.#retransmits >= RETRANSMITS_MAX) return this.#close('timeout');
    this.#retransmits++;
    this.#retransmitAt = now + this.#retransmitDelay();
    if (this.#phase === 'answered') this.#answerDue = true;
    else this.#next = this.#unacknowledged;
    this.#events.ready();
  }

  #close(why: 'done' | 'reset' | 'timeout' | 'aborted'): void {
    this.#phase = 'closed';
    this.#queue.drop(this.#queue.length);
    this.#events.closed(why);
  }
}

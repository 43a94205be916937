/** HTTP/2 between a box and a server: each request is a stream of its own on both sides. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type Http2Session,
  type Http2Stream,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex, Transform } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import { hostOfAuthority } from '../http-host.ts';
import type { Denial } from '../policy.ts';
import { ForbiddenContent } from '../secrets/screen.ts';
import type { Substitution } from '../secrets/substitution.ts';
import { decoderFor, screened } from './body.ts';
import { CHANGED_WITH_BODY, forSearchedAnswer, trailersOf, valuesOf, without } from './fields.ts';
import { foreignSecret, type HttpLeg, refusalText, unreadable } from './leg.ts';

/** Fields of one request. */
const FIELDS_BYTES_MAX = 64 * 1024;
const STREAMS_MAX = 128;
const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;

/** Fields of HTTP/1 that a request in HTTP/2 cannot have (RFC 9113, 8.2.2). */
const NOT_IN_HTTP2 = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'transfer-encoding'],
  'http2-settings',
]);

/** Takes over both ends of a connection. */
export function serveHttp2(leg: HttpLeg): void {
  const session = performServerHandshake(
    leg.guest as Parameters<typeof performServerHandshake>[0],
    {
      maxHeaderListPairs: 512,
      settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: FIELDS_BYTES_MAX },
    },
  );
  const server = connect(`${leg.scheme}://server`, {
    createConnection: () => leg.upstream,
    settings: { enablePush: false },
  });
  server.unref();
  tie(session, server);
  session.on('stream', (stream, _headers, _flags, raw) => {
    forward(leg, server, stream, raw);
  });
}

/** One does not outlive the other. */
function tie(guest: Http2Session, server: ClientHttp2Session): void {
  for (const [one, other] of [
    [guest, server],
    [server, guest],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('goaway', () => other.close());
    one.on('close', () => other.close());
  }
}

function forward(
  leg: HttpLeg,
  server: ClientHttp2Session,
  stream: ServerHttp2Stream,
  raw: readonly string[],
): void {
  stream.on('error', () => undefined);
  const admitted = admit(leg, raw);
  if ('reason' in admitted) {
    leg.onRefused(admitted.host, admitted.reason, admitted.message);
    return refuse(stream, admitted.message);
  }
  const { host, substitution, fields, steps } = admitted;
  let outgoing: ClientHttp2Stream;
  try {
    const endStream = stream.endAfterHeaders;
    outgoing = server.request(record(fields), { endStream, waitForTrailers: !endStream });
  } catch (error) {
    // Fields that Node does not send, or a server that has just gone.
    return refuse(stream, messageOf(error));
  }
  // The box gets the reason, to its end.
  let refused = false;
  const give = (code: number) => {
    if (!stream.closed && !refused) stream.close(code);
    if (!outgoing.closed) outgoing.close(code);
  };
  const foreign = (secret: string) => {
    const denial = foreignSecret(secret, host);
    leg.onRefused(host, denial.reason, denial.message);
    refused = !stream.headersSent;
    refuse(stream, denial.message);
  };
  outgoing.on('error', () => give(NGHTTP2_REFUSED_STREAM));
  stream.on('aborted', () => give(NGHTTP2_CANCEL));
  outgoing.on('aborted', () => give(NGHTTP2_CANCEL));
  if (!stream.endAfterHeaders) {
    passTrailers(stream, outgoing, (trailers) => {
      const given = substitution?.requestFields(trailers) ?? { fields: trailers, foreign: null };
      if (given.foreign === null) return given.fields;
      foreign(given.foreign);
      return null;
    });
    join([stream, ...steps, outgoing], (error) => {
      if (!(error instanceof ForbiddenContent)) return give(NGHTTP2_CANCEL);
      foreign(error.secret);
      outgoing.close(NGHTTP2_CANCEL);
    });
  }
  outgoing.on('response', (headers, _flags, given) => {
    if (stream.destroyed || stream.closed) return;
    try {
      answer({ leg, outgoing, stream, substitution }, headers['content-encoding'], given);
    } catch {
      // An answer with fields that Node does not send.
      give(NGHTTP2_CANCEL);
    }
  });
}

/** A request that may go on. */
interface Admitted {
  readonly host: string | null;
  readonly substitution: Substitution | null;
  readonly fields: string[];
  /** What its body passes through. */
  readonly steps: readonly Transform[];
}

/** The request as it goes on, or why it does not. */
function admit(leg: HttpLeg, raw: readonly string[]): Admitted | (Denial & Pick<Admitted, 'host'>) {
  const field = (name: string) => valuesOf(raw, name)[0];
  const host = hostFrom(field(':authority'), field('host'));
  if (field(':method') === 'CONNECT') {
    const message = 'CONNECT would lead to whatever host it names';
    return { host, reason: 'name-mismatch', message };
  }
  const denial = leg.check(host);
  if (denial !== null) return { host, ...denial };
  const substitution = host === null ? null : leg.secretsFor(host);
  const clean = without(raw, (name) => NOT_IN_HTTP2.has(name));
  const given = substitution?.requestFields(clean) ?? { fields: clean, foreign: null };
  if (given.foreign !== null) return { host, ...foreignSecret(given.foreign, host) };
  const type = field('content-type');
  const coded = substitution === null || field('content-encoding') !== undefined;
  const screen = coded ? null : substitution.requestScreen(type);
  const steps = screen === null ? [] : [screened(screen)];
  // The stream's end says how long a body is.
  const kept = without(given.fields, (name) => screen !== null && name === 'content-length');
  const fields = substitution?.any === true ? forSearchedAnswer(kept) : kept;
  return { host, substitution, fields, steps };
}

interface Exchange {
  readonly leg: HttpLeg;
  readonly outgoing: ClientHttp2Stream;
  readonly stream: ServerHttp2Stream;
  readonly substitution: Substitution | null;
}

/** The answer, without any value of a secret's in it. @throws what Node says of fields that it does not send */
function answer(
  { leg, outgoing, stream, substitution }: Exchange,
  coding: string | undefined,
  raw: readonly string[],
): void {
  const clean = (fields: readonly string[]) => substitution?.responseFields(fields) ?? [...fields];
  const endStream = outgoing.endAfterHeaders === true;
  const searched = substitution?.any === true && !endStream ? substitution.responseScreen() : null;
  const decoder = searched === null ? null : decoderFor(coding);
  if (decoder === undefined) {
    const message = unreadable(coding);
    leg.onRefused(null, 'response-unreadable', message);
    outgoing.close(NGHTTP2_CANCEL);
    return refuse(stream, message);
  }
  const kept = without(clean(raw), (name) => searched !== null && CHANGED_WITH_BODY.has(name));
  stream.respond(record(kept), { endStream, waitForTrailers: !endStream });
  if (endStream) return;
  passTrailers(outgoing, stream, clean);
  const steps = searched === null ? [] : [screened(searched)];
  join([outgoing, ...(decoder === null ? [] : [decoder]), ...steps, stream], () => {
    if (!stream.closed) stream.close(NGHTTP2_CANCEL);
    if (!outgoing.closed) outgoing.close(NGHTTP2_CANCEL);
  });
}

/** What stands behind a body, as `clean` makes it; null from it gives the stream up. */
function passTrailers(
  from: Http2Stream,
  to: Http2Stream,
  clean: (trailers: readonly string[]) => readonly string[] | null,
): void {
  let trailers: readonly string[] | null = [];
  from.on('trailers', (_headers: unknown, _flags: unknown, raw: string[]) => {
    trailers = clean(trailersOf(raw));
  });
  to.on('wantTrailers', () => {
    try {
      if (trailers === null) to.close(NGHTTP2_CANCEL);
      else to.sendTrailers(record(trailers));
    } catch {
      to.close(NGHTTP2_CANCEL);
    }
  });
}

/** The one host that a request names; null if there is none, or two. */
function hostFrom(authority: string | undefined, host: string | undefined): string | null {
  const named = [authority, host].filter((each) => each !== undefined).map(hostOfAuthority);
  return named.length > 0 && named.every((each) => each === named[0]) ? (named[0] ?? null) : null;
}

function refuse(stream: ServerHttp2Stream, message: string): void {
  if (stream.destroyed || stream.closed) return;
  if (stream.headersSent) return stream.close(NGHTTP2_CANCEL);
  stream.respond({ ':status': 403, 'content-type': 'text/plain; charset=utf-8' });
  stream.end(refusalText(message));
  stream.resume();
}

/**
 * Passes bytes from the first to the last; `failed` is called if that breaks. It has to close both ends: a stream that
 * is destroyed before it was sent has Node send empty frames for it, for ever (so no `pipeline`).
 */
function join(streams: readonly Duplex[], failed: (error: Error) => void): void {
  const between = streams.slice(1, -1);
  const [first, last] = [streams[0], streams.at(-1)];
  let over = false;
  const fail = (error: Error) => {
    if (over) return;
    over = true;
    first?.unpipe();
    for (const each of between) each.destroy();
    // Not from within what Node's session is reading: it does not bear to be written to there.
    setImmediate(() => failed(error));
  };
  for (const each of between) each.on('error', fail);
  first?.on('close', () => {
    if (!first.readableEnded) fail(new Error('it was given up before its end'));
  });
  last?.on('close', () => {
    if (!last.writableFinished) fail(new Error('nobody takes it any more'));
  });
  streams.reduce((from, to) => from.pipe(to));
}

/** Fields as Node takes them. A null prototype, as the names are the box's choice. */
function record(fields: readonly string[]): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = Object.create(null);
  fields.forEach((name, i) => {
    if (i % 2 !== 0) return;
    const [value, known] = [fields[i + 1] ?? '', all[name]];
    all[name] = known === undefined ? value : [known, value].flat();
  });
  return all;
}

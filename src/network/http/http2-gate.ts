/** HTTP/2 between a box and a server: each request is a stream of its own on both sides. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type Http2Session,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2';
import { type Duplex, pipeline } from 'node:stream';
import { hostOfAuthority } from '../http-host.ts';
import type { Substitution } from '../secrets/substitution.ts';
import { decoderFor, ForbiddenContent, replacing } from './body.ts';
import { without } from './fields.ts';
import { type HttpLeg, refusalText } from './leg.ts';

/** Fields of one request. */
const FIELDS_BYTES_MAX = 64 * 1024;
const STREAMS_MAX = 128;
const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;

/** Fields of HTTP/1 that a request in HTTP/2 cannot have (RFC 9113, 8.2.2). */
const NOT_IN_HTTP2 = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade']);

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
  const field = (name: string) => raw.find((_, i) => i % 2 === 1 && raw[i - 1] === name);
  const host = hostFrom(field(':authority'), field('host'));
  const refused = (reason: Parameters<HttpLeg['onRefused']>[1], message: string) => {
    leg.onRefused(host, reason, message);
    refuse(stream, message);
  };
  const denial = field(':method') === 'CONNECT' ? null : leg.check(host);
  if (field(':method') === 'CONNECT') {
    return refused('name-mismatch', 'CONNECT would lead to whatever host it names');
  }
  if (denial !== null) return refused(denial.reason, denial.message);
  const substitution = host === null ? null : leg.secretsFor(host);
  const clean = without(raw, (name) => NOT_IN_HTTP2.has(name));
  const given = substitution?.requestFields(clean) ?? { fields: clean, foreign: null };
  const foreign = (secret: string) =>
    refused(
      'secret-not-allowed',
      `the placeholder of the secret "${secret}" was sent to "${host}", which is none of its hosts`,
    );
  if (given.foreign !== null) return foreign(given.foreign);
  const type = field('content-type');
  const coded = field('content-encoding') !== undefined;
  const body = substitution === null || coded ? null : substitution.requestBody(type);
  const forbidden = substitution === null || coded ? [] : substitution.foreignIn(type);
  const changed = body !== null || forbidden.length > 0;
  const searched = substitution?.any === true;
  const fields = without(given.fields, (name) => {
    // The stream's end says how long a body is.
    return (changed && name === 'content-length') || (searched && name === 'accept-encoding');
  });
  const sent = searched ? [...fields, 'accept-encoding', 'identity'] : fields;
  const outgoing = server.request(record(sent), { endStream: stream.endAfterHeaders });
  const give = (code: number) => {
    if (!stream.closed) stream.close(code);
    if (!outgoing.closed) outgoing.close(code);
  };
  outgoing.on('error', () => give(NGHTTP2_REFUSED_STREAM));
  stream.on('aborted', () => give(NGHTTP2_CANCEL));
  outgoing.on('aborted', () => give(NGHTTP2_CANCEL));
  if (!stream.endAfterHeaders) {
    const steps = changed ? [replacing(body ?? [], forbidden)] : [];
    join([stream, ...steps, outgoing], (error) => {
      if (error instanceof ForbiddenContent) foreign(error.secret);
      if (error !== null) give(NGHTTP2_CANCEL);
    });
  }
  answer(leg, outgoing, stream, substitution);
}

/** The answer, without any value of a secret's in it. */
function answer(
  leg: HttpLeg,
  outgoing: ClientHttp2Stream,
  stream: ServerHttp2Stream,
  substitution: Substitution | null,
): void {
  outgoing.on('response', (headers, _flags, raw) => {
    const searched = substitution?.any === true;
    const fields = substitution?.responseFields(raw) ?? raw;
    if (stream.destroyed || stream.closed) return;
    const coding = headers['content-encoding'];
    const decoder = searched && !outgoing.endAfterHeaders ? decoderFor(coding) : null;
    if (decoder === undefined) {
      const message = `the answer comes in the coding "${coding}", which cannot be searched for secrets`;
      leg.onRefused(null, 'response-unreadable', message);
      outgoing.close(NGHTTP2_CANCEL);
      return refuse(stream, message);
    }
    const changed = searched && !outgoing.endAfterHeaders;
    const kept = without(fields, (name) => changed && LENGTHS.has(name));
    let trailers: string[] | null = null;
    outgoing.on('trailers', (_headers, _bits, given) => {
      trailers = substitution?.responseFields(given) ?? given;
    });
    const endStream = outgoing.endAfterHeaders === true;
    stream.respond(record(kept), { endStream, waitForTrailers: !endStream });
    if (endStream) return;
    stream.on('wantTrailers', () => {
      if (trailers === null) stream.close();
      else stream.sendTrailers(record(trailers));
    });
    const steps = changed
      ? [...(decoder === null ? [] : [decoder]), replacing(substitution.response())]
      : [];
    join([outgoing, ...steps, stream], (error) => {
      if (error !== null && !stream.closed) stream.close(NGHTTP2_CANCEL);
    });
  });
}

const LENGTHS = new Set(['content-length', 'content-encoding', 'content-md5', 'digest']);

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

function join(streams: readonly Duplex[], done: (error: Error | null) => void): void {
  pipeline(streams as [Duplex, Duplex], (error) => done(error ?? null));
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

// pure
/** Tells from the first bytes of a client which protocol it speaks, and for which host. */
import { type ClientHello, looksLikeTls, readClientHello } from './client-hello.ts';

/** The longest first line that is waited for. */
const FIRST_LINE_BYTES_MAX = 16 * 1024;
/** So much of a line tells whether it may become a request, and is looked at again with each byte that comes. */
const LINE_START_BYTES = 1024;
const LINE_END = 0x0a;

/** What the client has begun. */
export type Beginning =
  | { readonly kind: 'tls'; readonly hello: ClientHello }
  /** HTTP/1; what it asks for is in the requests. */
  | { readonly kind: 'http' }
  /** HTTP/2 without TLS, by prior knowledge. */
  | { readonly kind: 'http2' }
  | { readonly kind: 'other' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'more' };

/**
 * What a request may begin with, as far as it has come: a method, and then something printable. Behind that any byte
 * may follow, as servers differ in what they take for a target.
 */
const REQUEST_START =
  /^[ \t]*(?:$|[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}(?:$|[ \t]+(?:$|[!-~\x80-\xff])))/;
/** What some servers split a line at besides: vertical tab, form feed, separators, and two that are no ASCII. */
const ODD_SPACES = [0x0b, 0x0c, 0x1c, 0x1d, 0x1e, 0x1f, 0x85, 0xa0];
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]+[!-~]+[ \t]+HTTP\/[0-9]/i;
/** What a lenient server might yet take for a request; without a version, for one of HTTP/0.9. */
const NEARLY_REQUEST = /HTTP\/|^\s*GET\s+\S+\s*$/i;
/** What a proxy says in front of a connection that it passes on: a server that heeds it goes by what comes behind. */
const PROXY_LINE = /^PROXY(?:[ \t]|$)/;
const PROXY_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n');
const HTTP2_LINE = 'PRI * HTTP/2.0';

/** Reads what has come so far. */
export function readBeginning(bytes: Uint8Array): Beginning {
  const tls = looksLikeTls(bytes);
  if (tls === null) return { kind: 'more' };
  if (!tls) return readFirstLine(bytes);
  const reading = readClientHello(bytes);
  return reading.kind === 'hello' ? { kind: 'tls', hello: reading.hello } : reading;
}

function readFirstLine(bytes: Uint8Array): Beginning {
  const signed = Math.min(bytes.length, PROXY_SIGNATURE.length);
  if (PROXY_SIGNATURE.subarray(0, signed).equals(bytes.subarray(0, signed))) {
    return { kind: signed === PROXY_SIGNATURE.length ? 'malformed' : 'more' };
  }
  // Servers let empty lines before a request pass, so we look behind them.
  const start = bytes.findIndex((byte) => byte !== 0x0d && byte !== LINE_END);
  if (start < 0 || start > 64) return { kind: bytes.length > 64 ? 'malformed' : 'more' };
  const end = bytes.indexOf(LINE_END, start);
  if (end < 0) {
    const begun = lineText(bytes.subarray(start, start + LINE_START_BYTES));
    if (!REQUEST_START.test(begun.replace(/\r$/, ''))) return { kind: 'other' };
    return { kind: bytes.length - start > FIRST_LINE_BYTES_MAX ? 'malformed' : 'more' };
  }
  const line = lineText(bytes.subarray(start, end));
  if (line.trimEnd() === HTTP2_LINE) return { kind: 'http2' };
  if (PROXY_LINE.test(line)) return { kind: 'malformed' };
  if (REQUEST_LINE.test(line)) return { kind: 'http' };
  return { kind: NEARLY_REQUEST.test(line) ? 'malformed' : 'other' };
}

/** With spaces for everything that is one to anybody. */
function lineText(bytes: Uint8Array): string {
  return Buffer.from(bytes.map((byte) => (ODD_SPACES.includes(byte) ? 0x20 : byte))).toString(
    'latin1',
  );
}

/** What went wrong on the way to a registry: said in words, and whether another try may help. */

import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import { printable } from './json-document.ts';

/** An answer of a registry that is not what was asked for: the cause of the error that reports it. */
export class RegistryAnswer extends Error {
  readonly status: number;
  /** How long the registry asks to wait, or null. */
  readonly retryAfterMs: number | null;
  /** Whether the request carried a login, so that a refusal is the login's fault. */
  readonly loggedIn: boolean;

  constructor(status: number, retryAfterMs: number | null, loggedIn: boolean) {
    super(`status ${status}`);
    this.name = 'RegistryAnswer';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.loggedIn = loggedIn;
  }
}

/** A deadline of ours passed; `code` as the system's own. */
export class TimedOut extends Error {
  readonly code = 'ETIMEDOUT';
}

/** The peer ended an answer before its end. */
export class CutShort extends Error {
  readonly code = 'ECONNRESET';
}

/** Nothing is there, or it cannot be found: waiting a moment does not help. */
const UNREACHABLE = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
]);
const BROKEN = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'HPE_INVALID_EOF_STATE',
]);
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The error for a request that got no answer, or no end of one. */
export function networkError(what: string, url: URL, cause: unknown): BoxliteError {
  return new BoxliteError(
    'Network',
    `Cannot get ${what} from "${url.host}": ${reason(url, cause)}`,
    {
      cause,
    },
  );
}

/** Whether the same request may well succeed in a moment. */
export function isTransient(error: unknown): boolean {
  const cause = causeOf(error);
  if (cause instanceof RegistryAnswer) return PASSING.has(cause.status);
  return BROKEN.has(systemCode(cause) ?? '');
}

/** Whether the host could not be reached at all. */
export function isUnreachable(error: unknown): boolean {
  return UNREACHABLE.has(systemCode(causeOf(error)) ?? '');
}

/** Whether the other side does not speak TLS. */
export function isNotTls(error: unknown): boolean {
  return systemCode(causeOf(error)) === 'EPROTO';
}

/** The answer that an error reports, or null. */
export function answerOf(error: unknown): RegistryAnswer | null {
  const cause = causeOf(error);
  return cause instanceof RegistryAnswer ? cause : null;
}

function causeOf(error: unknown): unknown {
  return BoxliteError.is(error) ? error.cause : null;
}

function reason(url: URL, cause: unknown): string {
  const code = systemCode(cause) ?? '';
  switch (code) {
    case 'ENOTFOUND':
      return 'there is no such host; check the name, and the DNS';
    case 'EAI_AGAIN':
      return 'its name cannot be looked up; check the network, and the DNS';
    case 'ECONNREFUSED':
      return 'the connection was refused; check the port, and that it runs';
    case 'EPROTO':
      return `it does not speak TLS; for plain text use ImageRegistry.http("${url.host}")`;
    case 'ERR_PROXY_TUNNEL':
      return `the proxy refused: ${printable(messageOf(cause))}`;
    default:
      return isCertificateError(code)
        ? `its certificate cannot be verified (${code}); name its authority in` +
            ' NODE_EXTRA_CA_CERTS, or use ImageRegistry.withSkipVerify(true)'
        : printable(messageOf(cause)) || code;
  }
}

/** The codes of OpenSSL's verification, as node:tls lists them. */
function isCertificateError(code: string): boolean {
  return (
    /^(CERT|CRL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|PATH_LENGTH|INVALID_(CA|PURPOSE)|HOSTNAME)_/.test(
      code,
    ) || code === 'ERR_TLS_CERT_ALTNAME_INVALID'
  );
}

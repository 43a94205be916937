/** Says what an answer means that is not what was asked for. */

import { STATUS_CODES } from 'node:http';
import { BoxliteError } from '../base/errors.ts';
import type { Login } from './credentials.ts';
import type { HttpAnswer } from './http.ts';
import { isObject, member, printable } from './json-document.ts';
import { RegistryAnswer } from './network-error.ts';
import { parseRetryAfter } from './retry.ts';

const BODY_BYTES_MAX = 64 * 1024;

/** The error for an answer, whose body is read for what it says. */
export async function unexpectedAnswer(
  answer: HttpAnswer,
  what: string,
  login: Login,
): Promise<BoxliteError> {
  const said = answer.isHtml ? 'a page of HTML' : await message(answer);
  if (answer.isHtml) await answer.discard();
  const loggedIn = login.credentials.kind !== 'anonymous';
  const retryAfterMs = parseRetryAfter(answer.header('retry-after'), Date.now());
  const cause = new RegistryAnswer(answer.status, retryAfterMs, loggedIn);
  const status = `${answer.status} ${STATUS_CODES[answer.status] ?? ''}`.trim();
  const detail = said === '' ? '' : `: ${said}`;
  const hint = remedy(answer, login, retryAfterMs);
  return new BoxliteError(
    'Image',
    `Cannot get ${what}: "${answer.url.host}" answered ${status}${detail}${hint}`,
    { cause },
  );
}

/** The error for a page where a document was asked for. */
export function htmlAnswer(answer: HttpAnswer, what: string): BoxliteError {
  return new BoxliteError(
    'Image',
    `Cannot get ${what}: "${answer.url.host}" answered with a page of HTML;` +
      ' it is no container registry, or a proxy or a login page is in between',
  );
}

function remedy(answer: HttpAnswer, login: Login, retryAfterMs: number | null): string {
  const { kind } = login.credentials;
  switch (answer.status) {
    case 401:
    case 403:
      return kind === 'anonymous'
        ? '; it does not exist, or needs a login: ImageRegistry.withBasicAuth, or docker login'
        : `; the login is from ${login.origin}`;
    case 404:
      return answer.isHtml ? '; check that this is a container registry' : '';
    case 429: {
      const wait = retryAfterMs === null ? 'later' : `in ${Math.ceil(retryAfterMs / 1000)} s`;
      return `; try again ${wait}${kind === 'anonymous' ? ', or log in' : ''}`;
    }
    default:
      return '';
  }
}

/** `{"errors":[{"code":"...","message":"..."}]}` (distribution-spec, error codes), or nothing. */
async function message(answer: HttpAnswer): Promise<string> {
  try {
    const text = new TextDecoder().decode(await answer.bytes(BODY_BYTES_MAX));
    const body: unknown = JSON.parse(text);
    const errors = isObject(body) ? member(body, 'errors') : null;
    const first: unknown = Array.isArray(errors) ? errors[0] : null;
    if (!isObject(first)) return '';
    const said = member(first, 'message') || member(first, 'code');
    return typeof said === 'string' ? printable(said) : '';
  } catch {
    return '';
  }
}

// pure
/** How a text is written where it cannot stand as it is: in JSON, in a form, in a page, in base64. */

/** What an encoder makes of a text. */
export type Spelling = (text: string) => string;

export const plain: Spelling = (text) => text;
export const json: Spelling = (text) => JSON.stringify(text).slice(1, -1);
export const form: Spelling = (text) => encodeURIComponent(text);

/** Of writers that keep JSON out of the way of HTML, and of those that only write ASCII. */
export const cautiousJson: Spelling = (text) =>
  json(text).replaceAll(
    /[<>&\u0080-\uffff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
/** The same with large digits. */
export const upperCautiousJson: Spelling = (text) =>
  cautiousJson(text).replaceAll(/\\u[0-9a-f]{4}/g, (sign) => `\\u${sign.slice(2).toUpperCase()}`);
const jsonInScript: Spelling = (text) => json(text).replaceAll('/', '\\/');
const formOfBrowser: Spelling = (text) => new URLSearchParams([['', text]]).toString().slice(1);
export const lowerForm: Spelling = (text) =>
  form(text).replaceAll(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
const html: Spelling = (text) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** Those in which a value may come back. */
export const spellings: readonly Spelling[] = [
  ...[plain, json, cautiousJson, upperCautiousJson, jsonInScript],
  ...[form, lowerForm, formOfBrowser, html],
  ...[0, 1, 2].flatMap((shift) => [inBase64(shift, 'base64'), inBase64(shift, 'base64url')]),
];

/** A short one would be found where it is not. */
const BASE64_CHARS_MIN = 12;

/**
 * What is always the same in base64 of something with this text in it, `shift` bytes after a multiple of three. Empty
 * if that is too little.
 */
function inBase64(shift: number, alphabet: 'base64' | 'base64url'): Spelling {
  return (text) => {
    const bytes = Buffer.concat([new Uint8Array(shift), Buffer.from(text)]);
    const from = Math.ceil((shift * 8) / 6);
    const chars = bytes.toString(alphabet).slice(from, Math.floor((bytes.length * 8) / 6));
    return chars.length < BASE64_CHARS_MIN ? '' : chars;
  };
}

// pure
/**
 * Secrets in HTTP: which of a box's go to a host, where a request has placeholders, and what stands for a value in
 * an answer. A value has several spellings: as it is, in JSON, in a form, in the credentials of Basic authentication.
 */
import type { SecretRule } from '../../spec/box-spec.ts';
import type { NetworkRule } from '../../spec/network-rule.ts';
import { isWithin } from '../address-class.ts';
import { ruleNames } from '../policy.ts';
import { type Replacement, replaceAll } from './replace.ts';
import { type Forbidden, Screen } from './screen.ts';
import {
  cautiousJson,
  form,
  json,
  lowerForm,
  plain,
  type Spelling,
  spellings,
  upperCautiousJson,
} from './spelling.ts';

/** Header fields as names and values in turn, as Node has them. */
export type RawFields = readonly string[];

/** Types of content whose letters are text, whatever is in front or behind. */
const TEXTUAL =
  /^\s*(?:text\/|application\/(?:json|javascript|xml|graphql|x-ndjson|x-www-form-urlencoded)\b|[^;]*\+(?:json|xml)\b|multipart\/form-data\b)/i;
const FORM = /^\s*application\/x-www-form-urlencoded\b/i;
/** By how much values make a body longer: a box could send one of nothing but placeholders for long values. */
const GROWTH_BYTES_MAX = 1024 * 1024;
const JSON_TYPE = /^\s*(?:application\/(?:json|x-ndjson)\b|[^;]*\+json\b)/i;

/** The secrets of a box as they concern one request to a host. */
export class Substitution {
  readonly #own: readonly SecretRule[];
  readonly #foreign: readonly SecretRule[];
  /** What the answer is searched for, besides the values: credentials that were sent. */
  readonly #sent = new Map<string, string>();

  constructor(secrets: readonly SecretRule[], host: string, port: number) {
    this.#own = secrets.filter((secret) => isFor(secret, host, port));
    this.#foreign = secrets.filter((secret) => !this.#own.includes(secret));
  }

  /** Whether any secret goes to the host. */
  get any(): boolean {
    return this.#own.length > 0;
  }

  /** The fields of a request with the values in them, and the name of a secret that has no business there. */
  requestFields(fields: RawFields): { fields: string[]; foreign: string | null } {
    let foreign: string | null = null;
    const replaced = fields.map((field, i) => {
      if (i % 2 === 0) return field;
      foreign ??= this.#foreignIn(field);
      const name = fields[i - 1]?.toLowerCase();
      const basic = name === 'authorization' || name === 'proxy-authorization';
      const credentials = basic ? /^basic +([a-z0-9+/=]+)\s*$/i.exec(field)?.[1] : undefined;
      if (credentials === undefined) return latin1(this.#apply(field, plain));
      const decoded = Buffer.from(credentials, 'base64');
      foreign ??= this.#foreignIn(decoded.toString('utf8'));
      const encoded = replaceAll(decoded, this.#own.map(forward(plain))).toString('base64');
      if (decoded.toString('base64') === encoded || encoded === credentials) return field;
      this.#sent.set(encoded, credentials);
      return `Basic ${encoded}`;
    });
    return { fields: replaced, foreign };
  }

  /** What is replaced in a request's body of this type; null if it is left as it is. */
  requestBody(contentType: string | undefined): readonly Replacement[] | null {
    if (contentType !== undefined && !TEXTUAL.test(contentType)) return null;
    if (this.#own.length === 0) return null;
    const spelling = spellingIn(contentType ?? '');
    return this.#own.flatMap(({ placeholder, value }) =>
      // As it is, and as encoders of that kind of body write it.
      [placeholder, ...spelling.inBodies.map((each) => each(placeholder))].map((needle) => ({
        needle: Buffer.from(needle),
        by: Buffer.from(spelling.ours(value)),
      })),
    );
  }

  /** What must not be in a request's body: placeholders of other hosts' secrets, with whose they are. */
  foreignIn(contentType: string | undefined): readonly Forbidden[] {
    if (contentType !== undefined && !TEXTUAL.test(contentType)) return [];
    return this.#foreign.map(({ placeholder, name }) => ({
      needle: Buffer.from(placeholder),
      name,
    }));
  }

  /** What a request's body of this type passes through; null if it is left as it is. */
  requestScreen(contentType: string | undefined): Screen | null {
    const [replaced, forbidden] = [this.requestBody(contentType), this.foreignIn(contentType)];
    return replaced === null && forbidden.length === 0
      ? null
      : new Screen(replaced ?? [], forbidden, GROWTH_BYTES_MAX);
  }

  /** What everything that comes back passes through. */
  responseScreen(): Screen {
    return new Screen(this.response());
  }

  /** What is replaced in everything that comes back. */
  response(): readonly Replacement[] {
    const found = new Map(this.#sent);
    for (const { value, placeholder } of this.#own) {
      for (const spelling of spellings) {
        const needle = spelling(value);
        // Most values look the same in most spellings, of which the plainest comes first.
        if (!found.has(needle)) found.set(needle, spelling(placeholder));
      }
    }
    return [...found]
      .filter(([needle]) => needle !== '')
      .map(([needle, by]) => ({ needle: Buffer.from(needle), by: Buffer.from(by) }));
  }

  /** The fields of an answer without any value in them. A field that is called by one is left out. */
  responseFields(fields: RawFields): string[] {
    const called = (name: string) =>
      this.#own.some(({ value }) => name.toLowerCase().includes(value.toLowerCase()));
    return fields.flatMap((name, i) =>
      i % 2 === 0 && !called(name) ? [name, this.responseText(fields[i + 1] ?? '')] : [],
    );
  }

  /** The same of any text in an answer's head. */
  responseText(text: string): string {
    return replaceAll(Buffer.from(text, 'latin1'), this.response()).toString('latin1');
  }

  #apply(field: string, spelling: Spelling): Buffer {
    return replaceAll(Buffer.from(field, 'latin1'), this.#own.map(forward(spelling)));
  }

  #foreignIn(text: string): string | null {
    return this.#foreign.find(({ placeholder }) => text.includes(placeholder))?.name ?? null;
  }
}

/** Whether a secret goes to a host, named or by its address. */
export function isFor({ hosts }: SecretRule, host: string, port: number): boolean {
  return hosts.some((rule) => hostFits(rule, host) && (rule.port === null || rule.port === port));
}

function hostFits(rule: NetworkRule, host: string): boolean {
  if (rule.kind === 'cidr') return isWithin(host, rule.address, rule.prefix);
  return ruleNames(rule, host);
}

/** How a kind of body is written: by us, and by others. */
interface BodySpelling {
  readonly ours: Spelling;
  readonly inBodies: readonly Spelling[];
}

function spellingIn(contentType: string): BodySpelling {
  if (FORM.test(contentType)) return { ours: form, inBodies: [form, lowerForm] };
  if (!JSON_TYPE.test(contentType)) return { ours: plain, inBodies: [] };
  return { ours: json, inBodies: [json, cautiousJson, upperCautiousJson] };
}

function forward(spelling: Spelling): (secret: SecretRule) => Replacement {
  return ({ placeholder, value }) => ({
    needle: Buffer.from(placeholder),
    by: Buffer.from(spelling(value)),
  });
}

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1');
}

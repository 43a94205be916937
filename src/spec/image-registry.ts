import { canonicalDomain, isDomain, looksLikeDomain, PATH_PATTERN } from './image-name.ts';
import { flag, invalid, list, mistyped, quote, type Read, text } from './reader.ts';

/** How to identify to a registry. */
export type RegistryAuth =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** How to talk to a registry. */
export type RegistryTransport = 'https' | 'http';

interface Fields {
  readonly host: string;
  readonly domain: string;
  readonly namespace: string | null;
  readonly transport: RegistryTransport;
  readonly skipVerify: boolean;
  readonly search: boolean;
  readonly auth: RegistryAuth;
}

const NAMESPACE = new RegExp(`^${PATH_PATTERN}$`);
/** What a header value may hold: no line ends, so that a secret cannot add a header. */
const PRINTABLE = /^[^\p{Cc}]*$/u;

/**
 * A registry that images may come from: where it is, how to talk to it, and whether image names
 * without a host are looked up there. Immutable: each `with` method returns a new one.
 *
 * @example
 * const registry = ImageRegistry.https('ghcr.io/myorg').withSearch(true);
 */
export class ImageRegistry {
  // Private, so that printing a registry never prints its password.
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = Object.freeze(fields);
  }

  /**
   * A registry spoken to over TLS. `host` is `host[:port][/namespace]`, without a scheme.
   *
   * @throws BoxliteError `InvalidArgument`
   */
  static https(host: string): ImageRegistry {
    return new ImageRegistry(parseHost(host, 'https'));
  }

  /**
   * A registry spoken to in plain text. `host` is `host[:port][/namespace]`, without a scheme.
   *
   * @throws BoxliteError `InvalidArgument`
   */
  static http(host: string): ImageRegistry {
    return new ImageRegistry(parseHost(host, 'http'));
  }

  /** Whether image names without a host are looked up here. Off unless turned on. */
  withSearch(on: boolean): ImageRegistry {
    return this.#with({ search: flag(on, 'withSearch') });
  }

  /** Whether to accept any certificate, for any host name. Off unless turned on. */
  withSkipVerify(on: boolean): ImageRegistry {
    return this.#with({ skipVerify: flag(on, 'withSkipVerify') });
  }

  /**
   * Log in with a name and a password, directly or at the registry's token service. Without this
   * Docker's own configuration is asked.
   *
   * @throws BoxliteError `InvalidArgument`
   */
  withBasicAuth(username: string, password: string): ImageRegistry {
    secret(username, 'withBasicAuth: username');
    secret(password, 'withBasicAuth: password');
    // RFC 7617: the first colon ends the name.
    if (username.includes(':')) {
      throw invalid('withBasicAuth: username', 'a name without a colon', 'one with it');
    }
    return this.#with({ auth: { kind: 'basic', username, password } });
  }

  /**
   * Send this token as it is with every request.
   *
   * @throws BoxliteError `InvalidArgument`
   */
  withBearerAuth(token: string): ImageRegistry {
    secret(token, 'withBearerAuth: token');
    if (token === '' || /\s/.test(token)) {
      throw invalid('withBearerAuth: token', 'a token without spaces', 'another one');
    }
    return this.#with({ auth: { kind: 'bearer', token } });
  }

  /** As it was given: `host[:port][/namespace]`. */
  get host(): string {
    return this.#fields.host;
  }
  /** The host and port alone. */
  get domain(): string {
    return this.#fields.domain;
  }
  /** What names are looked up under, or null. */
  get namespace(): string | null {
    return this.#fields.namespace;
  }
  get transport(): RegistryTransport {
    return this.#fields.transport;
  }
  get skipVerify(): boolean {
    return this.#fields.skipVerify;
  }
  get search(): boolean {
    return this.#fields.search;
  }
  get auth(): RegistryAuth {
    return this.#fields.auth;
  }

  /** `https://ghcr.io/myorg`. */
  toString(): string {
    return `${this.transport}://${this.host}`;
  }

  /** Everything but the secrets. */
  toJSON(): object {
    const { host, transport, skipVerify, search, auth } = this.#fields;
    return { host, transport, skipVerify, search, auth: auth.kind };
  }

  #with(changes: Partial<Fields>): ImageRegistry {
    return new ImageRegistry({ ...this.#fields, ...changes });
  }
}

/** The option `imageRegistries`: a text stands for a registry spoken to over https and searched. */
export const imageRegistries: Read<readonly ImageRegistry[]> = list((value, path) => {
  if (value instanceof ImageRegistry) return value;
  if (typeof value !== 'string') throw mistyped(path, 'a string or an ImageRegistry', value);
  // A bad host is reported with the place it came from.
  parseHost(value, 'https', path);
  return ImageRegistry.https(value).withSearch(true);
});

function parseHost(
  value: unknown,
  transport: RegistryTransport,
  path = `ImageRegistry.${transport}`,
): Fields {
  const host = text(value, path);
  const form = 'host[:port][/namespace]';
  if (host.includes('://')) {
    const remedy = 'for plain text use ImageRegistry.http(host)';
    throw invalid(path, `${form} without a scheme`, `${quote(host)}; ${remedy}`);
  }
  const slash = host.indexOf('/');
  const written = slash < 0 ? host : host.slice(0, slash);
  const namespace = slash < 0 ? null : host.slice(slash + 1);
  if (!isDomain(written) || (namespace !== null && !NAMESPACE.test(namespace))) {
    throw invalid(path, form, quote(host));
  }
  // Else "name/alpine" would be read back as a repository of Docker Hub.
  if (!looksLikeDomain(written)) {
    const remedy = `write "${written}:443" for a host of that name`;
    throw invalid(path, 'a host with a dot or a port, or localhost', `${quote(host)}; ${remedy}`);
  }
  const domain = canonicalDomain(written);
  const auth = { kind: 'anonymous' } as const;
  return { host, domain, namespace, transport, skipVerify: false, search: false, auth };
}

/** Only the type of what is secret ever shows in messages. */
function secret(value: unknown, path: string): string {
  if (typeof value !== 'string') throw mistyped(path, 'a string', value);
  if (PRINTABLE.test(value)) return value;
  throw invalid(path, 'a string without control characters', 'one with them');
}

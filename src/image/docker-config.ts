// pure
/**
 * What Docker's `config.json` says about registry logins.
 *
 * The format is that of github.com/docker/cli (cli/config/configfile): `auths` holds logins in the
 * file, `credHelpers` names a helper program for one registry, `credsStore` one for all the others.
 */

import { BoxliteError } from '../base/errors.ts';
import type { RegistryAuth } from '../spec/image-registry.ts';
import { isObject, type JsonObject, member } from './json-document.ts';

/** How to identify to a registry: as configured, or with an OAuth 2 refresh token of Docker's. */
export type Credentials = RegistryAuth | { readonly kind: 'identity'; readonly token: string };

export interface DockerConfig {
  readonly auths: ReadonlyMap<string, Credentials>;
  readonly credHelpers: ReadonlyMap<string, string>;
  readonly credsStore: string | null;
}

/** Where the configuration says a registry's login is. */
export type LoginSource =
  | { readonly kind: 'helper'; readonly program: string; readonly server: string }
  | { readonly kind: 'file'; readonly credentials: Credentials };

/** Docker Hub's key, which predates its present name (registry.IndexServer). */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
/** The user name by which a helper says that its secret is a refresh token. */
const TOKEN_USERNAME = '<token>';
/** Becomes a part of a program's name, so nothing that could make it a path. */
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const ANONYMOUS: Credentials = { kind: 'anonymous' };

/**
 * Reads `config.json`. `path` is for messages.
 *
 * @throws BoxliteError `Config`
 */
export function parseDockerConfig(text: string, path: string): DockerConfig {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    // The parser's own message quotes the file, which holds secrets.
    throw broken(path, 'it is not JSON');
  }
  if (!isObject(root)) throw broken(path, 'it is not a JSON object');
  const auths = [...entries(root, 'auths', path)].map(([server, login]) => {
    if (!isObject(login)) throw broken(path, `"auths" has no object for "${server}"`);
    return [server, readLogin(login, server, path)] as const;
  });
  const helpers = [...entries(root, 'credHelpers', path)].map(
    ([server, name]) => [server, helperName(name, 'credHelpers', path)] as const,
  );
  const store = member(root, 'credsStore') ?? '';
  return {
    auths: new Map(auths),
    credHelpers: new Map(helpers),
    credsStore: store === '' ? null : helperName(store, 'credsStore', path),
  };
}

/** Where the login for a registry's host is. */
export function loginSource(config: DockerConfig, domain: string): LoginSource {
  const server = domain === 'docker.io' ? DOCKER_HUB_KEY : domain;
  const helper = config.credHelpers.get(server) ?? lookUp(config.credHelpers, domain);
  const name = helper ?? config.credsStore;
  if (name !== null) return { kind: 'helper', program: `docker-credential-${name}`, server };
  const credentials = config.auths.get(server) ?? lookUp(config.auths, domain) ?? ANONYMOUS;
  return { kind: 'file', credentials };
}

/**
 * What a helper program printed.
 *
 * @throws BoxliteError `Config`
 */
export function parseHelperAnswer(stdout: string, program: string): Credentials {
  let answer: unknown = null;
  try {
    answer = JSON.parse(stdout);
  } catch {
    // Not repeated in the message: what a helper prints may hold a secret.
  }
  if (isObject(answer)) {
    const username = member(answer, 'Username');
    const secret = member(answer, 'Secret');
    if (typeof username === 'string' && typeof secret === 'string') {
      if (username === TOKEN_USERNAME) return { kind: 'identity', token: secret };
      return { kind: 'basic', username, password: secret };
    }
  }
  throw new BoxliteError(
    'Config',
    `Cannot read the login that "${program}" printed: expected JSON with "Username" and "Secret"`,
  );
}

/** A key may be a URL, as older versions of Docker wrote it: its host counts. */
function lookUp<T>(map: ReadonlyMap<string, T>, domain: string): T | null {
  for (const [key, value] of map) {
    if (key.replace(/^https?:\/\//, '').split('/')[0] === domain) return value;
  }
  return null;
}

function readLogin(login: JsonObject, server: string, path: string): Credentials {
  const identity = member(login, 'identitytoken');
  if (typeof identity === 'string' && identity !== '') return { kind: 'identity', token: identity };
  const bearer = member(login, 'registrytoken');
  if (typeof bearer === 'string' && bearer !== '') return { kind: 'bearer', token: bearer };
  const auth = member(login, 'auth');
  if (typeof auth === 'string' && auth !== '') return decodeLogin(auth, server, path);
  const username = member(login, 'username');
  const password = member(login, 'password');
  // An empty entry says that the login is in the credential store.
  if (typeof username !== 'string' || typeof password !== 'string') return ANONYMOUS;
  return { kind: 'basic', username, password };
}

function decodeLogin(auth: string, server: string, path: string): Credentials {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw broken(path, `"auth" of "${server}" is not name:password in Base64`);
  // Docker writes a padding of NUL characters.
  const password = text.slice(colon + 1).replace(/\0+$/, '');
  return { kind: 'basic', username: text.slice(0, colon), password };
}

function entries(root: JsonObject, name: string, path: string): Map<string, unknown> {
  const value = member(root, name) ?? {};
  if (!isObject(value)) throw broken(path, `"${name}" is not an object`);
  return new Map(Object.entries(value));
}

function helperName(name: unknown, field: string, path: string): string {
  if (typeof name === 'string' && HELPER_NAME.test(name)) return name;
  throw broken(path, `"${field}" names no credential helper: ${JSON.stringify(name)}`);
}

function broken(path: string, why: string): BoxliteError {
  return new BoxliteError('Config', `Cannot read "${path}": ${why}; repair it or remove it`);
}

/** The one file that reads `process.env`; every other room gets these values as parameters. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { BoxliteError } from './errors.ts';

/** Where boxes and their records are kept. `BOXLITE_HOME`, or `~/.boxlite`. */
export function boxliteHome(): string {
  return absolute('BOXLITE_HOME') ?? join(userHome(), '.boxlite');
}

/** Where what can be made again is kept. `BOXLITE_CACHE`, or `boxlite` in the user's cache folder. */
export function cacheDir(): string {
  const own = absolute('BOXLITE_CACHE');
  if (own !== null) return own;
  // The XDG specification tells programs to ignore a relative path.
  const xdg = variable('XDG_CACHE_HOME');
  return join(xdg !== null && isAbsolute(xdg) ? xdg : join(userHome(), '.cache'), 'boxlite');
}

/** The home folder of the user who runs us. */
export function userHome(): string {
  return variable('HOME') ?? homedir();
}

/**
 * Where host programs are looked for. The `sbin` folders come last because an ordinary user's
 * `PATH` leaves them out, and `mke2fs` is there.
 */
export function programPath(): string {
  const given = (variable('PATH') ?? '/usr/local/bin:/usr/bin:/bin').split(':');
  const added = ['/usr/local/sbin', '/usr/sbin', '/sbin'].filter((dir) => !given.includes(dir));
  return [...given, ...added].join(':');
}

/** The folder of Docker's `config.json`, which holds registry logins. */
export function dockerConfigDir(): string {
  return variable('DOCKER_CONFIG') ?? join(userHome(), '.docker');
}

/** Proxies for our own requests, by the variables that every command-line client reads. */
export interface ProxySettings {
  readonly http: string | null;
  readonly https: string | null;
  /** Host names that need no proxy, as written: comma separated. */
  readonly none: string | null;
}

/** The proxies set in the environment; the lower-case names win, as in curl. */
export function proxySettings(): ProxySettings {
  const either = (name: string) => variable(name) ?? variable(name.toUpperCase());
  // Upper-case HTTP_PROXY is left out: in a CGI program a request header sets it (httpoxy).
  return {
    http: variable('http_proxy') ?? either('all_proxy'),
    https: either('https_proxy') ?? either('all_proxy'),
    none: either('no_proxy'),
  };
}

/** All variables, for programs that go on as the user's: credential helpers look for their session there. */
export function wholeEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(entries);
}

/** A variable that the user named, such as `docker run -e NAME` does; null if it is not set. */
export function environmentVariable(name: string): string | null {
  return process.env[name] ?? null;
}

/** A variable's value; an empty one counts as unset. */
function variable(name: string): string | null {
  return process.env[name] || null;
}

function absolute(name: string): string | null {
  const value = variable(name);
  if (value !== null && !isAbsolute(value)) {
    throw new BoxliteError('Config', `${name}: expected an absolute path, got "${value}"`);
  }
  return value;
}

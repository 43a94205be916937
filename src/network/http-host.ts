// pure
/** Which host an HTTP request is for: RFC 9112, 3.2 and 3.3. */

/** The name or address in an authority, lower case, without port and final dot; null if it is none. */
export function hostOfAuthority(authority: string): string | null {
  const match = /^(?:([a-z0-9._-]{1,255})|\[([0-9a-f:.]{2,45})\])(?::[0-9]{0,5})?$/.exec(
    authority.toLowerCase(),
  );
  const host = match?.[1]?.replace(/\.$/, '') ?? match?.[2] ?? null;
  return host === '' ? null : host;
}

/**
 * The one host that a request is for; null if it names none, or more than one: a server might go by the other.
 * `hosts` are the values of all its Host fields.
 */
export function requestHost(target: string, hosts: readonly string[]): string | null {
  const named = hosts.map((host) => hostOfAuthority(host.trim()));
  if (!target.startsWith('/') && target !== '*') {
    const absolute = /^https?:\/\/([^/?#@]*)(?:[/?#]|$)/i.exec(target)?.[1];
    named.push(absolute === undefined ? null : hostOfAuthority(absolute));
  }
  const [first, ...others] = named;
  return first === undefined || others.some((other) => other !== first) ? null : first;
}

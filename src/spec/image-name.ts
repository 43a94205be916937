// pure
/**
 * The grammar of image names, as pattern sources to build expressions from.
 *
 * It is that of github.com/distribution/reference (regexp.go), which Docker, containerd and the OCI
 * distribution specification share.
 */

const DOMAIN_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN_NAME = `${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*`;
const IPV6_ADDRESS = '\\[(?:[a-fA-F0-9:]+)\\]';
const PATH_COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';

/** A registry's host, with its port if it has one: `ghcr.io`, `localhost:5000`, `[::1]:5000`. */
const DOMAIN_PATTERN = `(?:${DOMAIN_NAME}|${IPV6_ADDRESS})(?::[0-9]+)?`;
/** What follows the host: `library/alpine`. */
export const PATH_PATTERN = `${PATH_COMPONENT}(?:/${PATH_COMPONENT})*`;
/** A tag, at most 128 characters. */
export const TAG_PATTERN = '[\\w][\\w.-]{0,127}';

/** The longest path, without the host: RepositoryNameTotalLengthMax of distribution/reference. */
export const PATH_CHARS_MAX = 255;

/** Docker Hub, under the name that image references use. */
export const DOCKER_HUB = 'docker.io';

const DOMAIN = new RegExp(`^${DOMAIN_PATTERN}$`);

/** Whether `text` is a host, with a port of 1..65535 if it has one. */
export function isDomain(text: string): boolean {
  if (!DOMAIN.test(text)) return false;
  const port = /:([0-9]+)$/.exec(text)?.[1];
  return port === undefined || (port.length <= 5 && Number(port) >= 1 && Number(port) <= 65_535);
}

/**
 * Whether the first component of a name is a host rather than the start of a path. This is Docker's
 * rule: it has a dot, a colon or an upper-case letter, or is `localhost`.
 */
export function looksLikeDomain(component: string): boolean {
  return (
    component === 'localhost' || /[.:]/.test(component) || component !== component.toLowerCase()
  );
}

/** Docker Hub's older name means the same registry. */
export function canonicalDomain(domain: string): string {
  return domain === 'index.docker.io' ? DOCKER_HUB : domain;
}

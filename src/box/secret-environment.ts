// pure
/** What programs in a box have of its secrets: placeholders, and whom to trust. */
import type { BoxSpec, EnvironmentPair } from '../spec/box-spec.ts';

/** Certificates of all authorities that programs trust, the box's own among them. */
export const TRUST_BUNDLE_PATH = '/etc/ssl/boxlite-bundle.pem';
/** The certificate of the box's own authority. */
export const AUTHORITY_PATH = '/etc/ssl/boxlite-ca.pem';

/** Variables of every command of a box that has secrets. */
export function secretEnvironment({ secrets }: Pick<BoxSpec, 'secrets'>): EnvironmentPair[] {
  if (secrets.length === 0) return [];
  return [
    ...secrets.map(({ variable, placeholder }) => [variable, placeholder] as const),
    // Node and Deno add to what they have; the others take a whole list in its place.
    ['NODE_EXTRA_CA_CERTS', AUTHORITY_PATH],
    ['DENO_CERT', AUTHORITY_PATH],
    ['SSL_CERT_FILE', TRUST_BUNDLE_PATH],
    ['REQUESTS_CA_BUNDLE', TRUST_BUNDLE_PATH],
    ['CURL_CA_BUNDLE', TRUST_BUNDLE_PATH],
    ['GIT_SSL_CAINFO', TRUST_BUNDLE_PATH],
    ['AWS_CA_BUNDLE', TRUST_BUNDLE_PATH],
    ['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', TRUST_BUNDLE_PATH],
  ];
}

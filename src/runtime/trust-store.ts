/**
 * Makes programs in a box trust the box's own authority: wherever an image of Debian, Alpine, Red Hat or SUSE keeps the
 * certificates that it trusts, and in files of ours that variables of every command name (box/secret-environment.ts).
 */
import { rootCertificates } from 'node:tls';
import { BoxliteError } from '../base/errors.ts';
import { FileService } from '../box/files/file-service.ts';
import { BoxFileSystem } from '../box/files/file-system.ts';
import { AUTHORITY_PATH, TRUST_BUNDLE_PATH } from '../box/secret-environment.ts';
import type { Channel } from '../portal/channel.ts';

/** Where images have all certificates in one file, in the order in which one is taken for the whole list. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
/** Folders from which an image's own program makes such files anew. */
const ANCHORS = [
  '/usr/local/share/ca-certificates',
  '/etc/pki/ca-trust/source/anchors',
  '/etc/pki/trust/anchors',
];
const ANCHOR_NAME = 'boxlite.crt';
/** Real ones have 250 KB. */
const BUNDLE_BYTES_MAX = 4 * 1024 * 1024;
const BEGIN = '# BEGIN BoxLite, made anew each time that the box starts\n';
const END = '# END BoxLite\n';

/** Adds a certificate to what a box trusts, in place of the one it had there from an earlier start. */
export async function trustAuthority(channel: Channel, pem: string): Promise<void> {
  const host = { connect: async () => ({ channel }), busy: <T>(work: Promise<T>) => work };
  const fs = new BoxFileSystem(new FileService(host));
  const bundles = await Promise.all(BUNDLES.map((path) => readBundle(fs, path)));
  const changed = new Map<string, string>();
  for (const [i, path] of BUNDLES.entries()) {
    const text = bundles[i] ?? null;
    if (text !== null) changed.set(path, withAuthority(text, pem));
  }
  const all = bundles.find((text) => text !== null) ?? `${rootCertificates.join('\n')}\n`;
  await fs.mkdir('/etc/ssl', { recursive: true });
  changed.set(TRUST_BUNDLE_PATH, withAuthority(all, pem));
  changed.set(AUTHORITY_PATH, pem);
  await Promise.all([...changed].map(([path, text]) => fs.writeFile(path, text)));
  await Promise.all(ANCHORS.map((folder) => addAnchor(fs, folder, pem)));
}

/** A list of certificates with ours at its end, once. */
export function withAuthority(text: string, pem: string): string {
  const [start, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  const rest =
    start < 0 || end < start ? text : text.slice(0, start) + text.slice(end + END.length);
  const separator = rest === '' || rest.endsWith('\n') ? '' : '\n';
  return `${rest}${separator}${BEGIN}${pem}${END}`;
}

/** Null if there is none that anybody could use. */
async function readBundle(fs: BoxFileSystem, path: string): Promise<string | null> {
  try {
    if ((await fs.stat(path)).size > BUNDLE_BYTES_MAX) return null;
    return await fs.readFile(path, 'utf8');
  } catch (error) {
    if (BoxliteError.is(error, 'NotFound') || hasFileCode(error)) return null;
    throw error;
  }
}

/** An image without that folder needs nothing in it. */
async function addAnchor(fs: BoxFileSystem, folder: string, pem: string): Promise<void> {
  try {
    await fs.writeFile(`${folder}/${ANCHOR_NAME}`, pem);
  } catch (error) {
    if (!hasFileCode(error)) throw error;
  }
}

/** Whether the box's kernel said no, and not the wire. */
function hasFileCode(error: unknown): boolean {
  return BoxliteError.is(error) && error.systemCode !== undefined;
}

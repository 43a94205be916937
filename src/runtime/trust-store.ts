/**
 * Makes programs in a box trust the box's own authority: wherever an image of Debian, Alpine, Red Hat or SUSE keeps the
 * certificates that it trusts, in its keystores of Java, and in files of ours that variables of every command name
 * (box/secret-environment.ts).
 */
import { posix } from 'node:path';
import { rootCertificates } from 'node:tls';
import { BoxliteError } from '../base/errors.ts';
import { FileService } from '../box/files/file-service.ts';
import { BoxFileSystem } from '../box/files/file-system.ts';
import { AUTHORITY_PATH, TRUST_BUNDLE_PATH } from '../box/secret-environment.ts';
import type { CertificateAuthority } from '../network/tls/authority.ts';
import { withTrusted } from '../network/tls/keystore.ts';
import { subjectHash } from '../network/tls/subject-hash.ts';
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
/** Folders in which OpenSSL finds a certificate by the hash of its name. */
const HASHED = ['/etc/ssl/certs', '/etc/pki/ca-trust/extracted/pem/directory-hash'];
/** Of Debian and Alpine, of Red Hat, of SUSE, and of the images of JDK's makers. */
const KEYSTORES = [
  '/etc/ssl/certs/java/cacerts',
  '/etc/pki/ca-trust/extracted/java/cacerts',
  '/var/lib/ca-certificates/java-cacerts',
  '/opt/java/openjdk/lib/security/cacerts',
];
/** Each folder in them is a JDK, or a JRE of Java 9 and later; before that the JRE was a folder in it. */
const JAVA_FOLDERS = ['/usr/lib/jvm', '/usr/lib64/jvm'];
const JAVA_PLACES = ['lib/security/cacerts', 'jre/lib/security/cacerts'];
/** More than anybody installs. */
const JAVAS_MAX = 16;
/** Real ones have 250 KB. */
const BUNDLE_BYTES_MAX = 4 * 1024 * 1024;
const BEGIN = '# BEGIN BoxLite, made anew each time that the box starts\n';
const END = '# END BoxLite\n';

/** Adds a certificate to what a box trusts, in place of the one it had there from an earlier start. */
export async function trustAuthority(
  channel: Channel,
  { pem, certificate, name }: CertificateAuthority,
): Promise<void> {
  const host = { connect: async () => ({ channel }), busy: <T>(work: Promise<T>) => work };
  const service = new FileService(host);
  const fs = new BoxFileSystem(service);
  const bundles = await Promise.all(BUNDLES.map((path) => readCertificates(service, path)));
  const changed = new Map<string, string>();
  for (const [i, path] of BUNDLES.entries()) {
    const text = bundles[i]?.toString('utf8');
    if (text !== undefined) changed.set(path, withAuthority(text, pem));
  }
  const own = bundles.find((bytes) => bytes !== null)?.toString('utf8');
  const all = own ?? `${rootCertificates.join('\n')}\n`;
  await fs.mkdir('/etc/ssl', { recursive: true });
  changed.set(TRUST_BUNDLE_PATH, withAuthority(all, pem));
  changed.set(AUTHORITY_PATH, pem);
  await Promise.all([...changed].map(([path, text]) => fs.writeFile(path, text)));
  const extra = [
    ...ANCHORS.map((folder) => `${folder}/${ANCHOR_NAME}`),
    ...HASHED.map((folder) => `${folder}/${subjectHash(name)}.0`),
  ];
  await Promise.all([
    ...extra.map((path) => ifThere(fs.writeFile(path, pem))),
    ...(await keystoresOf(fs)).map(async (path) => {
      const keystore = await readCertificates(service, path);
      const changed = keystore === null ? null : withTrusted(keystore, certificate);
      if (changed !== null) await ifThere(fs.writeFile(path, changed));
    }),
  ]);
}

/** Every keystore that the box has by now, once. */
async function keystoresOf(fs: BoxFileSystem): Promise<string[]> {
  const javas = await Promise.all(
    JAVA_FOLDERS.map(async (folder) => {
      const names = (await ifThere(fs.readdir(folder))) ?? [];
      return names.slice(0, JAVAS_MAX).map((name) => posix.join(folder, name));
    }),
  );
  const places = javas
    .flat()
    .flatMap((java) => JAVA_PLACES.map((place) => posix.join(java, place)));
  const found = await Promise.all(
    [...KEYSTORES, ...places].map((path) => ifThere(fs.realpath(path))),
  );
  return [...new Set(found.filter((path) => path !== null))];
}

/** A list of certificates with ours at its end, once. */
function withAuthority(text: string, pem: string): string {
  const [start, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  const rest =
    start < 0 || end < start ? text : text.slice(0, start) + text.slice(end + END.length);
  const separator = rest === '' || rest.endsWith('\n') ? '' : '\n';
  return `${rest}${separator}${BEGIN}${pem}${END}`;
}

/**
 * Null if there is none that anybody could use. An image, or whoever had the box's disk before, may have put a device
 * there that never ends, or a FIFO that never begins.
 */
async function readCertificates(service: FileService, path: string): Promise<Buffer | null> {
  const found = await ifThere(new BoxFileSystem(service).stat(path));
  if (found?.isFile() !== true) return null;
  const call = { op: 'read', syscall: 'open', path };
  return await ifThere(service.run(call, (request) => request.readAll(BUNDLE_BYTES_MAX)));
}

/** Null where the image has no such file or folder, which then needs nothing in it. */
async function ifThere<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (BoxliteError.is(error, 'NotFound') || hasFileCode(error)) return null;
    throw error;
  }
}

/** Whether the box's kernel said no, and not the wire. */
function hasFileCode(error: unknown): boolean {
  return BoxliteError.is(error) && error.systemCode !== undefined;
}

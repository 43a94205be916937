/** Root file systems that keep the certificates they trust where other distributions than Debian have them. */
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where a distribution has what, as programs of its own look for it. */
export interface TrustLayout {
  readonly name: string;
  /** Files, and what of Debian's they are: the list of certificates, or Java's. */
  readonly files: Readonly<Record<string, 'bundle' | 'java'>>;
  readonly folders: readonly string[];
  readonly links: Readonly<Record<string, string>>;
  /** By which its programs find the list, and the folder by hashes. */
  readonly bundles: readonly string[];
  readonly hashed: readonly string[];
  readonly keystore: string;
  /** From which its own program makes the lists anew. */
  readonly anchor: string;
}

const EXTRACTED = '/etc/pki/ca-trust/extracted';
const RED_HAT_BUNDLE = `${EXTRACTED}/pem/tls-ca-bundle.pem`;
const RED_HAT_JAVA = `${EXTRACTED}/java/cacerts`;
const ALPINE_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
const SUSE = '/var/lib/ca-certificates';

/** As `ca-certificates` of each installs them. */
export const trustLayouts: readonly TrustLayout[] = [
  {
    name: 'Red Hat',
    files: { [RED_HAT_BUNDLE]: 'bundle', [RED_HAT_JAVA]: 'java' },
    folders: [
      `${EXTRACTED}/pem/directory-hash`,
      '/etc/pki/ca-trust/source/anchors',
      '/etc/pki/tls/certs',
    ],
    links: {
      '/etc/pki/tls/certs/ca-bundle.crt': RED_HAT_BUNDLE,
      '/etc/pki/tls/cert.pem': RED_HAT_BUNDLE,
      '/etc/ssl/certs': '../pki/tls/certs',
      '/etc/pki/java/cacerts': RED_HAT_JAVA,
      '/usr/lib/jvm/java-21-openjdk/lib/security/cacerts': '/etc/pki/java/cacerts',
    },
    bundles: [RED_HAT_BUNDLE, '/etc/pki/tls/certs/ca-bundle.crt', '/etc/pki/tls/cert.pem'],
    hashed: [`${EXTRACTED}/pem/directory-hash`, '/etc/pki/tls/certs'],
    keystore: '/usr/lib/jvm/java-21-openjdk/lib/security/cacerts',
    anchor: '/etc/pki/ca-trust/source/anchors/boxlite.crt',
  },
  {
    name: 'Alpine',
    files: { [ALPINE_BUNDLE]: 'bundle', '/etc/ssl/certs/java/cacerts': 'java' },
    folders: ['/usr/local/share/ca-certificates'],
    links: {
      '/etc/ssl/cert.pem': 'certs/ca-certificates.crt',
      '/usr/lib/jvm/default-jvm/jre/lib/security/cacerts': '/etc/ssl/certs/java/cacerts',
    },
    bundles: [ALPINE_BUNDLE, '/etc/ssl/cert.pem'],
    hashed: ['/etc/ssl/certs'],
    keystore: '/usr/lib/jvm/default-jvm/jre/lib/security/cacerts',
    anchor: '/usr/local/share/ca-certificates/boxlite.crt',
  },
  {
    name: 'SUSE',
    files: { [`${SUSE}/ca-bundle.pem`]: 'bundle', [`${SUSE}/java-cacerts`]: 'java' },
    folders: [`${SUSE}/pem`, '/etc/pki/trust/anchors'],
    links: {
      '/etc/ssl/ca-bundle.pem': `${SUSE}/ca-bundle.pem`,
      '/etc/ssl/certs': `${SUSE}/pem`,
      '/usr/lib64/jvm/java-21-openjdk/lib/security/cacerts': `${SUSE}/java-cacerts`,
    },
    bundles: ['/etc/ssl/ca-bundle.pem'],
    hashed: ['/etc/ssl/certs'],
    keystore: '/usr/lib64/jvm/java-21-openjdk/lib/security/cacerts',
    anchor: '/etc/pki/trust/anchors/boxlite.crt',
  },
];

/** Where a list is that no distribution has, so that nobody adds to it. */
export const STRANGE_BUNDLE = '/opt/strange/list.pem';

/** Lays out anew what a root file system of Debian packages trusts. */
export function layOut(root: string, { files, folders, links }: TrustLayout): void {
  const aside = join(root, 'debian-trust');
  mkdirSync(aside);
  renameSync(join(root, 'etc/ssl/certs/ca-certificates.crt'), join(aside, 'bundle'));
  renameSync(join(root, 'etc/ssl/certs/java/cacerts'), join(aside, 'java'));
  rmSync(join(root, 'etc/ssl'), { recursive: true });
  rmSync(join(root, 'usr/local/share'), { recursive: true, force: true });
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  for (const [path, kind] of Object.entries({ ...files, [STRANGE_BUNDLE]: 'bundle' })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    cpSync(join(aside, kind), join(root, path));
    // They are nobody's to write but their maker's, who is root.
    chmodSync(join(root, path), 0o444);
  }
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  rmSync(aside, { recursive: true });
}

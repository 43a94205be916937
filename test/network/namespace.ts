/**
 * A network of the test's own: the test file runs once more in a network namespace whose loopback has public
 * addresses, without a route anywhere. So names, ports and certificates are real, and nothing leaves the machine.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Outcome, readOutcomes } from '../../scripts/outcomes.ts';

/** Addresses of servers. The public ones are set aside for documentation (RFC 5737, 3849). */
export const servers = {
  one: '203.0.113.10',
  two: '203.0.113.20',
  three: '203.0.113.30',
  v6: '2001:db8::10',
  names: '203.0.113.53',
  private: '10.1.2.3',
  metadata: '169.254.169.254',
  metadata6: 'fd00:ec2::254',
} as const;
/** The names that the certificate of {@link serverKeys} is for. */
export const certified = [
  'api.example',
  'other.example',
  '*.wild.example',
  'registry-1.docker.io',
].concat(['api.openai.com', 'api.example.com', 'news.example.com', 'pypi.org']);

/** How a namespace is made. */
export interface NamespaceOptions {
  /** Further lines for /etc/hosts. */
  readonly hosts?: string;
  /** How long its tests may take together. */
  readonly timeoutMs?: number;
}

const MARK = 'BOXLITE_TEST_NAMESPACE';
const REPORTER = fileURLToPath(new URL('../../scripts/outcomes.ts', import.meta.url));

/** Runs this file's tests in a namespace: false in the program that does so, true within. */
export function inNamespace(
  file: string,
  { hosts = '', timeoutMs = 700_000 }: NamespaceOptions = {},
): boolean {
  if (process.env[MARK] !== undefined) return true;
  test('in a network namespace', { timeout: timeoutMs }, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'boxlite-net-'));
    try {
      makeKeys(folder);
      writeFileSync(join(folder, 'resolv.conf'), `nameserver ${servers.names}\n`);
      writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n${hosts}`);
      const outcomes = await runWithin(file, folder, context.signal);
      // So that whoever counts this program's tests counts those too, by their names.
      for (const { path, result, reason } of outcomes) {
        const skip = result === 'skipped' && (reason || true);
        await context.test(path.join(' > '), { skip }, () => assert.notEqual(result, 'failed'));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return false;
}

/** Key and certificate of a server that Node trusts within the namespace; `strange` ones it does not. */
export function serverKeys(kind: 'trusted' | 'strange' = 'trusted') {
  const { key, certificate } = serverKeyFiles(kind);
  return { key: readFileSync(key), cert: readFileSync(certificate) };
}

/** The files they are in. */
export function serverKeyFiles(kind: 'trusted' | 'strange' = 'trusted') {
  const folder = process.env[MARK] ?? '';
  return { key: join(folder, `${kind}.key`), certificate: join(folder, `${kind}.pem`) };
}

/** How the tests of a file ended. Throws what they said if one of them failed. */
async function runWithin(file: string, folder: string, signal: AbortSignal): Promise<Outcome[]> {
  const own = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const addresses = Object.values(servers).map((address) => `ip addr add ${address} dev lo`);
  const script = [
    'set -e',
    'ip link set lo up',
    ...addresses,
    `mount --bind ${folder}/resolv.conf /etc/resolv.conf`,
    `mount --bind ${folder}/hosts /etc/hosts`,
    'exec "$@"',
  ].join('\n');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    [MARK]: folder,
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  };
  // Where Node tells a test file that it is part of a run.
  delete env['NODE_TEST_CONTEXT'];
  const outcomes = join(folder, 'outcomes');
  const node = [
    process.execPath,
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...[`--test-reporter=${REPORTER}`, `--test-reporter-destination=${outcomes}`],
    file,
  ];
  const args = [...own, '--net', '--mount', 'sh', '-c', script, 'sh', ...node];
  const child = spawn('unshare', args, { env, stdio: ['ignore', 'pipe', 'pipe'], signal });
  child.on('error', () => undefined);
  const ended = new Promise((resolve) => child.once('close', resolve));
  const [status, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  assert.equal(status, 0, `${out}\n${err}`);
  return readOutcomes(outcomes);
}

function makeKeys(folder: string): void {
  const openssl = (...args: string[]) => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test CA');
  const names = `subjectAltName=${certified.map((name) => `DNS:${name}`).join(',')}`;
  for (const kind of ['trusted', 'strange']) {
    const by = kind === 'trusted' ? ['-CA', 'ca.pem', '-CAkey', 'ca.key'] : [];
    openssl(
      ...['req', '-x509', ...key, ...by, '-keyout', `${kind}.key`, '-out', `${kind}.pem`],
      ...['-subj', '/CN=server', '-addext', names, '-addext', 'basicConstraints=critical,CA:FALSE'],
    );
  }
}

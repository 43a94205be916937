/**
 * Runs the tests of pull requests by strangers: each in a box of its own, which has the checkout, read-only, and nothing
 * else of this machine.
 *
 *     node examples/test-runner.ts [FOLDER]...
 *
 * Without folders it makes two: one whose tests pass, and one that is after something else.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BoxCommand, BoxliteRuntime } from 'boxlite';

const TESTS_MS = 60_000;

interface Verdict {
  readonly passed: boolean;
  readonly log: string;
}

async function runTests(runtime: BoxliteRuntime, checkout: string): Promise<Verdict> {
  await using box = await runtime.create({
    rootfs: 'python:3.12-slim',
    cpus: 1,
    memoryMib: 256,
    diskSizeGb: 1,
    network: 'disabled',
    volumes: [{ hostPath: checkout, guestPath: '/checkout', readOnly: true }],
  });
  // Tests write beside their sources: they get a copy on the box's own disk.
  const tests = 'cp -r /checkout /tmp/build && cd /tmp/build && python3 -m unittest';
  await using run = await box.run(new BoxCommand('sh').args(['-c', tests]).timeout(TESTS_MS));
  const { exitCode, timedOut, stdout, stderr } = await run.output();
  const log = timedOut ? 'The tests did not end in time.' : `${stdout}${stderr}`;
  return { passed: exitCode === 0, log };
}

const good = `
import unittest

class Sums(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum([1, 2, 3]), 6)
`;

const bad = `
import os, socket, unittest

class Nosy(unittest.TestCase):
    def test_what_is_there(self):
        found = []
        for path in ['/home', '/root/.ssh', '/var/run/docker.sock', '/checkout/../../etc/hostname']:
            try:
                found += [os.path.join(path, name) for name in os.listdir(path)]
            except OSError:
                pass
        try:
            socket.create_connection(('1.1.1.1', 443), timeout=2)
            found.append('the network')
        except OSError:
            pass
        try:
            open('/checkout/backdoor.py', 'w').write('evil')
            found.append('a way to write to the checkout')
        except OSError:
            pass
        self.fail('found: ' + (', '.join(found) or 'nothing'))
`;

async function samples(folder: string): Promise<string[]> {
  const requests = { 'fix-sums': good, 'add-telemetry': bad };
  for (const [name, test] of Object.entries(requests)) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'test_it.py'), test);
  }
  return Object.keys(requests).map((name) => join(folder, name));
}

await using runtime = new BoxliteRuntime();
const scratch = await mkdtemp(join(tmpdir(), 'pull-requests-'));
try {
  const given = process.argv.slice(2);
  const checkouts = given.length > 0 ? given : await samples(scratch);
  const verdicts = await Promise.all(checkouts.map((checkout) => runTests(runtime, checkout)));
  for (const [i, { passed, log }] of verdicts.entries()) {
    const why = passed ? '' : (/^\w+Error: (.*)$/m.exec(log)?.[1] ?? log.trim());
    console.log(`${passed ? 'passed' : 'FAILED'}  ${basename(checkouts[i] ?? '')}  ${why}`.trim());
  }
} finally {
  await rm(scratch, { recursive: true });
}

/** The programs that people run in boxes, from the packages of Debian, against servers that others have written. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { BoxOptions } from '../../src/index.ts';
import { inNamespace, serverKeys, servers } from '../network/namespace.ts';
import { RealServers } from '../network/real-servers.ts';
import { makeDebianRoot } from './debian-root.ts';
import { forEachEngine, hasIpv6, sharedBox } from './fixture.ts';
import { makePackageSites } from './package-sites.ts';
import { inTime } from './polling.ts';
import { sha256 } from './sha256.ts';

const VALUE = 'sk-live-0123456789abcdef';
const PLACEHOLDER = '<BOXLITE_SECRET:key>';
const BIG_BYTES = 16 * 1024 * 1024;
const SOCKET_PORT = 8_444;
const PACKAGES = [
  ...['bash', 'python3', 'python3-pip', 'python3-requests', 'git', 'wget', 'curl', 'openssl'],
  ...['apt', 'iperf3', 'ca-certificates', 'default-jre-headless'],
];
/** What the slowest of them takes under emulation on a busy machine. */
const PATIENCE_MS = 180_000;

if (inNamespace(import.meta.filename)) {
  const real = new RealServers();
  const www = join(real.folder, 'www');
  const root = join(real.folder, 'root');
  const big = randomBytes(BIG_BYTES);
  makeDebianRoot(root, PACKAGES);
  makePackageSites(www, real.folder, 'https://api.example');
  writeFileSync(join(www, 'big.bin'), big);
  for (const kind of ['key', 'cert'] as const) {
    writeFileSync(join(real.folder, `server.${kind}`), serverKeys()[kind]);
  }
  // Processes are there before what looks for those that are left.
  await real.dnsmasq(
    'local=/example/',
    `host-record=api.example,${servers.one},300`,
    `host-record=plain.example,${servers.one},300`,
    'cname=alias.example,plain.example,300',
    `host-record=six.example,${servers.v6},300`,
    ...Array.from({ length: 120 }, (_, i) => `host-record=many.example,198.51.100.${i + 1}`),
  );
  const places = `
    location = /hello { default_type text/plain; return 200 "hello $http_host\\n"; }
    location = /secret { default_type text/plain; return 200 "$server_protocol $http_authorization\\n"; }
    location = /connection { default_type text/plain; return 200 "$connection $connection_requests\\n"; }
    location /npm/ { default_type application/json; }`;
  const keys = `ssl_certificate ${real.folder}/server.cert; ssl_certificate_key ${real.folder}/server.key;`;
  await real.nginx(
    { port: 80, host: servers.one },
    `server { listen ${servers.one}:80 default_server; ${places} }`,
    `server { listen ${servers.one}:443 ssl http2; ${keys} ${places} }`,
  );
  await real.iperf3();
  await real.webSockets({ port: SOCKET_PORT, host: servers.one });
  after(() => real[Symbol.asyncDispose]());

  const options: BoxOptions = {
    rootfs: { rootfsPath: root },
    memoryMib: 1024,
    network: {
      mode: 'enabled',
      allowNet: ['*.example', `${servers.two}:5201`],
    },
    secrets: [{ name: 'key', hosts: ['api.example'], value: VALUE }],
  };

  forEachEngine((engine) => {
    describe('programs of Debian in a box', () => {
      const box = sharedBox(engine, options);
      const quick = engine !== 'tcg';
      const slow = !quick && 'interpreters take ten times longer, and send the same as on uml';
      /** What a script prints; what went wrong is in the message if it fails. */
      const shell = async (script: string) => {
        await using execution = await box().run(['bash', '-euc', script]);
        const { stdout, stderr, exitCode } = await inTime(script, execution.output(), PATIENCE_MS);
        assert.equal(exitCode, 0, `${script}\n${stdout}${stderr}`);
        return stdout.trim();
      };
      /** Says so if the value has not reached the server with one of the requests that this makes. */
      const sendsValue = async (script: string) => {
        const before = real.read('web').length;
        const said = await shell(script);
        assert.ok(real.read('web').slice(before).includes(VALUE), `${script}: ${said}`);
        assert.ok(!said.includes(VALUE), said);
        return said;
      };

      it('find names as glibc does, by TCP if need be', async () => {
        assert.match(await shell('getent ahostsv4 alias.example'), new RegExp(`^${servers.one} `));
        const six = await shell('getent ahostsv6 six.example || echo none');
        assert.match(six, (await hasIpv6(engine)) ? /^2001:db8::10 / : /^none$/);
        const many = await shell('getent ahostsv4 many.example | grep -c STREAM');
        assert.equal(many, '120');
        assert.equal(await shell('getent hosts nothing.example || echo none'), 'none');
      });

      it('fetch by HTTP, and keep connections', async () => {
        const hello = 'hello plain.example';
        assert.equal(await shell('curl -sSf http://plain.example/hello'), hello);
        assert.equal(await shell('wget -qO- http://plain.example/hello'), hello);
        for (const scheme of ['http', 'https']) {
          const url = `${scheme}://api.example/connection`;
          const lines = (await shell(`curl -sSf ${url} ${url}`)).split('\n');
          const [first = '', second = ''] = lines.map((line) => line.split(' ')[0]);
          assert.equal(first, second, scheme);
        }
        if (!quick) return;
        const python = `import urllib.request as r; print(r.urlopen("http://plain.example/hello").read().decode())`;
        assert.equal(await shell(`python3 -c '${python}'`), hello);
        const node = `fetch("http://plain.example/hello").then((r) => r.text()).then(console.log)`;
        assert.equal(await shell(`node -e '${node}'`), hello);
      });

      it('fetch large files as they are', async () => {
        const sum = sha256(big);
        for (const [scheme, version] of [
          ['http', '--http1.1'],
          ['https', '--http1.1'],
          ['https', '--http2'],
        ]) {
          const script = `curl -sSf ${version} ${scheme}://api.example/big.bin | sha256sum`;
          assert.equal((await shell(script)).split(' ')[0], sum, `${scheme} ${version}`);
        }
      });

      it('trust the authority of the box, and send a secret without having it', async () => {
        const header = 'Authorization: Bearer $BOXLITE_SECRET_KEY';
        const url = 'https://api.example/secret';
        const [one, two] = ['HTTP/1.1', 'HTTP/2.0'].map((http) => `${http} Bearer ${PLACEHOLDER}`);
        assert.equal(await sendsValue(`curl -sSf --http1.1 -H "${header}" ${url}`), one);
        assert.equal(await sendsValue(`curl -sSf --http2 -H "${header}" ${url}`), two);
        assert.equal(await sendsValue(`wget -qO- --header "${header}" ${url}`), one);
        const raw = `printf "GET /secret HTTP/1.0\\r\\nHost: api.example\\r\\n${header}\\r\\n\\r\\n"`;
        const client = 'openssl s_client -quiet -verify_return_error -servername api.example';
        assert.match(
          await sendsValue(`${raw} | ${client} -connect api.example:443 2>/dev/null`),
          new RegExp(`${one}$`),
        );
        if (!quick) return;
        const urllib = [
          'import os, urllib.request as r',
          `headers = {"Authorization": "Bearer " + os.environ["BOXLITE_SECRET_KEY"]}`,
          `print(r.urlopen(r.Request("${url}", headers=headers)).read().decode())`,
        ];
        assert.equal(await sendsValue(`python3 -c '${urllib.join('\n')}'`), one);
        const requests = [
          'import os, requests',
          `headers = {"Authorization": "Bearer " + os.environ["BOXLITE_SECRET_KEY"]}`,
          `print(requests.get("${url}", headers=headers).text)`,
        ];
        assert.equal(await sendsValue(`python3 -c '${requests.join('\n')}'`), one);
        const node = [
          'const headers = { authorization: "Bearer " + process.env.BOXLITE_SECRET_KEY };',
          `fetch("${url}", { headers }).then((r) => r.text()).then(console.log);`,
        ];
        assert.equal(await sendsValue(`node -e '${node.join('\n')}'`), one);
        const http2 = [
          'const session = require("node:http2").connect("https://api.example");',
          'const authorization = "Bearer " + process.env.BOXLITE_SECRET_KEY;',
          'const stream = session.request({ ":path": "/secret", authorization });',
          'require("node:stream/consumers").text(stream).then(console.log).then(() => session.close());',
        ];
        assert.equal(await sendsValue(`node -e '${http2.join('\n')}'`), two);
      });

      it('trust it with an empty environment, from the lists of the system', async () => {
        const url = 'https://api.example/hello';
        for (const program of ['curl -sSf', 'wget -qO-']) {
          assert.equal(await shell(`env -i ${program} ${url}`), 'hello api.example');
        }
        const client = 'openssl s_client -verify_return_error -connect api.example:443';
        const hashed = `env -i ${client} -CApath /etc/ssl/certs -no-CAfile </dev/null 2>&1`;
        assert.match(await shell(hashed), /Verify return code: 0 \(ok\)/);
        assert.notEqual(
          await shell(`env -i ${client} -CApath /none </dev/null >&2 && echo yes || echo no`),
          'yes',
        );
      });

      it('trust it in Java, which has a list of its own', { skip: slow }, async () => {
        // The one program of a JRE that fetches something: it wants a list of revoked certificates there.
        const keytool = '$(ls -d /usr/lib/jvm/*/bin/keytool | head -1)';
        const agent = '-J-Dhttp.agent="$BOXLITE_SECRET_KEY"';
        await sendsValue(`${keytool} ${agent} -printcrl -file https://api.example/hello || true`);
      });

      it('speak WebSocket', { skip: slow }, async () => {
        const script = [
          'const key = process.env.BOXLITE_SECRET_KEY;',
          'const headers = { authorization: key };',
          `const socket = new WebSocket("wss://api.example:${SOCKET_PORT}/", { headers });`,
          'const texts = [JSON.stringify({ key }), "split in the " + key + " middle", "x".repeat(100000) + key];',
          'socket.onopen = () => texts.forEach((text) => socket.send(text));',
          'socket.onmessage = ({ data }) => {',
          '  if (data !== texts.shift()) process.exit(2);',
          '  if (texts.length === 0) socket.close();',
          '};',
          'socket.onclose = ({ code, wasClean }) => console.log(code, wasClean);',
          'socket.onerror = ({ message }) => { console.log(message); process.exit(1); };',
        ];
        assert.equal(await shell(`timeout 100 node -e '${script.join('\n')}'`), '1005 true');
        const lines = real.read('web-sockets').trim().split('\n');
        const [asked, ...texts] = lines.slice(-4).map((line) => JSON.parse(line));
        assert.deepEqual(asked, { authorization: VALUE, extensions: null });
        assert.deepEqual(
          texts.map(({ text }) => text),
          [
            JSON.stringify({ key: VALUE }),
            `split in the ${VALUE} middle`,
            `${'x'.repeat(100_000)}${VALUE}`,
          ],
        );
      });

      it('install packages, and clone', async () => {
        const source = 'deb [trusted=yes] https://api.example/apt ./';
        const apt = 'apt-get -qq -o Dpkg::Use-Pty=0';
        const lines = [
          'rm -rf /etc/apt/sources.list.d/*',
          `echo '${source}' > /etc/apt/sources.list`,
          `${apt} update >&2`,
          `${apt} install -y hello-boxlite >&2`,
          'cat /usr/share/hello-boxlite',
        ];
        assert.equal(await shell(lines.join('\n')), 'hello from apt');
        const clone = [
          'git -c http.extraHeader="Authorization: Bearer $BOXLITE_SECRET_KEY"',
          'clone -q https://api.example/git/hello.git /tmp/hello; cat /tmp/hello/hello.txt',
        ];
        assert.equal(await sendsValue(clone.join(' ')), 'hello from git');
        if (!quick) return;
        const npm = [
          'mkdir -p /tmp/npm; cd /tmp/npm',
          'echo "//api.example/npm/:_authToken=$BOXLITE_SECRET_KEY" > .npmrc',
          'npm install --silent --no-audit --no-fund --registry https://api.example/npm/ hello-boxlite',
          'node -e "require(\'hello-boxlite\')"',
        ];
        assert.equal(await sendsValue(npm.join('\n')), 'hello from npm');
        const pip = [
          'pip install -q --no-cache-dir --break-system-packages --root-user-action ignore',
          '--disable-pip-version-check --index-url https://api.example/simple hello-boxlite',
        ];
        assert.equal(await shell(`${pip.join(' ')}; python3 -m hello_boxlite`), 'hello from pip');
      });

      it('measure their way, in both directions, by TCP and UDP', async () => {
        const iperf3 = `iperf3 --json -c ${servers.two}`;
        /** Its own greeting by UDP may be lost as any datagram, and then it gives up. */
        const measured = async (options: string, attempts = 3) => {
          const { end, error } = JSON.parse(await shell(`${iperf3} ${options} || true`));
          if (error === undefined) return end;
          assert.ok(attempts > 1 && options.includes('-u'), `${options}: ${error}`);
          return await measured(options, attempts - 1);
        };
        for (const options of [
          '-n 8M',
          '-n 8M -R',
          '-u -b 8M -n 1M -l 1200',
          '-u -b 8M -n 1M -l 1200 -R',
        ]) {
          const end = await measured(options);
          // What was still on its way when the last byte was sent is not counted as received.
          const { bytes, packets, lost_packets } = end.sum_received ?? end.sum;
          if (packets === undefined) assert.ok(bytes > 1024 * 1024, `${options}: ${bytes}`);
          else assert.ok(packets > lost_packets, `${options}: ${lost_packets} of ${packets} lost`);
        }
      });
    });
  });
}

/**
 * A web service in a box, behind a port of this machine.
 *
 *     node examples/web-service.ts
 *
 * The service listens on the box's own 127.0.0.1, as many do by default; publishing its port makes it reachable here,
 * and only here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BoxliteRuntime } from 'boxlite';

const service = `
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        body = ('Hello, ' + self.path.strip('/').capitalize() + '!').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(('127.0.0.1', 8000), Greeter).serve_forever()
`;

/** Asks until there is an answer: a port is published before the service behind it is up. */
async function answer(url: string, attempts = 100): Promise<Response> {
  try {
    return await fetch(url);
  } catch (error) {
    if (attempts === 0) throw error;
    await sleep(100);
    return await answer(url, attempts - 1);
  }
}

await using runtime = new BoxliteRuntime();
await using box = await runtime.create({
  rootfs: 'python:3.12-slim',
  ports: [{ guestPort: 8000, hostIp: '127.0.0.1' }],
});
await using server = await box.run(['python3', '-c', service]);

const [port] = box.info().ports;
const url = `http://127.0.0.1:${port?.hostPort}`;
console.log(await (await answer(`${url}/world`)).text());

const names = ['ada', 'grace', 'edsger'];
const greetings = await Promise.all(
  names.map(async (name) => (await fetch(`${url}/${name}`)).text()),
);
console.log(greetings.join(' '));

const { cpuPercent, memoryBytes } = await box.metrics();
console.error(`${cpuPercent} % of its processors, ${memoryBytes} bytes of memory`);
await server.kill();

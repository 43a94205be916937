/** A registry, or a proxy, that has nothing and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class LoggingRegistry implements AsyncDisposable {
  /** Method and path of every request. */
  readonly asked: string[] = [];
  /** What requests said to identify. */
  readonly authorizations: string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<LoggingRegistry> {
    const server = createServer();
    const registry = new LoggingRegistry(server);
    server.on('request', ({ method, url, headers }, response) => {
      registry.asked.push(`${method} ${url}`);
      if (headers.authorization !== undefined) registry.authorizations.push(headers.authorization);
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
    });
    server.on('connect', ({ url }, socket) => {
      registry.asked.push(`CONNECT ${url}`);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Whether it was asked for that. */
export function wasAsked({ asked }: LoggingRegistry, request: string): boolean {
  return asked.includes(request);
}

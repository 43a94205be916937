/** Servers that others have written: dnsmasq, nginx, iperf3 and Python's websockets, started for one test file within its namespace. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { serverKeyFiles, servers } from './namespace.ts';

/** Where Debian has the servers; an ordinary user's PATH leaves it out. */
const PATH = `${process.env['PATH']}:/usr/sbin`;
/** Debian's, which has Debian's modules. */
const PYTHON = '/usr/bin/python3';
const WEB_SOCKETS = fileURLToPath(new URL('programs/web-sockets.py', import.meta.url));
const START_MS = 20_000;

/** See the top of this file. Disposing of it ends the servers and removes their files. */
export class RealServers implements AsyncDisposable {
  /** For their configuration, logs and contents. */
  readonly folder = mkdtempSync(join(tmpdir(), 'boxlite-servers-'));
  readonly #running: ChildProcess[] = [];

  /** A name server at `servers.names`, with these lines of configuration. */
  async dnsmasq(...lines: readonly string[]): Promise<void> {
    const config = join(this.folder, 'dnsmasq.conf');
    const settings = ['no-resolv', 'no-hosts', 'bind-interfaces', 'log-queries'];
    // Within the namespace of an ordinary user there are no groups to change to.
    const user = ['user=root', 'group='];
    const own = [`listen-address=${servers.names}`, `log-facility=${this.#log('dns')}`];
    writeFileSync(config, [...settings, ...user, ...own, ...lines, ''].join('\n'));
    await this.#start('dnsmasq', ['--keep-in-foreground', '--pid-file=', `--conf-file=${config}`], {
      port: 53,
      host: servers.names,
    });
  }

  /** How often dnsmasq was asked for a name. */
  asked(name: string): number {
    const lines = this.read('dns').split('\n');
    return lines.filter((line) => line.includes(' query[') && line.includes(`] ${name} from `))
      .length;
  }

  /** A web server with these `server` blocks. It serves `www` in the folder, and logs credentials. */
  async nginx(
    address: { readonly port: number; readonly host: string },
    ...blocks: readonly string[]
  ): Promise<void> {
    mkdirSync(join(this.folder, 'www'), { recursive: true });
    const config = join(this.folder, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${this.folder}/${kind};`,
    );
    writeFileSync(
      config,
      `daemon off; user root; pid ${this.folder}/nginx.pid; error_log ${this.#log('web-errors')};
      events { worker_connections 512; }
      http {
        ${temporary.join(' ')}
        log_format asked '$host $request_uri $http_authorization $http_user_agent';
        access_log ${this.#log('web')} asked;
        root ${this.folder}/www;
        ${blocks.join('\n')}
      }`,
    );
    const errors = ['-e', this.#log('web-errors')];
    await this.#start('nginx', ['-c', config, ...errors], address);
  }

  async iperf3(): Promise<void> {
    await this.#start('iperf3', ['-s'], { port: 5201, host: servers.two });
  }

  /** A WebSocket server by TLS that echoes; its source tells what it logs. */
  async webSockets(address: { readonly port: number; readonly host: string }): Promise<void> {
    const { key, certificate } = serverKeyFiles();
    const { host, port } = address;
    const args = [WEB_SOCKETS, host, String(port), certificate, key, this.#log('web-sockets')];
    await this.#start(PYTHON, args, address);
  }

  /** What a server has logged. */
  read(name: 'dns' | 'web' | 'web-errors' | 'web-sockets'): string {
    return readFileSync(this.#log(name), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill();
      await once(child, 'exit');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #log(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  async #start(
    program: string,
    args: readonly string[],
    address: { port: number; host: string },
  ): Promise<void> {
    const child = spawn(program, args, { env: { PATH }, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#running.push(child);
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    child.on('error', (error) => {
      said += error.message;
    });
    const deadline = performance.now() + START_MS;
    while (!(await listens(address))) {
      if (child.exitCode !== null || child.pid === undefined || performance.now() > deadline) {
        throw new Error(`${program} does not serve: ${said}`);
      }
      await sleep(20);
    }
  }
}

function listens(address: { port: number; host: string }): Promise<boolean> {
  const socket = connect(address);
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

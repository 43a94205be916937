/**
 * HTTP/1.1 between a box and a server: each request is read by Node's strict parser and written anew, so that what we
 * checked is what the server reads. One connection of the box goes on as one to the server.
 */
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type OutgoingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
  request as send,
} from 'node:http';
import { type Duplex, pipeline, type Readable, type Transform, type Writable } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import { requestHost } from '../http-host.ts';
import type { Substitution } from '../secrets/substitution.ts';
import { decoderFor, ForbiddenContent, GATHER_BYTES_MAX, gathered, replacing } from './body.ts';
import { endToEnd, valuesOf, without } from './fields.ts';
import { type HttpLeg, refusalText } from './leg.ts';
import { joinWebSocket } from './web-socket.ts';

/** Names and values of one message. Node's own limit for all of them is 16 KiB. */
const FIELDS_BYTES_MAX = 64 * 1024;

/** A leg with what its requests share. */
interface Line {
  readonly leg: HttpLeg;
  readonly agent: Agent;
}

/** A request that may go on. */
interface Admitted {
  readonly fields: string[];
  readonly substitution: Substitution | null;
}

/** See the top of this file. */
export class Http1Gate {
  readonly #server: Server;
  readonly #lines = new WeakMap<Duplex, Line>();

  constructor() {
    this.#server = createServer({
      maxHeaderSize: FIELDS_BYTES_MAX,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      connectionsCheckingInterval: 0x7fff_ffff,
      requireHostHeader: false,
      // Of protocols to change to, the one that keeps to its host.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    });
    // A client may say that it asks for no more before it is answered.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('connect', (request, socket) => this.#refuseTunnel(request, socket));
  }

  /** Takes over both ends of a connection. */
  serve(leg: HttpLeg): void {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let used = false;
    agent.createConnection = (_options, done) => {
      if (!used) {
        used = true;
        return leg.upstream;
      }
      done?.(new Error('the server has closed the connection'), leg.upstream);
      return undefined;
    };
    this.#lines.set(leg.guest, { leg, agent });
    leg.upstream.on('error', () => undefined);
    leg.guest.on('error', () => undefined);
    leg.guest.on('close', () => leg.upstream.destroy());
    // What is still to be written to the box is.
    leg.upstream.on('close', () => leg.guest.end());
    this.#server.emit('connection', leg.guest);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = this.#lines.get(request.socket);
    if (line === undefined) return void response.destroy();
    response.sendDate = false;
    const passed = this.#admit(line.leg, request);
    if ('refused' in passed) return answerRefused(request, response, passed.refused);
    try {
      await this.#forward(line, request, response, passed);
    } catch (error) {
      if (!(error instanceof ForbiddenContent)) return void response.destroy();
      answerRefused(request, response, this.#refuseSecret(line.leg, request, error.secret));
    }
  }

  async #forward(
    line: Line,
    request: IncomingMessage,
    response: ServerResponse,
    { fields, substitution }: Admitted,
  ): Promise<void> {
    const filter = bodyFilter(request, substitution);
    const { kept, body } = await framed(request, fields, filter);
    // An answer has to be read to be searched.
    const searched = substitution?.any === true;
    const outgoing = this.#open(line, request, searched ? withIdentity(kept) : kept);
    outgoing.on('response', (answer) => {
      respond(line.leg, answer, response, request.method === 'HEAD', substitution);
    });
    outgoing.on('error', (error) => {
      if (response.headersSent) response.destroy();
      else answerBadGateway(response, messageOf(error));
    });
    response.on('close', () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    if (body !== null) return void outgoing.end(body);
    try {
      await through(request, filter === null ? [] : [filter], outgoing);
    } catch (error) {
      outgoing.destroy();
      throw error;
    }
  }

  /** The request's fields as they go on, or why they do not. */
  #admit(leg: HttpLeg, request: IncomingMessage): Admitted | { readonly refused: string } {
    const hosts = valuesOf(request.rawHeaders, 'host');
    const host = requestHost(request.url ?? '', hosts);
    const denial = leg.check(host);
    if (denial !== null) {
      leg.onRefused(host, denial.reason, denial.message);
      return { refused: denial.message };
    }
    const substitution = host === null ? null : leg.secretsFor(host);
    const clean = endToEnd(request.rawHeaders);
    if (substitution === null) return { fields: clean, substitution };
    const { fields, foreign } = substitution.requestFields(clean);
    if (foreign === null) return { fields, substitution };
    return { refused: this.#refuseSecret(leg, request, foreign) };
  }

  /** Reports it, and says why. */
  #refuseSecret(leg: HttpLeg, { rawHeaders, url }: IncomingMessage, secret: string): string {
    const host = requestHost(url ?? '', valuesOf(rawHeaders, 'host'));
    const message = `the placeholder of the secret "${secret}" was sent to "${host}", which is none of its hosts`;
    leg.onRefused(host, 'secret-not-allowed', message);
    return message;
  }

  #open({ leg, agent }: Line, request: IncomingMessage, fields: string[]): ClientRequest {
    return send({
      agent,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: fields,
      setHost: false,
      maxHeaderSize: FIELDS_BYTES_MAX,
      protocol: 'http:',
      host: leg.scheme,
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const line = this.#lines.get(socket);
    const passed = line === undefined ? null : this.#admit(line.leg, request);
    if (line === undefined || passed === null || 'refused' in passed) {
      return void socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
    }
    // Compressed frames could not be searched for a secret that comes back.
    const searched = passed.substitution?.any === true;
    const kept = without(passed.fields, (name) => searched && name === 'sec-websocket-extensions');
    const fields = [...kept, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    const outgoing = this.#open(line, request, fields);
    joinWebSocket({ outgoing, socket, head, leg: line.leg, substitution: passed.substitution });
  }

  #refuseTunnel(request: IncomingMessage, socket: Duplex): void {
    const message = 'CONNECT would lead to whatever host it names';
    this.#lines.get(socket)?.leg.onRefused(request.url ?? null, 'name-mismatch', message);
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  }
}

/** The fields with what says how long the body is, and the body itself if that had to be found out. */
async function framed(
  request: IncomingMessage,
  fields: string[],
  filter: Transform | null,
): Promise<{ kept: string[]; body: Buffer | null }> {
  if (request.headers['transfer-encoding'] !== undefined) {
    return { kept: [...fields, 'Transfer-Encoding', 'chunked'], body: null };
  }
  const length = lengthOf(request);
  if (length === null || filter === null) return { kept: fields, body: null };
  const rest = without(fields, (name) => name === 'content-length');
  if (length > GATHER_BYTES_MAX) {
    return { kept: [...rest, 'Transfer-Encoding', 'chunked'], body: null };
  }
  const body = await gathered(request.on('error', (error) => filter.destroy(error)).pipe(filter));
  return { kept: [...rest, 'Content-Length', String(body.length)], body };
}

function withIdentity(fields: string[]): string[] {
  const rest = without(fields, (name) => name === 'accept-encoding');
  return [...rest, 'Accept-Encoding', 'identity'];
}

/** What happens to a request's body; null if nothing does. */
function bodyFilter(
  { headers }: IncomingMessage,
  substitution: Substitution | null,
): Transform | null {
  if (substitution === null || headers['content-encoding'] !== undefined) return null;
  const type = headers['content-type'];
  const [replaced, forbidden] = [substitution.requestBody(type), substitution.foreignIn(type)];
  if (replaced === null && forbidden.length === 0) return null;
  return replacing(replaced ?? [], forbidden);
}

/** The answer, without any value of a secret's in it. */
function respond(
  leg: HttpLeg,
  answer: IncomingMessage,
  response: ServerResponse,
  bodiless: boolean,
  substitution: Substitution | null,
): void {
  const fields = endToEnd(answer.rawHeaders);
  const status = answer.statusCode ?? 502;
  const empty = bodiless || status === 204 || status === 304;
  const head = (kept: string[]) => response.writeHead(status, answer.statusMessage, kept);
  if (substitution?.any !== true || empty) {
    head(substitution === null ? fields : substitution.responseFields(fields));
    return void through(answer, [], response).catch(() => response.destroy());
  }
  const decoder = decoderFor(answer.headers['content-encoding']);
  if (decoder === undefined) {
    const coding = answer.headers['content-encoding'];
    const message = `the answer comes in the coding "${coding}", which cannot be searched for secrets`;
    leg.onRefused(null, 'response-unreadable', message);
    answer.destroy();
    return answerBadGateway(response, message);
  }
  const changed = ['content-length', 'content-encoding', 'content-md5', 'digest'];
  const rest = without(substitution.responseFields(fields), (name) => changed.includes(name));
  const filter = replacing(substitution.response());
  const length = lengthOf(answer);
  const steps = decoder === null ? [filter] : [decoder, filter];
  if (decoder !== null || length === null || length > GATHER_BYTES_MAX) {
    head(rest);
    // Whoever waits for events wants to know that there will be some.
    response.flushHeaders();
    return void through(answer, steps, response).catch(() => response.destroy());
  }
  gathered(answer.on('error', (error) => filter.destroy(error)).pipe(filter)).then(
    (body) => {
      head([...rest, 'Content-Length', String(body.length)]);
      response.end(body);
    },
    () => response.destroy(),
  );
}

/** From one end to the other, trailers too. */
function through(from: IncomingMessage, steps: Duplex[], to: OutgoingMessage): Promise<void> {
  from.once('end', () => {
    if (from.rawTrailers.length > 0) to.addTrailers(pairs(from.rawTrailers));
  });
  const streams: (Readable | Writable | Duplex)[] = [from, ...steps, to];
  return new Promise((resolve, reject) => {
    pipeline(streams as [Readable, Writable], (error) =>
      error === null || error === undefined ? resolve() : reject(error),
    );
  });
}

function pairs(fields: readonly string[]): [string, string][] {
  return fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : []));
}

function lengthOf({ headers }: IncomingMessage): number | null {
  const length = headers['content-length'];
  return length === undefined ? null : Number(length);
}

function answerRefused(request: IncomingMessage, response: ServerResponse, why: string): void {
  request.resume();
  if (response.headersSent) return void response.destroy();
  answerText(response, 403, refusalText(why));
}

function answerBadGateway(response: ServerResponse, why: string): void {
  if (response.headersSent) return void response.destroy();
  answerText(response, 502, `BoxLite got no answer for this request: ${why}\n`);
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, STATUS_CODES[status], {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}

/**
 * HTTP/1.1 between a box and a server: each request is read by Node's strict parser and written anew, so that what we
 * checked is what the server reads. One connection of the box goes on as one to the server.
 */
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type Server,
  ServerResponse,
  request as send,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Transform } from 'node:stream';
import { messageOf, systemCode } from '../../base/errors.ts';
import { requestHost } from '../http-host.ts';
import { ForbiddenContent } from '../secrets/screen.ts';
import type { Substitution } from '../secrets/substitution.ts';
import { GatherBudget, gathered, screened } from './body.ts';
import { endToEnd, forSearchedAnswer, valuesOf, without } from './fields.ts';
import { answerBadGateway, answerText, passAnswer } from './http1-answer.ts';
import { lengthOf, through } from './http1-body.ts';
import { foreignSecret, type HttpLeg, refusalText } from './leg.ts';
import { EXTENSIONS, joinWebSocket } from './web-socket.ts';

/** Names and values of one message. Node's own limit for all of them is 16 KiB. */
const FIELDS_BYTES_MAX = 64 * 1024;
/** Requests on one connection that are not answered. Clients that send ahead at all stop at ten or so. */
const UNANSWERED_MAX = 32;
/** Whatever the program was started with: what servers read in other ways must not pass. */
const STRICT = { insecureHTTPParser: false } as const;

/** Where there is no `ServerResponse` to answer with. */
const BARE_FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n';
const BARE_BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';

/** A leg with what its requests share. */
interface Line {
  readonly leg: HttpLeg;
  readonly agent: Agent;
  /** Answers that the box has not got whole. */
  answering: number;
}

/** A request that may go on. */
interface Admitted {
  readonly fields: string[];
  readonly substitution: Substitution | null;
}

/** See the top of this file. */
export class Http1Gate {
  readonly #server: Server;
  readonly #gathering = new GatherBudget();
  readonly #lines = new WeakMap<Duplex, Line>();

  constructor() {
    this.#server = createServer({
      ...STRICT,
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
    this.#server.on('clientError', (error, socket) => this.#refuseMalformed(error, socket));
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
    const line: Line = { leg, agent, answering: 0 };
    this.#lines.set(leg.guest, line);
    leg.upstream.on('error', () => undefined);
    leg.guest.on('error', () => undefined);
    leg.guest.on('close', () => leg.upstream.destroy());
    leg.upstream.on('close', () => endIfDone(line));
    this.#server.emit('connection', leg.guest);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = this.#lines.get(request.socket);
    if (line === undefined) return void response.destroy();
    begin(line, response);
    if (line.answering > UNANSWERED_MAX) return this.#refuseFlood(line.leg);
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
    const { kept, body } = await this.#framed(request, fields, filter);
    const outgoing = this.#open(line, request, kept, substitution);
    outgoing.on('response', (answer) => {
      passAnswer({ leg: line.leg, answer, response, substitution, gathering: this.#gathering });
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
      await through(request, filter === null ? [] : [filter], outgoing, (trailers) => {
        const given = substitution?.requestFields(trailers) ?? { fields: trailers, foreign: null };
        if (given.foreign !== null) throw new ForbiddenContent(given.foreign);
        return given.fields;
      });
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
    const { reason, message } = foreignSecret(secret, host);
    leg.onRefused(host, reason, message);
    return message;
  }

  #open(
    { leg, agent }: Line,
    request: IncomingMessage,
    fields: string[],
    substitution: Substitution | null,
  ): ClientRequest {
    return send({
      ...STRICT,
      agent,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: substitution?.any === true ? forSearchedAnswer(fields) : fields,
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
      return void socket.end(BARE_FORBIDDEN);
    }
    const { fields, substitution } = passed;
    const left = ['content-length', ...(substitution === null ? [] : [EXTENSIONS])];
    // Compressed messages could not be searched; a body has no place here.
    const kept = without(fields, (name) => left.includes(name));
    try {
      const upgrading = [...kept, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
      const outgoing = this.#open(line, request, upgrading, substitution);
      outgoing.on('response', (answer) => {
        // The server stays with HTTP.
        const response = new ServerResponse(request);
        begin(line, response);
        response.shouldKeepAlive = false;
        response.assignSocket(socket as Socket);
        response.on('finish', () => socket.end());
        passAnswer({ leg: line.leg, answer, response, substitution, gathering: this.#gathering });
      });
      joinWebSocket({
        outgoing,
        socket,
        head,
        leg: line.leg,
        substitution,
        gathering: this.#gathering,
        refuseSecret: (secret) => this.#refuseSecret(line.leg, request, secret),
      });
    } catch {
      // A value that no header field can have.
      socket.destroy();
    }
  }

  /** Node would read on, and keep thousands of bytes for each request of thirty. */
  #refuseFlood({ guest, onRefused }: HttpLeg): void {
    if (guest.destroyed) return;
    const message = `more than ${UNANSWERED_MAX} requests wait for answers on one connection`;
    onRefused(null, 'limit', message);
    guest.destroy();
  }

  /** What Node's parser does not take. */
  #refuseMalformed(error: Error, socket: Duplex): void {
    if (!systemCode(error)?.startsWith('HPE_')) return void socket.destroy();
    const message = `what was sent is not HTTP by the letter: ${messageOf(error)}`;
    const leg = this.#lines.get(socket)?.leg;
    leg?.onRefused(null, 'malformed', message);
    socket.end(BARE_BAD_REQUEST);
    leg?.upstream.destroy();
  }

  #refuseTunnel(request: IncomingMessage, socket: Duplex): void {
    const message = 'CONNECT would lead to whatever host it names';
    this.#lines.get(socket)?.leg.onRefused(request.url ?? null, 'name-mismatch', message);
    socket.end(BARE_FORBIDDEN);
  }

  /** The fields with what says how long the body is, and the body itself if that had to be found out. */
  async #framed(
    request: IncomingMessage,
    fields: string[],
    filter: Transform | null,
  ): Promise<{ kept: string[]; body: Buffer | null }> {
    const rest = without(fields, (name) => name === 'content-length');
    const chunked = { kept: [...rest, 'Transfer-Encoding', 'chunked'], body: null };
    if (request.headers['transfer-encoding'] !== undefined) return chunked;
    const length = lengthOf(request);
    if (length === null || filter === null) return { kept: fields, body: null };
    using room = this.#gathering.take(length);
    if (room === null) return chunked;
    const body = await gathered(request.on('error', (error) => filter.destroy(error)).pipe(filter));
    return { kept: [...rest, 'Content-Length', String(body.length)], body };
  }
}

/** What happens to a request's body; null if nothing does. */
function bodyFilter(
  { headers }: IncomingMessage,
  substitution: Substitution | null,
): Transform | null {
  if (substitution === null || headers['content-encoding'] !== undefined) return null;
  const screen = substitution.requestScreen(headers['content-type']);
  return screen === null ? null : screened(screen);
}

function begin(line: Line, response: ServerResponse): void {
  response.sendDate = false;
  line.answering++;
  response.once('close', () => {
    line.answering--;
    endIfDone(line);
  });
}

/** A server that has closed the connection may have said more than the box has got by now. */
function endIfDone({ leg, answering }: Line): void {
  if (answering === 0 && leg.upstream.destroyed) leg.guest.end();
}

function answerRefused(request: IncomingMessage, response: ServerResponse, why: string): void {
  request.resume();
  if (response.headersSent) return void response.destroy();
  answerText(response, 403, refusalText(why));
}

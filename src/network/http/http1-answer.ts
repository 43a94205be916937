/** What becomes of a server's answer in HTTP/1 on its way to the box. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Substitution } from '../secrets/substitution.ts';
import { decoderFor, type GatherBudget, gathered, screened } from './body.ts';
import { CHANGED_WITH_BODY, endToEnd, without } from './fields.ts';
import { lengthOf, through } from './http1-body.ts';
import { type HttpLeg, unreadable } from './leg.ts';

/** An answer that has begun, and what it is to be passed on as. */
export interface Answering {
  readonly leg: HttpLeg;
  readonly answer: IncomingMessage;
  readonly response: ServerResponse;
  readonly substitution: Substitution | null;
  readonly gathering: GatherBudget;
}

/** Passes it on, without any value of a secret's in it. */
export function passAnswer(answering: Answering): void {
  pass(answering).catch(() => {
    // It has broken off, or has what no answer can have.
    answering.answer.destroy();
    answering.response.destroy();
  });
}

async function pass(answering: Answering): Promise<void> {
  const { leg, answer, response, substitution, gathering } = answering;
  const fields = endToEnd(answer.rawHeaders);
  const status = answer.statusCode ?? 502;
  const empty = response.req.method === 'HEAD' || status === 204 || status === 304;
  const clean = (given: string[]) => substitution?.responseFields(given) ?? given;
  const reason = answer.statusMessage ?? '';
  const head = (kept: string[]) =>
    response.writeHead(status, substitution?.responseText(reason) ?? reason, kept);
  if (substitution?.any !== true || empty) {
    head(clean(fields));
    return await through(answer, [], response, clean);
  }
  const codings = [answer.headers['content-encoding'], hopCoding(answer)].filter(Boolean);
  const decoder = decoderFor(codings.join(', '));
  if (decoder === undefined) {
    const message = unreadable(codings.join(', '));
    leg.onRefused(null, 'response-unreadable', message);
    answer.destroy();
    return answerBadGateway(response, message);
  }
  const rest = without(clean(fields), (name) => CHANGED_WITH_BODY.has(name));
  const filter = screened(substitution.responseScreen());
  using room = decoder === null ? gathering.take(lengthOf(answer)) : null;
  if (room === null) {
    head(rest);
    // Whoever waits for events wants to know that there will be some.
    response.flushHeaders();
    return await through(answer, decoder === null ? [filter] : [decoder, filter], response, clean);
  }
  const body = await gathered(answer.on('error', (error) => filter.destroy(error)).pipe(filter));
  head([...rest, 'Content-Length', String(body.length)]);
  response.end(body);
}

/** What was done to the body for the way besides chunks; undefined for nothing. */
function hopCoding({ headers }: IncomingMessage): string | undefined {
  const codings = headers['transfer-encoding']?.toLowerCase().trim();
  return codings === 'chunked' ? undefined : codings;
}

export function answerBadGateway(response: ServerResponse, why: string): void {
  if (response.headersSent) return void response.destroy();
  answerText(response, 502, `BoxLite got no answer for this request: ${why}\n`);
}

export function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, STATUS_CODES[status], {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}

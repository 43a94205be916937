// pure
/** Header fields, as names and values in turn. */

/** RFC 9110, 7.6.1: what is about one connection, and `Expect`, which we have answered. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'],
  ...['te', 'trailer', 'expect', 'http2-settings'],
]);

/** What `Connection` cannot name: without these a message would be for another host, or of another length. */
const ALWAYS_END_TO_END = new Set(['host', 'content-length']);

/** The fields that are for the other end, also those that `Connection` names left out. */
export function endToEnd(fields: readonly string[]): string[] {
  const named = valuesOf(fields, 'connection')
    .flatMap((value) => value.split(',').map((name) => name.trim().toLowerCase()))
    .filter((name) => !ALWAYS_END_TO_END.has(name));
  return without(fields, (name) => HOP_BY_HOP.has(name) || named.includes(name));
}

/** Fields behind a body, without those that have no business there (RFC 9110, 6.5.1). */
export function trailersOf(fields: readonly string[]): string[] {
  return without(endToEnd(fields), (name) => ALWAYS_END_TO_END.has(name));
}

/** All values of a field. */
export function valuesOf(fields: readonly string[], wanted: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === wanted);
}

/** The fields but those whose name, in lower case, `leaveOut` picks. */
export function without(fields: readonly string[], leaveOut: (name: string) => boolean): string[] {
  return fields.filter((_, i) => !leaveOut((fields[i - (i % 2)] ?? '').toLowerCase()));
}

/** What tells of a body that is changed by what is replaced in it. */
export const CHANGED_WITH_BODY = new Set([
  ...['content-length', 'content-encoding', 'content-md5', 'digest', 'content-digest'],
]);

/** What a server is asked for whose answer has to be read, and whole: a value could come in parts. */
export function forSearchedAnswer(fields: readonly string[]): string[] {
  const left = ['accept-encoding', 'range', 'if-range'];
  return [...without(fields, (name) => left.includes(name)), 'accept-encoding', 'identity'];
}

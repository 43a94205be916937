// pure
/** Header fields, as names and values in turn. */

/** RFC 9110, 7.6.1: what is about one connection, and `Expect`, which we have answered. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'],
  ...['te', 'trailer', 'expect', 'http2-settings'],
]);

/** The fields that are for the other end, also those that `Connection` names left out. */
export function endToEnd(fields: readonly string[]): string[] {
  const named = valuesOf(fields, 'connection').flatMap((value) =>
    value.split(',').map((name) => name.trim().toLowerCase()),
  );
  return without(fields, (name) => HOP_BY_HOP.has(name) || named.includes(name));
}

/** All values of a field. */
export function valuesOf(fields: readonly string[], wanted: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === wanted);
}

/** The fields but those whose name, in lower case, `leaveOut` picks. */
export function without(fields: readonly string[], leaveOut: (name: string) => boolean): string[] {
  return fields.filter((_, i) => !leaveOut((fields[i - (i % 2)] ?? '').toLowerCase()));
}

// pure
/** Orders version numbers the way dpkg does (Debian Policy 5.6.12). */

/** Negative if `a` is older than `b`, positive if newer, 0 if they are equal. */
export function compareVersions(a: string, b: string): number {
  const [epochA, upstreamA, revisionA] = split(a);
  const [epochB, upstreamB, revisionB] = split(b);
  return (
    Math.sign(epochA - epochB) ||
    comparePart(upstreamA, upstreamB) ||
    comparePart(revisionA, revisionB)
  );
}

function split(version: string): [epoch: number, upstream: string, revision: string] {
  const colon = version.indexOf(':');
  const epoch = colon < 0 ? 0 : Number(version.slice(0, colon)) || 0;
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return dash < 0 ? [epoch, rest, '0'] : [epoch, rest.slice(0, dash), rest.slice(dash + 1)];
}

/** Runs of other characters and runs of digits in turn. */
function comparePart(a: string, b: string): number {
  const runsA = runsOf(a);
  const runsB = runsOf(b);
  for (let i = 0; i < Math.max(runsA.length, runsB.length); i++) {
    const x = runsA[i] ?? '';
    const y = runsB[i] ?? '';
    const order = i % 2 === 0 ? compareText(x, y) : compareNumber(x, y);
    if (order !== 0) return order;
  }
  return 0;
}

/** Always begins with a run of other characters, which may be empty. */
function runsOf(part: string): string[] {
  const runs = part.match(/\d+|\D+/g) ?? [];
  return /^\d/.test(part) ? ['', ...runs] : [...runs];
}

function compareNumber(a: string, b: string): number {
  const [x, y] = [BigInt(a || '0'), BigInt(b || '0')];
  return x < y ? -1 : x > y ? 1 : 0;
}

function compareText(a: string, b: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = weight(a[i]) - weight(b[i]);
    if (order !== 0) return order;
  }
  return 0;
}

/** `~` sorts before the end, the end before letters, letters before everything else. */
function weight(char: string | undefined): number {
  if (char === undefined) return 0;
  if (char === '~') return -1;
  const code = char.charCodeAt(0);
  return /[A-Za-z]/.test(char) ? code : code + 256;
}

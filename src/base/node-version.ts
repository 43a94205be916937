/**
 * Imported first by every way into the package, so that an old Node gets a sentence it can act on in place of
 * whatever it would trip over later. For that to work, nothing in the package may fail while it is linked:
 * what only a newer Node has is looked up when it is used.
 */
const NODE_MAJOR_MIN = 24;

const major = Number(process.versions.node.split('.')[0]);
if (major < NODE_MAJOR_MIN) {
  throw new Error(
    `BoxLite needs Node.js ${NODE_MAJOR_MIN} or newer, and this is ${process.versions.node}: ` +
      'install a newer one (https://nodejs.org)',
  );
}

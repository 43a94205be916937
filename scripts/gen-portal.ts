/** Writes guest/portal_messages.h from the table in src/portal/messages.ts; with --check, compares. */
import * as messages from '../src/portal/messages.ts';
import { keepGenerated } from './generated.ts';

function define(name: string, value: number): string {
  return `#define ${name} ${value}`;
}

function generate(): string {
  const magic = [...messages.HELLO_MAGIC].map((byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  const rules = Object.entries(messages.frameRules);
  return [
    '/* Generated from src/portal/messages.ts by scripts/gen-portal.ts. Do not edit. */',
    '#ifndef PORTAL_MESSAGES_H',
    '#define PORTAL_MESSAGES_H',
    '',
    define('PORTAL_VERSION', messages.PORTAL_VERSION),
    define('HEADER_BYTES', messages.HEADER_BYTES),
    define('FRAME_BYTES_MAX', messages.FRAME_BYTES_MAX),
    define('CONTROL_BYTES_MAX', messages.CONTROL_BYTES_MAX),
    define('JSON_DEPTH_MAX', messages.JSON_DEPTH_MAX),
    define('SYNC_BYTES_MAX', messages.SYNC_BYTES_MAX),
    define('STREAMS_MAX', messages.STREAMS_MAX),
    define('GUEST_WINDOW_BYTES', messages.GUEST_WINDOW_BYTES),
    define('WINDOW_BYTES_MAX', messages.WINDOW_BYTES_MAX),
    '',
    `#define HELLO_MAGIC {${magic.join(', ')}}`,
    define('HELLO_MAGIC_BYTES', messages.HELLO_MAGIC.length),
    '',
    ...Object.entries(messages.frameFlags).map(([name, bit]) => define(`FLAG_${name}`, bit)),
    '',
    '/* What may stand in a frame of each type. */',
    'enum frame_place { ON_ZERO, ON_STREAM, ON_ANY };',
    'enum frame_payload { AS_HELLO, AS_JSON, AS_RAW, AS_U32, AS_U64, AS_NONE };',
    'struct frame_rule {',
    '    const char *name;',
    '    enum frame_place on;',
    '    enum frame_payload payload;',
    '    unsigned char flags;',
    '};',
    '',
    ...rules.map(([name, rule]) => `#define FRAME_${name} ${rule.type} /* ${rule.meaning} */`),
    define('FRAME_TYPE_MAX', Math.max(...rules.map(([, rule]) => rule.type))),
    '',
    '#define FRAME_RULES                                                                      \\',
    '    {                                                                                    \\',
    ...rules.map(
      ([name, rule]) =>
        `        [FRAME_${name}] = {"${name}", ON_${rule.on.toUpperCase()}, ` +
        `AS_${rule.payload.toUpperCase()}, ${rule.flags}}, \\`,
    ),
    '    }',
    '',
    '#endif',
    '',
  ].join('\n');
}

keepGenerated('guest/portal_messages.h', generate());

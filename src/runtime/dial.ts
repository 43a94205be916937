import type { Channel } from '../portal/channel.ts';
import type { Dial } from '../spec/parts.ts';

/** Connects to services in a box over its wire. The guest's end is in `guest/dial.c`. */
export function dialThrough(channel: Channel): Dial {
  return (target, events) => channel.open({ service: 'dial', ...target }, events);
}

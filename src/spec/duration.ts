// pure
import { Seconds } from '../base/durations.ts';
import { describeType, invalid, type Read } from './reader.ts';

/** The longest delay of a Node timer, about 24 days; it takes longer ones as none at all. */
const DURATION_MS_MAX = 2 ** 31 - 1;

/** A duration from `minMs` on: a number of milliseconds, or Seconds. Reads as whole milliseconds. */
export function durationMs(minMs = 1): Read<number> {
  const expected = `${minMs}..${DURATION_MS_MAX} ms or Seconds`;
  return (value, path) => {
    const ms = value instanceof Seconds ? value.asSeconds() * 1000 : value;
    if (typeof ms !== 'number') throw invalid(path, expected, describeType(value));
    const rounded = Math.round(ms);
    if (!(rounded >= minMs && rounded <= DURATION_MS_MAX)) {
      throw invalid(path, expected, value instanceof Seconds ? value.toString() : String(ms));
    }
    return rounded;
  };
}

/** A number of [0, sides). */
export type Dice = (sides: number) => number;

/** A generator of Park and Miller: the same seed, the same numbers. */
export function diceFrom(seed: number): Dice {
  let state = seed;
  return (sides) => {
    state = (state * 48_271) % 0x7fffffff;
    return state % sides;
  };
}

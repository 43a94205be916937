/** What the conformance table is made of. */

/** Which text promises it: the API reference in its newer or older version or in both, or our public API page. */
export type Source = 'both references' | 'newer reference' | 'older reference' | 'contract';

/** A test elsewhere, by its file from the top of the project, and its own name or that of its suite ` > ` it. */
export interface ShownBy {
  readonly file: string;
  readonly test: string;
}

/**
 * One promise. A text alone is shown by the test in test/conformance that is called as its row is; another test can
 * show it, or there is a reason why it cannot be shown on the machines that run the tests.
 */
export type Claim =
  | string
  | { readonly claim: string; readonly shownBy: readonly ShownBy[] }
  | { readonly claim: string; readonly notHere: string; readonly shownBy?: readonly ShownBy[] };

/** The promises of one section of one text, by the names of their rows. */
export interface Section<C extends Readonly<Record<string, Claim>>> {
  readonly source: Source;
  readonly title: string;
  readonly claims: C;
}

/** A {@link Section}, with the names of its rows as types. */
export function section<const C extends Readonly<Record<string, Claim>>>(
  source: Source,
  title: string,
  claims: C,
): Section<C> {
  return { source, title, claims };
}

/** Shown by tests of one file elsewhere. */
export function shown(claim: string, file: string, ...tests: string[]) {
  return { claim, shownBy: tests.map((test) => ({ file: `test/${file}.test.ts`, test })) } as const;
}

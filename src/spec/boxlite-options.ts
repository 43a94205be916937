import type { EngineChoice } from './box-options.ts';
import type { ImageRegistry } from './image-registry.ts';

/**
 * How to make a runtime. A wrong type, a value out of range or an unknown property is an
 * `InvalidArgument` error that names the property and what was expected.
 */
export interface BoxliteOptions {
  /** Absolute directory for all state. Default: the variable `BOXLITE_HOME`, else `~/.boxlite`. */
  homeDir?: string | undefined;
  /** Where images come from. A text is https and searched. Empty, the default: docker.io. */
  imageRegistries?: readonly (string | ImageRegistry)[] | undefined;
  /** What boxes run on unless they say otherwise. Default: `auto`. */
  engine?: EngineChoice | undefined;
}

/**
 * Something that could not be relocated.
 *
 * - `cannot-grow`: the new prefix is longer than the place of the old one
 * - `cannot-shrink`: the string is so short that its tail may be shared with another, and would change
 * - `malformed`: says to be an ELF or Mach-O file and is not; only its C strings were relocated
 * - `unsupported`: a file of a shape that cannot be rewritten here
 */
export interface RelocationProblem {
  readonly kind: "cannot-grow" | "cannot-shrink" | "malformed" | "unsupported";
  /** Where in the file. */
  readonly offset: number;
  /** The string as found, shortened; or what is wrong. */
  readonly text: string;
  /** Bytes that a new prefix may have here, where that is what was missing. */
  readonly room?: number | undefined;
  /** The old prefix, where it is about one. */
  readonly prefix?: string | undefined;
}

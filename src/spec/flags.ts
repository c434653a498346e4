/** A compiler flag, with the value that goes with it: `-O2`, `-include foo.h`. */
export interface Flag {
  readonly text: string;
  readonly propagate: boolean;
}

/** Parameters that hold flags of a compiler, and so are no variants. */
export const flagNames: ReadonlySet<string> = new Set([
  "cflags",
  "cppflags",
  "cxxflags",
  "fflags",
  "ldflags",
  "ldlibs",
]);

/** `-O2 -include foo.h` are two flags: what does not start with - belongs to the one before. */
export function splitFlags(text: string): readonly string[] {
  const flags: string[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (word.startsWith("-") || flags.length === 0) flags.push(word);
    else flags.push(`${flags.pop()} ${word}`);
  }
  return flags;
}

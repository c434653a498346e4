/** What a recipe tells that a push has to know, and registries show. */
export interface RecipeFacts {
  /** SPDX expression. */
  readonly license?: string | undefined;
  readonly homepage?: string | undefined;
  /** Specs of what may not be passed on as binaries; the empty one stands for all. */
  readonly unredistributable?: readonly string[] | undefined;
}

/** Where the recipe of a package is below its prefix: `.spack/repos/…/packages/NAME/package.py`. */
export const isRecipeOf = (path: string, name: string): boolean =>
  path.endsWith(`/packages/${name}/package.py`) ||
  path.endsWith(`/packages/${name.replaceAll("-", "_")}/package.py`);

/**
 * Reads a recipe without running it: only plain directives at the class's own level count, and of several licences
 * (for versions, with conditions) none.
 */
export function factsOf(recipe: string): RecipeFacts {
  const licenses = [...recipe.matchAll(/^ {4}license\(\s*(["'])([^"'\n]+)\1\s*(,[^)]*)?\)/gm)];
  const [only, ...others] = licenses;
  const sure = only !== undefined && others.length === 0 && !/\bwhen\b/.test(only[3] ?? "");
  const unredistributable = [...recipe.matchAll(/^ {4}redistribute\(([^)]*)\)/gm)].flatMap(([, said = ""]) =>
    /\bbinary\s*=\s*False\b/.test(said) ? [/\bwhen\s*=\s*(["'])(.*?)\1/.exec(said)?.[2] ?? ""] : [],
  );
  // The one class that forbids it for its heirs, whose own recipes do not say so (Spack's intel_oneapi build system).
  if (/^class \w+\([^)]*\bIntelOneApi/m.test(recipe)) unredistributable.push("");
  return {
    license: sure ? only[2] : undefined,
    homepage: /^ {4}homepage\s*=\s*(["'])(https?:\/\/[^"'\s]+)\1/m.exec(recipe)?.[2],
    ...(unredistributable.length === 0 ? {} : { unredistributable }),
  };
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Failure } from "../base/failure.js";
import type { OciEntry } from "../buildcache/entry.js";
import type { Environment } from "../environment/environment.js";
import { parseLoadCommands, withLoaded } from "../environment/loaded.js";
import { formatShort } from "../spec/format-concrete.js";
import type { Context } from "./context.js";

const run = promisify(execFile);

/** A package, and its prefix in the image. */
type ImagePackage = Pick<OciEntry, "spec" | "madeIn">;

/** Where this machine's Spack is. @throws Failure `image.spack-missing` */
export function demandSpack({ spack }: Context): string {
  if (spack !== undefined) return spack;
  throw new Failure("not-found", "there is no Spack on this machine to take variables from", {
    code: "image.spack-missing",
    hint: "Set SPACK_ROOT, or make the image with `stowage image`, and name the variables with --env NAME=VALUE.",
  });
}

/**
 * What the recipes of packages set (`setup_run_environment`), as the Spack of this machine says by `spack load --sh`:
 * they must be installed in its store. Their paths become those in the image.
 * @param entries all packages of the image, of which the roots are loaded
 * @throws Failure `image.spack-missing`, `image.spack-load`
 */
export async function spackVariables(
  { roots, entries }: { readonly roots: readonly ImagePackage[]; readonly entries: readonly ImagePackage[] },
  context: Context,
): Promise<(environment: Environment) => Environment> {
  const program = join(demandSpack(context), "bin/spack");
  const args = ["load", "--sh", ...roots.map(({ spec }) => `/${spec.hash}`)];
  const names = roots.map(({ spec }) => formatShort(spec)).join(", ");
  try {
    const { stdout } = await run(program, args, {
      env: { ...context.env },
      encoding: "utf8",
      maxBuffer: 16 * 1024 * 1024,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    });
    const loaded = parseLoadCommands(stdout);
    return (environment) => withLoaded(environment, loaded, (path) => placeIn(entries, path));
  } catch (cause) {
    if (context.signal?.aborted === true) throw cause;
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : String(cause);
    throw new Failure("not-found", `${program} cannot load ${names}: ${said.split("\n").at(-1) ?? ""}`, {
      code: "image.spack-load",
      hint: "Install the packages there too: `stowage install` does it.",
      cause,
    });
  }
}

/** The same path below the prefix that a package has in its image. */
function placeIn(entries: readonly ImagePackage[], path: string): string | undefined {
  for (const { spec, madeIn } of entries) {
    const at = path.indexOf(spec.hash);
    if (madeIn === undefined || at < 0) continue;
    const end = path.indexOf("/", at);
    return end < 0 ? madeIn : `${madeIn}${path.slice(end)}`;
  }
  return undefined;
}

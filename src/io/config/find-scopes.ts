import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { Failure } from "../../base/failure.js";
import type { Configuration, Scope } from "../../config/configuration.js";
import { decodeIncludes } from "../../config/include.js";
import { configFailure } from "../../config/parse.js";
import { substitute, type Variables } from "../../config/variables.js";
import { diskFailure } from "../disk/disk-failure.js";
import { fileScope, folderScope } from "./scope-files.js";

export interface FindOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Spack's name of the platform: `linux`, `darwin`. */
  readonly platform: string;
  readonly variables: Variables;
  /** Root of a Spack, where there is one. */
  readonly spack: string | undefined;
  /** Folders or environments, strongest last: Spack's `-C`. */
  readonly folders: readonly string[];
  /** Folder of an environment. */
  readonly environment: string | undefined;
}

/** Spack's own limit is 100; no one nests that deep by intent. */
const deepestInclude = 20;

/**
 * Spack's scopes, weakest first. A Spack of 1.x tells the order itself, in `etc/spack/include.yaml`; one of 0.x, and
 * a machine without any, have a fixed one. Nothing but `include` files is read yet.
 * @throws Failure `config.include-*`, `config.scope-missing`, and what is wrong in those files
 */
export async function findScopes(options: FindOptions): Promise<Configuration> {
  const { env, spack } = options;
  const scopes: Scope[] = [];
  const add = async (scope: Scope): Promise<void> => {
    scopes.push(...(await withIncludes(scope, options, 0)));
  };
  const local = env["SPACK_DISABLE_LOCAL_CONFIG"] === undefined;
  const user = folderScope("user", env["SPACK_USER_CONFIG_PATH"] ?? join(options.variables.home, ".spack"), {
    writable: true,
  });
  const system = folderScope("system", env["SPACK_SYSTEM_CONFIG_PATH"] ?? "/etc/spack", { writable: true });

  const etc = spack === undefined ? undefined : join(spack, "etc/spack");
  if (etc !== undefined) await add(folderScope("defaults", join(etc, "defaults"), { writable: true }));
  if (etc !== undefined && kindOf(join(etc, "include.yaml")) === "file") {
    await add(folderScope("spack", etc, { writable: true }));
  } else {
    if (local) await add(system);
    if (etc !== undefined) await add(folderScope("site", etc, { writable: true }));
    if (local) await add(user);
  }

  if (options.environment !== undefined) await add(environmentScope(options.environment));
  for (const [i, given] of options.folders.entries()) {
    const path = resolve(options.cwd, given);
    // Spack does not write to a scope of its command line either.
    const scope =
      kindOf(join(path, "spack.yaml")) === "file"
        ? fileScope(`cmd_scope_${i}`, join(path, "spack.yaml"), { writable: false })
        : folderScope(`cmd_scope_${i}`, path, { writable: false });
    if (kindOf(path) !== "folder")
      throw new Failure("usage", `there is no configuration folder ${path}`, {
        code: "config.scope-missing",
        subject: path,
        hint: "-C takes a folder with files as mirrors.yaml and config.yaml.",
      });
    await add(scope);
  }
  return { scopes: await withoutOverridden(scopes) };
}

/** An environment's `spack.yaml` as a scope. */
function environmentScope(folder: string): Scope {
  const file = join(folder, "spack.yaml");
  if (kindOf(file) !== "file")
    throw new Failure("not-found", `${folder} is no environment: it has no spack.yaml`, {
      code: "config.environment-missing",
      subject: folder,
      hint: "Name the folder of an environment, or unset SPACK_ENV.",
    });
  return fileScope(`env:${basename(folder)}`, file, { writable: true });
}

/** The scope after what it includes, so that it is stronger; of its includes the first is the strongest. */
async function withIncludes(scope: Scope, options: FindOptions, depth: number): Promise<Scope[]> {
  const entry = await scope.section("include");
  if (entry === undefined) return [scope];
  if (depth >= deepestInclude)
    throw configFailure(entry.origin, "includes that include each other", { code: "config.include-loop" });
  const found: Scope[] = [];
  for (const include of [...decodeIncludes(entry.value, options)].reverse()) {
    if (include.git !== undefined || include.paths.some((path) => /^(https?|ftp):/.test(path))) {
      throw configFailure(
        include.origin,
        `cannot include ${include.git ?? include.paths.join(", ")}: only local files are read`,
        { code: "config.include-remote", hint: "Fetch it once, and include the local copy." },
      );
    }
    for (const written of [...include.paths].reverse()) {
      const { file, line } = include.origin;
      const text = substitute(written, options.variables, `${file}:${line}`).replace(/^file:\/\//, "");
      // What is concrete in another environment is no configuration.
      if (basename(text) === "spack.lock") continue;
      const folder = scope.kind === "file" ? dirname(scope.path) : scope.path;
      const path = isAbsolute(text) ? text : resolve(folder, text);
      const kind = kindOf(path);
      if (kind === "nothing" && include.optional && extname(path) !== "") continue;
      if (kind === "nothing" && !include.optional)
        throw configFailure(include.origin, `the included ${path} is not there`, {
          code: "config.include-missing",
          hint: "Correct the path, or say `optional: true`.",
        });
      const name = include.name ?? `${scope.name}:${text}`;
      const made = kind === "file" ? fileScope : folderScope;
      found.push(
        ...(await withIncludes(
          made(name, path, { writable: scope.writable, includedBy: scope.name }),
          options,
          depth + 1,
        )),
      );
    }
  }
  return [...found, scope];
}

/** `include::` drops the weaker scopes that came in by includes; defaults stay, since nothing works without them. */
async function withoutOverridden(scopes: readonly Scope[]): Promise<readonly Scope[]> {
  const overrides = await Promise.all(
    scopes.map(async (scope) => (await scope.section("include"))?.replaces === true),
  );
  const last = overrides.lastIndexOf(true);
  const overriding = scopes[last];
  if (overriding === undefined) return scopes;
  return scopes.filter(
    (scope, i) =>
      i >= last ||
      scope.includedBy === undefined ||
      scope.includedBy === overriding.name ||
      scope.name.startsWith("defaults"),
  );
}

function kindOf(path: string): "file" | "folder" | "nothing" {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? "nothing" : found.isDirectory() ? "folder" : "file";
  } catch (error) {
    throw diskFailure(error, { doing: "look at", path });
  }
}

/** Root of the Spack on this machine: `$SPACK_ROOT`, else where `spack` on the PATH lies. */
export function findSpack(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const isSpack = (root: string): boolean => kindOf(join(root, "lib/spack/spack")) === "folder";
  const named = env["SPACK_ROOT"];
  if (named !== undefined && named !== "") {
    if (isSpack(named)) return named;
    throw new Failure("usage", `SPACK_ROOT is ${named}, where there is no Spack`, {
      code: "config.spack-missing",
      subject: named,
      hint: "Correct SPACK_ROOT, or unset it.",
    });
  }
  for (const folder of (env["PATH"] ?? "").split(":")) {
    const program = join(folder, "spack");
    if (!isAbsolute(folder) || !isExecutable(program)) continue;
    const root = dirname(dirname(realpathSync(program)));
    if (isSpack(root)) return root;
  }
  return undefined;
}

/** As a shell looks for programs: what it may not see is not there. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

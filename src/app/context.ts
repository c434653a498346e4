import { existsSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { type Configuration, readSection } from "../config/configuration.js";
import { decodeInstallTree, type InstallTree, pathAt } from "../config/install-tree.js";
import { decodeMirrors, findMirror, type Mirror } from "../config/mirror.js";
import { type ConfigNode, flagAt, nodeAt, textAt } from "../config/node.js";
import type { Variables } from "../config/variables.js";
import { findScopes, findSpack } from "../io/config/find-scopes.js";
import { withHostVariables } from "./host-variables.js";
import { spackVariables } from "./spack-variables.js";

/** How registries and other servers are reached. Paths are of PEM files. */
export interface ConnectionOptions {
  /** Takes any certificate, and sends credentials over http. */
  readonly insecure?: boolean | undefined;
  /** An authority trusted besides the known ones; else `$SSL_CERT_FILE`, else config:ssl_certs. */
  readonly ca?: string | undefined;
  /** A client certificate and its key. */
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
}

/** What every verb takes. Nothing has to be given: the rest is Spack's configuration and this process. */
export interface StowageOptions extends Call, ConnectionOptions {
  /** Root of the install tree; else what the configuration says, else `~/.stowage/store`. */
  readonly store?: string | undefined;
  /** Folders of configuration that come last and win: Spack's `-C`. */
  readonly config?: string | readonly string[] | undefined;
  /** Name of the one scope to read or edit. */
  readonly scope?: string | undefined;
  /** Name or folder of a Spack environment; else `$SPACK_ENV`. */
  readonly environment?: string | undefined;
  /** Environment variables. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly home?: string | undefined;
  readonly cwd?: string | undefined;
  /** How many things to do at once. */
  readonly jobs?: number | undefined;
  /** `false`: take what should be signed without checking that it is. */
  readonly checkSignature?: boolean | undefined;
  /** A file of trusted OpenPGP keys, instead of Spack's keyring. */
  readonly keyring?: string | undefined;
  /** Logins for registries (`ghcr.io`), which go before all others that are not a mirror's own. */
  readonly logins?: readonly Login[] | undefined;
}

export interface Login {
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

/** A machine as the configuration describes it. */
export interface Context extends Call {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly cwd: string;
  readonly jobs: number | undefined;
  readonly checkSignature: boolean;
  readonly keyring: string | undefined;
  readonly connection: ConnectionOptions;
  readonly logins: readonly Login[];
  readonly configuration: Configuration;
  readonly variables: Variables;
  /** The merged `config` section. */
  readonly config: ConfigNode | undefined;
  /** @throws Failure `config.variable-unset` where a variable in its root has no value here */
  readonly installTree: InstallTree;
  /** Where downloads and indices are kept: `$XDG_CACHE_HOME/stowage`, else `~/.stowage/cache`. */
  readonly cacheRoot: string;
  /** Folder of the active environment. */
  readonly environment: string | undefined;
  /** Root of the Spack on this machine. */
  readonly spack: string | undefined;
  /** Configured mirrors in search order. */
  mirrors(): Promise<readonly Mirror[]>;
  /**
   * A configured name, else a URL or a path.
   * @throws Failure `mirror.unknown`, `mirror.url-invalid`
   */
  mirror(nameOrUrl: string): Promise<Mirror>;
}

/** @throws Failure `config.*` for what is wrong in the configuration */
export async function openContext(options: StowageOptions = {}): Promise<Context> {
  const env = options.env ?? process.env;
  // A HOME that is empty names no folder, not the current one.
  const home = options.home ?? (env["HOME"] || process.env["HOME"] || account()?.homedir || "/");
  const cwd = options.cwd ?? process.cwd();
  const spack = findSpack(env);
  const environment = environmentFolder(options.environment, { env, cwd, spack });
  const variables: Variables = {
    env,
    home,
    named: Object.assign(spackVariables(spack), {
      env: environment,
      user: env["USER"] ?? account()?.username,
      tempdir: env["TMPDIR"] ?? tmpdir(),
      user_cache_path: env["SPACK_USER_CACHE_PATH"] ?? join(home, ".spack"),
      platform: process.platform,
    }),
  };
  const configuration = await findScopes({
    env,
    cwd,
    platform: process.platform,
    variables,
    spack,
    environment,
    folders: options.config === undefined ? [] : [options.config].flat(),
  });
  const config = await readSection(configuration, "config");
  const treeVariables = await withHostVariables(variables, nodeAt(config, ["install_tree"]));
  let mirrors: Promise<readonly Mirror[]> | undefined;
  const readMirrors = (): Promise<readonly Mirror[]> => {
    mirrors ??= mirrorsOf(configuration, variables);
    return mirrors;
  };
  return {
    env,
    home,
    cwd,
    jobs: options.jobs,
    checkSignature: options.checkSignature ?? true,
    keyring: options.keyring === undefined ? undefined : resolve(cwd, options.keyring),
    connection: {
      insecure: options.insecure ?? flagAt(config, ["verify_ssl"]) === false,
      ca: options.ca ?? env["SSL_CERT_FILE"] ?? certificatesIn(config, variables),
      clientCert: options.clientCert,
      clientKey: options.clientKey,
    },
    logins: options.logins ?? [],
    signal: options.signal,
    report: options.report,
    configuration,
    variables,
    config,
    // Read when asked for: `mirror list` works where `$spack` in a root cannot be told.
    get installTree() {
      if (options.store === "")
        throw new Failure("usage", "the store's root is empty", {
          code: "store.root-empty",
          hint: "Name the root of an install tree: the variable that should hold it may not be set.",
        });
      if (options.store !== undefined) return treeAt(resolve(cwd, options.store));
      return decodeInstallTree(config, treeVariables) ?? treeAt(join(home, ".stowage/store"));
    },
    cacheRoot:
      env["XDG_CACHE_HOME"] !== undefined && isAbsolute(env["XDG_CACHE_HOME"])
        ? join(env["XDG_CACHE_HOME"], "stowage")
        : join(home, ".stowage/cache"),
    environment,
    spack,
    mirrors: readMirrors,
    mirror: async (nameOrUrl) => findMirror(await readMirrors(), nameOrUrl, { variables, folder: cwd }),
  };
}

/** Who runs this; undefined in a container whose user is but a number. */
function account(): { readonly username: string; readonly homedir: string } | undefined {
  try {
    return userInfo();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_SYSTEM_ERROR") return undefined;
    throw error;
  }
}

/** Spack's own setting; as there, one that leads nowhere counts for nothing. */
function certificatesIn(config: ConfigNode | undefined, variables: Variables): string | undefined {
  const text = textAt(config, ["ssl_certs"]);
  if (text === undefined || /^\$\{?SSL_CERT_FILE\}?$/.test(text)) return undefined;
  const path = pathAt(config, ["ssl_certs"], variables);
  return path !== undefined && existsSync(path) ? path : undefined;
}

const treeAt = (root: string): InstallTree => ({ root, paddedLength: 0, projections: undefined });

/** Configured mirrors, of all scopes or of one. */
export async function mirrorsOf(
  configuration: Configuration,
  variables: Variables,
  options: { readonly scope?: string | undefined } = {},
): Promise<readonly Mirror[]> {
  const section = await readSection(configuration, "mirrors", options);
  if (section?.type !== "map") return [];
  return decodeMirrors(section, await withHostVariables(variables, section));
}

/** A path, or a name below Spack's own folder of environments. */
export function environmentFolder(
  given: string | undefined,
  {
    env,
    cwd,
    spack,
  }: { env: Readonly<Record<string, string | undefined>>; cwd: string; spack: string | undefined },
): string | undefined {
  if (given === undefined) return env["SPACK_ENV"] || undefined;
  if (given.includes("/") || given === ".") return resolve(cwd, given);
  if (spack !== undefined) return join(spack, "var/spack/environments", given);
  throw new Failure("usage", `cannot tell where the environment ${given} is: no Spack was found`, {
    code: "config.environment-missing",
    subject: given,
    hint: `Write its folder (./${given}), or set SPACK_ROOT.`,
  });
}

/** `config:source_cache` and its like: a path of the configuration, its variables replaced. */
export const configuredPath = (context: Context, ...path: readonly string[]): string | undefined =>
  pathAt(context.config, path, context.variables);

import { join, resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { type Configuration, type Scope, scopeNamed } from "../config/configuration.js";
import { type Edit, editYaml } from "../config/edit.js";
import { type Direction, type Mirror, urlOf } from "../config/mirror.js";
import { type MirrorChange, mirrorEdits, mirrorValue } from "../config/mirror-change.js";
import { type ConfigNode, nodeAt } from "../config/node.js";
import { editFile } from "../io/config/write.js";
import { mirrorsOf, openContext, type StowageOptions } from "./context.js";

/** What was written where. */
export interface MirrorEdit {
  readonly name: string;
  readonly scope: string;
  readonly file: string;
  /** `false`: the file said so already. */
  readonly changed: boolean;
}

/** Configured mirrors in search order, of all scopes or of `options.scope`. */
export async function listMirrors(options: StowageOptions = {}): Promise<readonly Mirror[]> {
  const { configuration, variables } = await openContext(options);
  return mirrorsOf(configuration, variables, { scope: options.scope });
}

/**
 * Adds a mirror before the others of its scope: the user's, unless `scope` names another.
 * @throws Failure `mirror.exists`, `mirror.name-invalid`, `mirror.url-invalid`, `config.*`
 */
export async function addMirror(
  name: string,
  url: string,
  options: MirrorChange & StowageOptions = {},
): Promise<MirrorEdit> {
  if (name === "" || /[\s:/]/.test(name) || name === ".")
    throw new Failure("usage", `"${name}" is no name for a mirror`, {
      code: "mirror.name-invalid",
      hint: "A name has no blanks, colons or slashes, so that it cannot be taken for a URL.",
    });
  const context = await openContext(options);
  const scope = scopeToEdit(context.configuration, options.scope);
  if ((await mirrorIn(scope, name)) !== undefined)
    throw new Failure("conflict", `there is a mirror named ${name} in scope ${scope.name} already`, {
      code: "mirror.exists",
      subject: name,
      hint: `\`stowage mirror set ${name}\` changes it, \`stowage mirror remove ${name}\` takes it away.`,
    });
  const written = urlToWrite(url, context.cwd);
  const value = mirrorValue(name, { ...options, url: written });
  const { file, at } = placeOf(scope);
  // Refuses a URL that no mirror can have before it is written.
  urlOf(written, { variables: context.variables, folder: context.cwd, place: `mirror ${name}` });
  await write(file, [{ type: "set", path: [...at, name], value, first: true }]);
  return { name, scope: scope.name, file, changed: true };
}

/**
 * Removes a mirror from the strongest scope that has it, from `scope`, or with `allScopes` from all.
 * @throws Failure `mirror.unknown`
 */
export async function removeMirror(
  name: string,
  options: { readonly allScopes?: boolean | undefined } & StowageOptions = {},
): Promise<readonly MirrorEdit[]> {
  const { configuration } = await openContext(options);
  const scopes =
    options.scope === undefined
      ? [...configuration.scopes].reverse()
      : [scopeNamed(configuration, options.scope)];
  const removed: MirrorEdit[] = [];
  for (const scope of scopes) {
    if ((await mirrorIn(scope, name)) === undefined) continue;
    assertWritable(scope);
    const { file, at } = placeOf(scope);
    await write(file, [{ type: "remove", path: [...at, name] }]);
    removed.push({ name, scope: scope.name, file, changed: true });
    if (options.allScopes !== true) break;
  }
  if (removed.length === 0) throw await unknownMirror(configuration, name, scopes);
  return removed;
}

/**
 * Changes a mirror, or what it says for one direction, in the user's scope or the one named.
 * @throws Failure `mirror.unknown`, `mirror.change-invalid`
 */
export async function setMirror(
  name: string,
  options: MirrorChange & { readonly direction?: Direction | undefined } & StowageOptions,
): Promise<MirrorEdit> {
  const { configuration, cwd } = await openContext(options);
  const scope = scopeToEdit(configuration, options.scope);
  const mirror = await mirrorIn(scope, name);
  if (mirror === undefined) throw await unknownMirror(configuration, name, [scope]);
  const { file, at } = placeOf(scope);
  const url = options.url === undefined ? undefined : urlToWrite(options.url, cwd);
  const edits = mirrorEdits([...at, name], mirror, { ...options, url }, options.direction);
  return { name, scope: scope.name, file, changed: await write(file, edits) };
}

/** In a file, a relative path starts from that file; on a command line, from where the user is. */
const urlToWrite = (url: string, cwd: string): string =>
  /^([a-z][a-z0-9+-]*:|\/|~|\$)/i.test(url) ? url : resolve(cwd, url);

const write = (file: string, edits: readonly Edit[]): Promise<boolean> =>
  editFile(file, (text) => editYaml(text, edits, file));

async function mirrorIn(scope: Scope, name: string): Promise<ConfigNode | undefined> {
  return nodeAt((await scope.section("mirrors"))?.value, [name]);
}

/** The file in which a scope says what mirrors there are, and where in it. */
function placeOf(scope: Scope): { file: string; at: readonly string[] } {
  return scope.kind === "folder"
    ? { file: join(scope.path, "mirrors.yaml"), at: ["mirrors"] }
    : { file: scope.path, at: [...scope.at, "mirrors"] };
}

/** The scope named, else the user's, else the strongest that may be written and is no environment. */
function scopeToEdit(configuration: Configuration, name: string | undefined): Scope {
  if (name !== undefined) {
    const scope = scopeNamed(configuration, name);
    assertWritable(scope);
    return scope;
  }
  const scope =
    configuration.scopes.find((one) => one.name === "user") ??
    configuration.scopes.findLast((one) => one.writable && !one.name.startsWith("env:"));
  if (scope !== undefined) return scope;
  throw new Failure("usage", "there is no configuration to write to", {
    code: "config.scope-missing",
    hint: "SPACK_DISABLE_LOCAL_CONFIG leaves out the user's; unset it, or name one with --scope.",
  });
}

function assertWritable(scope: Scope): void {
  if (scope.writable) return;
  throw new Failure("usage", `the configuration in ${scope.path} (-C) is only read`, {
    code: "config.scope-readonly",
    subject: scope.path,
    hint: `Name it as the user's with SPACK_USER_CONFIG_PATH=${scope.path}, or use --scope.`,
  });
}

async function unknownMirror(
  configuration: Configuration,
  name: string,
  looked: readonly Scope[],
): Promise<Failure> {
  const having: string[] = [];
  for (const scope of configuration.scopes)
    if ((await mirrorIn(scope, name)) !== undefined) having.push(scope.name);
  const where = looked.map((scope) => scope.name).join(", ");
  return new Failure("not-found", `there is no mirror named ${name} in scope ${where}`, {
    code: "mirror.unknown",
    subject: name,
    hint:
      having.length > 0
        ? `It is configured in scope ${having.join(", ")}: use --scope.`
        : "`stowage mirror list` shows what is configured.",
  });
}

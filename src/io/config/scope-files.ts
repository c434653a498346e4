import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { textOf } from "../../base/bytes.js";
import { Failure } from "../../base/failure.js";
import type { Scope } from "../../config/configuration.js";
import type { MapEntry, MapNode } from "../../config/node.js";
import { configFailure, parseConfig } from "../../config/parse.js";
import { checkEnvironmentFile, checkScopeFile, checkSectionFile } from "../../config/sections.js";

/** Configuration is written by hand; a file past this is something else. */
const largestFile = 16 * 1024 * 1024;

export interface ScopeOptions {
  readonly writable: boolean;
  readonly includedBy?: string | undefined;
}

/** A folder with one file for each section. */
export function folderScope(name: string, path: string, options: ScopeOptions): Scope {
  const read = new Map<string, Promise<MapEntry | undefined>>();
  return {
    name,
    path,
    kind: "folder",
    at: [],
    writable: options.writable,
    includedBy: options.includedBy,
    section(section) {
      const known = read.get(section);
      if (known !== undefined) return known;
      const file = join(path, `${section}.yaml`);
      const fresh = readMap(file, name).then((map) => {
        if (map === undefined) return undefined;
        checkSectionFile(map, section);
        return map.entries.get(section);
      });
      read.set(section, fresh);
      return fresh;
    },
  };
}

/** One file with any sections; an environment's `spack.yaml` has them below `spack:`. */
export function fileScope(name: string, path: string, options: ScopeOptions): Scope {
  let read: Promise<MapNode | undefined> | undefined;
  const isEnvironment = path.endsWith("/spack.yaml");
  return {
    name,
    path,
    kind: "file",
    at: isEnvironment ? ["spack"] : [],
    writable: options.writable,
    includedBy: options.includedBy,
    async section(section) {
      read ??= readMap(path, name).then((map) => {
        if (map === undefined) return undefined;
        if (!isEnvironment) {
          checkScopeFile(map);
          return map;
        }
        checkEnvironmentFile(map);
        const inner = map.entries.get("spack")?.value;
        return inner?.type === "map" ? inner : undefined;
      });
      return (await read)?.entries.get(section);
    },
  };
}

/** undefined for a file that is not there, or holds nothing. */
async function readMap(file: string, scope: string): Promise<MapNode | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  const node = parseConfig(text, { file, scope });
  if (node === undefined || node.type === "map") return node;
  throw configFailure(node.origin, "the file must be a mapping (`mirrors:` …)", {
    code: "config.wrong-type",
  });
}

/**
 * undefined only where nothing is there.
 * @throws Failure `config.unreadable`, `config.yaml-invalid`
 */
export async function readText(file: string): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Failure("denied", `cannot read the configuration ${file} (${String(code)})`, {
      code: "config.unreadable",
      subject: file,
      cause: error,
    });
  }
  if (bytes.byteLength > largestFile)
    throw configFailure({ file }, `larger than the ${largestFile} bytes it may have`, {
      code: "config.yaml-invalid",
    });
  const text = textOf(bytes);
  if (text === undefined)
    throw configFailure({ file, line: lineWithoutText(bytes) }, "not UTF-8 text", {
      code: "config.yaml-invalid",
    });
  return text;
}

/** The first line with bytes that are no text. */
function lineWithoutText(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; ; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1 || textOf(bytes.subarray(start, end)) === undefined) return line;
    start = end + 1;
  }
}

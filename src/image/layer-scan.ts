import type { TarSink } from "../archive/tar-reader.js";
import { utf8 } from "../base/bytes.js";
import { decodeObject, integerAt, listAt, type Place, stringAt, stringsAt } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { ByteSource } from "../relocate/byte-source.js";
import { type ElfNeeds, readElfNeeds } from "../relocate/elf-needs.js";

/** A program or shared library of a layer. */
export interface ScannedElf extends ElfNeeds {
  /** Absolute, in the image. */
  readonly path: string;
}

/** What a layer has that decides whether programs start. */
export interface LayerScan {
  readonly elf: readonly ScannedElf[];
  readonly links: readonly {
    readonly path: string;
    /** As written; of a hard link the absolute path of the other name. */
    readonly target: string;
  }[];
  /** Paths of lower layers that this one takes away (whiteouts); those that end in `/` with all below but itself. */
  readonly removed: readonly string[];
  /** Directories that `/etc/ld.so.conf` and its like name. */
  readonly libraryPaths: readonly string[];
}

/** Where the content of one file is kept to be read here and there: files may be larger than memory. */
export interface Scratch {
  /** Empties it. */
  begin(): void;
  write(chunk: Uint8Array): void;
  readonly source: ByteSource;
}

export interface LayerScanner extends TarSink {
  /** After the archive's end. */
  result(): LayerScan;
}

/** Image-spec 1.1, layer.md, "Whiteouts". */
const whiteout = ".wh.";
const opaque = ".wh..wh..opq";

/** A configuration of the loader is some lines; what is larger is none (bytes). */
const largestConfiguration = 64 * 1024;

/** First byte of an ELF file. */
const elfByte = 0x7f;

/** Looks through a layer as it streams by; content of files that are no ELF files is not looked at. */
export function createLayerScanner(scratch: Scratch): LayerScanner {
  const elf: ScannedElf[] = [];
  const links: { path: string; target: string }[] = [];
  const removed: string[] = [];
  const libraryPaths: string[] = [];
  let file: { path: string; left: number; kind: "unknown" | "elf" | "configuration" } | undefined;

  const finish = (path: string, kind: "elf" | "configuration"): void => {
    const { source } = scratch;
    if (kind === "elf") {
      const needs = needsOf(source);
      if (needs !== undefined) elf.push({ path, ...needs });
      return;
    }
    const text = Buffer.from(source.read(0, source.size)).toString("latin1");
    libraryPaths.push(...text.split(/[\s:,]+/).filter((word) => word.startsWith("/") && !word.includes("*")));
  };

  return {
    entry({ type, name, size, linkName }) {
      file = undefined;
      const path = absolute(name);
      const slash = path.lastIndexOf("/");
      const base = path.slice(slash + 1);
      if (base === opaque) removed.push(path.slice(0, slash + 1));
      else if (base.startsWith(whiteout))
        removed.push(path.slice(0, slash + 1) + base.slice(whiteout.length));
      else if (type === "symlink") links.push({ path, target: linkName });
      else if (type === "hardlink") links.push({ path, target: absolute(linkName) });
      else if (type === "file" && size > 0) {
        const isConfiguration = /^\/etc\/ld\.so\.conf(\.d\/[^/]+\.conf)?$|^\/etc\/ld-musl-[^/]+\.path$/.test(
          path,
        );
        if (isConfiguration && size > largestConfiguration) return;
        file = { path, left: size, kind: isConfiguration ? "configuration" : "unknown" };
        if (isConfiguration) scratch.begin();
      }
    },
    data(chunk) {
      if (file === undefined) return;
      if (file.kind === "unknown") {
        if (chunk[0] !== elfByte) {
          file = undefined;
          return;
        }
        file.kind = "elf";
        scratch.begin();
      }
      scratch.write(chunk);
      file.left -= chunk.byteLength;
      if (file.left === 0) finish(file.path, file.kind);
    },
    result: () => ({ elf, links, removed, libraryPaths }),
  };
}

function needsOf(source: ByteSource): ElfNeeds | undefined {
  try {
    const needs = readElfNeeds(source);
    // Objects and core files are not loaded.
    return needs !== undefined && (needs.type === 2 || needs.type === 3) ? needs : undefined;
  } catch (error) {
    // Damaged on purpose, as test data of tools for such files is: nobody can load it, so nobody misses anything.
    if (error instanceof Failure && error.code === "relocate.malformed") return undefined;
    throw error;
  }
}

const absolute = (name: string): string => `/${name.replace(/^(\.?\/)+/, "").replace(/\/$/, "")}`;

/** Changes whenever more is looked for: older results then do not count. */
const scanVersion = 1;

export const encodeScan = (scan: LayerScan): Uint8Array =>
  utf8(
    JSON.stringify({
      version: scanVersion,
      ...scan,
      elf: scan.elf.map(({ versionsNeeded, ...elf }) => ({ ...elf, versionsNeeded: [...versionsNeeded] })),
    }),
  );

/**
 * A result that was kept; undefined for one of another version.
 * @throws Failure `image.scan-broken`
 */
export function decodeScan(json: unknown, subject: string): LayerScan | undefined {
  const place: Place = { subject, code: "image.scan-broken", path: "" };
  const scan = decodeObject(json, place);
  if (scan["version"] !== scanVersion) return undefined;
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return {
    elf: listAt(scan, "elf", place).map((item): ScannedElf => {
      const elf = decodeObject(item, place);
      return {
        path: stringAt(elf, "path", place),
        bits: elf["bits"] === 32 ? 32 : 64,
        order: elf["order"] === "big" ? "big" : "little",
        machine: integerAt(elf, "machine", place),
        type: integerAt(elf, "type", place),
        interpreter: text(elf["interpreter"]),
        soname: text(elf["soname"]),
        needed: stringsAt(elf, "needed", place),
        rpath: stringsAt(elf, "rpath", place),
        runpath: stringsAt(elf, "runpath", place),
        versionsNeeded: new Map(
          listAt(elf, "versionsNeeded", place).map((pair) =>
            Array.isArray(pair) ? [stringAt(pair, 0, place), stringsAt(pair, 1, place)] : ["", []],
          ),
        ),
        versionsDefined: stringsAt(elf, "versionsDefined", place),
      };
    }),
    links: listAt(scan, "links", place).map((item) => {
      const link = decodeObject(item, place);
      return { path: stringAt(link, "path", place), target: stringAt(link, "target", place) };
    }),
    removed: stringsAt(scan, "removed", place),
    libraryPaths: stringsAt(scan, "libraryPaths", place),
  };
}

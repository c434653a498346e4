import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { textOf, utf8 } from "../../base/bytes.js";
import { decodeObject, integerAt, type Place, refuse, stringAt, stringsAt } from "../../base/decode.js";
import { isDigest } from "../../oci/digest.js";
import { isTag } from "../../oci/reference.js";
import type { Change, ManifestEntry } from "../../server/contents.js";

/** Changes as lines of JSON, of which each batch is on disk when `append` resolves. */
export interface Journal {
  append(changes: readonly Change[]): Promise<void>;
  isEmpty(): boolean;
  remove(): void;
}

const syncData = promisify(fdatasync);

/** What a journal holds. A last line without its end was never acknowledged: it is not read. */
export function readJournal(path: string): { changes: readonly Change[]; size: number } {
  if (!existsSync(path)) return { changes: [], size: 0 };
  const bytes = readFileSync(path);
  const size = bytes.lastIndexOf("\n") + 1;
  const lines = textOf(bytes.subarray(0, size))?.split("\n").slice(0, -1);
  const place = { subject: path, code: "server.journal-invalid", path: "" };
  if (lines === undefined) throw refuse(place, "is not UTF-8");
  return {
    changes: lines.map((line, index) => decodeChange(line, { ...place, path: `${index + 1}` })),
    size,
  };
}

/** @param size of what is to be kept of the journal that is there */
export function openJournal(path: string, { size }: { size: number }): Journal {
  let fd: number | undefined;
  let end = size;
  return {
    async append(changes) {
      fd ??= openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
      const lines = utf8(changes.map((change) => `${JSON.stringify(change)}\n`).join(""));
      // Half a line, of a crash or a full disk, would swallow the next.
      ftruncateSync(fd, end);
      writeSync(fd, lines, 0, lines.byteLength, end);
      await syncData(fd);
      end += lines.byteLength;
    },
    isEmpty: () => end === 0,
    remove() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      end = 0;
      rmSync(path, { force: true });
    },
  };
}

function decodeChange(line: string, place: Place): Change {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw refuse(place, "is not JSON");
  }
  const change = decodeObject(json, place);
  switch (change["type"]) {
    case "put":
      return {
        type: "put",
        manifest: decodeEntry(change["manifest"], place),
        tags: stringsAt(change, "tags", place).map((tag) => checked(tag, isTag, place)),
      };
    case "delete":
      return { type: "delete", digest: checked(stringAt(change, "digest", place), isDigest, place) };
    case "untag":
      return { type: "untag", tag: checked(stringAt(change, "tag", place), isTag, place) };
    default:
      throw refuse(place, "is no change that this version knows");
  }
}

function decodeEntry(value: unknown, place: Place): ManifestEntry {
  const entry = decodeObject(value, place);
  return {
    mediaType: stringAt(entry, "mediaType", place),
    digest: checked(stringAt(entry, "digest", place), isDigest, place),
    size: integerAt(entry, "size", place),
    subject:
      entry["subject"] === undefined
        ? undefined
        : checked(stringAt(entry, "subject", place), isDigest, place),
  };
}

function checked<T extends string>(text: string, is: (text: string) => text is T, place: Place): T {
  if (is(text)) return text;
  throw refuse(place, `has "${text}", which is malformed`);
}

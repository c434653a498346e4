import { bytesOf } from "../base/bytes.js";
import type { Content } from "./descriptor.js";
import { digestOf } from "./digest.js";

/** Bytes in memory as content. */
export function contentOf(bytes: Uint8Array, mediaType = "application/octet-stream"): Content {
  return {
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength },
    open: () => bytesOf(bytes),
  };
}

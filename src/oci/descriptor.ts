import type { Bytes } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { Digest } from "./digest.js";

export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

/** What names content: media type, digest and size in bytes (OCI image-spec 1.1, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: Platform;
}

/** Bytes that can be read again, so that an upload can be sent again. */
export interface Content {
  readonly descriptor: Descriptor;
  open(call?: Call): Bytes;
}

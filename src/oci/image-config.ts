import * as v from "valibot";
import { utf8 } from "../base/bytes.js";
import { contentOf } from "./content.js";
import type { Content } from "./descriptor.js";
import { assertShape, parseJson } from "./json.js";
import { mediaTypes } from "./media-types.js";

/**
 * OCI image-spec 1.1, config.md. Keys that are not named here (Spack adds its own) and the order of all are
 * kept: the value is what was parsed.
 */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | null;
  readonly created?: string | null;
  readonly config?: {
    readonly Env?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly User?: string | null;
    readonly WorkingDir?: string | null;
    readonly [key: string]: unknown;
  } | null;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history?: readonly unknown[] | null;
  readonly [key: string]: unknown;
}

const strings = v.nullish(v.array(v.string()));
const schema = v.looseObject({
  architecture: v.string(),
  os: v.string(),
  config: v.nullish(
    v.looseObject({
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      Labels: v.nullish(v.record(v.string(), v.string())),
      User: v.nullish(v.string()),
      WorkingDir: v.nullish(v.string()),
    }),
  ),
  rootfs: v.looseObject({ type: v.string(), diff_ids: v.array(v.string()) }),
  history: v.nullish(v.array(v.unknown())),
});

/** @throws Failure `oci.document-invalid` */
export function decodeImageConfig(bytes: Uint8Array, subject: string): ImageConfig {
  const json = parseJson(bytes, subject);
  assertImageConfig(json, subject);
  return json;
}

function assertImageConfig(json: unknown, subject: string): asserts json is ImageConfig {
  assertShape(schema, json, subject);
}

/** A config as the blob that is stored: compact JSON, keys in the order given. */
export function encodeImageConfig(config: ImageConfig, mediaType: string = mediaTypes.ociConfig): Content {
  return contentOf(utf8(JSON.stringify(config)), mediaType);
}

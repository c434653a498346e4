import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { contentOf } from "./content.js";
import type { Platform } from "./descriptor.js";
import { digestOf } from "./digest.js";
import { decodeImageConfig, encodeImageConfig } from "./image-config.js";
import {
  choosePlatform,
  decodeImageIndex,
  decodeImageManifest,
  encodeManifest,
  type ImageIndex,
  mediaTypeOf,
  referrerOf,
} from "./manifest.js";
import { mediaTypes } from "./media-types.js";
import type { Manifest } from "./repository.js";

const config = contentOf(utf8("{}"), mediaTypes.ociConfig).descriptor;
const layer = contentOf(utf8("layer"), mediaTypes.ociLayerGzip).descriptor;

function served(json: unknown, mediaType: string = mediaTypes.ociManifest): Manifest {
  const bytes = utf8(JSON.stringify(json));
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

test("a manifest keeps what we do not know, and nulls are absence", () => {
  const found = decodeImageManifest(
    served({ schemaVersion: 2, config, layers: null, annotations: null, "x-new": [1], subject: null }),
  );
  expect(found).toEqual({ schemaVersion: 2, config, layers: [], "x-new": [1] });
});

test("what is encoded decodes to the same, with the size in bytes", () => {
  const value = { schemaVersion: 2 as const, config, layers: [layer], annotations: { title: "é" } };
  const manifest = encodeManifest(value);
  expect(decodeImageManifest(manifest)).toEqual(value);
  expect(manifest.descriptor.size).toBe(manifest.bytes.byteLength);
});

test.each([
  ["a manifest that is an index too", { schemaVersion: 2, config, layers: [], manifests: [] }],
  ["another media type inside", { schemaVersion: 2, mediaType: mediaTypes.ociIndex, config, layers: [] }],
  ["a digest that is none", { schemaVersion: 2, config: { ...config, digest: "sha256:1" }, layers: [] }],
  ["a negative size", { schemaVersion: 2, config: { ...config, size: -1 }, layers: [] }],
  ["schema version 1", { schemaVersion: 1, config, layers: [] }],
  ["a list", []],
])("%s is refused", (_, json) => {
  expect(() => decodeImageManifest(served(json))).toThrow(
    expect.objectContaining({ code: "oci.document-invalid" }),
  );
});

test("nesting that would overflow the stack is refused, not crashed on", () => {
  const bytes = utf8("[".repeat(1_000_000) + "]".repeat(1_000_000));
  const manifest = { descriptor: { ...config, mediaType: mediaTypes.ociIndex }, bytes };
  expect(() => decodeImageIndex(manifest)).toThrow(expect.objectContaining({ code: "oci.document-invalid" }));
});

test("a media type can be told from the document", () => {
  expect(mediaTypeOf(utf8('{"config":{},"layers":[]}'), "x")).toBe(mediaTypes.ociManifest);
  expect(mediaTypeOf(utf8('{"manifests":[]}'), "x")).toBe(mediaTypes.ociIndex);
  expect(mediaTypeOf(utf8("{}"), "x")).toBeUndefined();
});

test("a referrer's entry names its artifact type, or that of its config", () => {
  const of = (extra: object) => referrerOf(served({ schemaVersion: 2, config, layers: [], ...extra }))?.entry;
  expect(of({})).toBeUndefined();
  expect(of({ subject: layer })?.artifactType).toBe(mediaTypes.ociConfig);
  expect(of({ subject: layer, artifactType: "a/b", annotations: { k: "v" } })).toMatchObject({
    artifactType: "a/b",
    annotations: { k: "v" },
  });
});

test("a platform is chosen by variant, and by what an architecture implies", () => {
  const entry = (name: string, platform: Partial<Platform>) => ({
    ...layer,
    artifactType: name,
    platform: { os: "linux", architecture: "arm", ...platform },
  });
  const index: ImageIndex = {
    schemaVersion: 2,
    manifests: [
      entry("v6", { variant: "v6" }),
      entry("v7", { variant: "v7" }),
      entry("arm64", { architecture: "arm64", variant: "v8" }),
      entry("windows", { os: "windows", architecture: "amd64" }),
    ],
  };
  const choose = (os: string, architecture: string, variant?: string) =>
    choosePlatform(index, variant === undefined ? { os, architecture } : { os, architecture, variant })
      ?.artifactType;
  expect(choose("linux", "arm")).toBe("v7");
  expect(choose("linux", "arm", "v6")).toBe("v6");
  expect(choose("linux", "arm", "v5")).toBeUndefined();
  expect(choose("linux", "arm64")).toBe("arm64");
  expect(choose("linux", "amd64")).toBeUndefined();
});

test("an image config keeps unknown keys, and the order of all", () => {
  const text =
    '{"created":"2026","architecture":"amd64","os":"linux","spec":{"nodes":[]},"rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":["A=b"],"Zed":1}}';
  const decoded = decodeImageConfig(utf8(text), "config");
  expect(encodeImageConfig(decoded).descriptor).toEqual(
    contentOf(utf8(text), mediaTypes.ociConfig).descriptor,
  );
  expect(() => decodeImageConfig(utf8('{"os":"linux"}'), "config")).toThrow(
    "config is not valid at architecture",
  );
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { hasShared, shared } from "../../test/support/fixtures.js";
import { textOf, utf8 } from "../base/bytes.js";
import { parseDagHash } from "../spec/dag-hash.js";
import { withoutSignature } from "./signed-document.js";
import {
  decodeUrlManifest,
  encodeUrlManifest,
  hashOfSpecManifest,
  specManifestPath,
} from "./url-layout-v3.js";

const hash = parseDagHash("7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z");
const path = specManifestPath({ name: "zlib", version: "1.2.13", hash });

describe.skipIf(!hasShared)("manifests that Spack wrote", () => {
  const plain = join(shared, "mirror-v3-unsigned");
  test.each([path, "v3/manifests/index/index.manifest.json"])("%s is written again byte for byte", (name) => {
    const bytes = readFileSync(join(plain, name));
    expect(textOf(encodeUrlManifest(decodeUrlManifest(bytes, name)))).toBe(bytes.toString());
  });
  test("a signed manifest says what the unsigned one says", async () => {
    const signed = readFileSync(join(shared, "mirror-v3-signed", path));
    const opened = await withoutSignature(signed, { subject: path });
    expect(textOf(opened)).toBe(readFileSync(join(plain, path)).toString());
  });
});

test("the path of a package's manifest tells its hash, whatever its version holds", () => {
  expect(path).toBe(`v3/manifests/spec/zlib/zlib-1.2.13-${hash}.spec.manifest.json`);
  const odd = specManifestPath({ name: "zlib", version: "git.a/b=1.0", hash });
  expect(odd).toBe(`v3/manifests/spec/zlib/zlib-git.a_b_1.0-${hash}.spec.manifest.json`);
  expect(hashOfSpecManifest(odd)).toBe(hash);
  expect(hashOfSpecManifest("v3/manifests/index/index.manifest.json")).toBeUndefined();
});

test.each([
  ["it is not JSON", "{", "buildcache.manifest-invalid"],
  ["it is of another version", '{"version":4,"data":[]}', "buildcache.manifest-invalid"],
  [
    "a checksum leads elsewhere",
    '{"version":3,"data":[{"contentLength":1,"mediaType":"x","compression":"gzip","checksumAlgorithm":"sha256","checksum":"../../x"}]}',
    "buildcache.manifest-invalid",
  ],
])("a manifest is refused where %s", (_, text, code) => {
  expect(() => decodeUrlManifest(utf8(text), "here")).toThrow(expect.objectContaining({ code }));
});

test("a signed document whose signature was cut off is refused", async () => {
  const cut = utf8("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{}\n");
  await expect(withoutSignature(cut, { subject: "here" })).rejects.toMatchObject({
    code: "gpg.document-malformed",
  });
});

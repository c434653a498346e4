import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratchDirectory } from "../../../test/support/fixtures.js";
import { bytesOf, utf8 } from "../../base/bytes.js";
import { digestOf, hexOf } from "../../oci/digest.js";
import { openBlobCache } from "./blob-cache.js";

const bytes = utf8("a layer");
const descriptor = { mediaType: "application/x-tar", digest: digestOf(bytes), size: bytes.byteLength };

test("what Spack's cache has is read there, and fetched where that was damaged", async () => {
  using scratch = scratchDirectory();
  const spackCache = join(scratch.path, "spack");
  const theirs = join(spackCache, "blobs/sha256", hexOf(descriptor.digest));
  mkdirSync(join(spackCache, "blobs/sha256"), { recursive: true });
  writeFileSync(theirs, "A LAYER");
  let fetched = 0;
  const content = {
    descriptor,
    open: () => {
      fetched++;
      return bytesOf(bytes);
    },
  };
  const cache = openBlobCache(join(scratch.path, "own"), { spackCache });
  expect(await cache.obtain(content)).toEqual({ path: theirs, cached: true });
  expect(fetched).toBe(0);
  await cache.forget(content);
  const { path, cached } = await cache.obtain(content);
  expect([cached, fetched, readFileSync(path, "utf8")]).toEqual([false, 1, "a layer"]);
  expect(readFileSync(theirs, "utf8")).toBe("A LAYER");
});

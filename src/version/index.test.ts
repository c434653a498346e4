import { build } from "esbuild";
import { expect, test } from "vitest";

test("the library's stowage/version is under 20 kB minified, for a browser", async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: ["src/version/index.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
  });
  expect(outputFiles[0]?.contents.byteLength).toBeLessThan(20_000);
  expect(Object.keys(metafile.inputs).filter((file) => !/^src\/(version|base)\//.test(file))).toEqual([]);
});

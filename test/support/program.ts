import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** A file of this folder as a program that starts fast, beside the bundled worker. The caller removes it. */
export async function buildProgram(name: string): Promise<string> {
  const outfile = fileURLToPath(new URL(`../../dist/lib/test-${name}-${process.pid}.js`, import.meta.url));
  await build({
    entryPoints: [fileURLToPath(new URL(`./${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    packages: "external",
    logLevel: "warning",
  });
  return outfile;
}

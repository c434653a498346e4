import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** `install-child.ts` as a program that starts fast, beside the bundled worker. */
export async function buildInstallProgram(): Promise<string> {
  const outfile = fileURLToPath(new URL(`../../dist/lib/test-install-${process.pid}.js`, import.meta.url));
  await build({
    entryPoints: [fileURLToPath(new URL("./install-child.ts", import.meta.url))],
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

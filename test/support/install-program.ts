import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** A child of this folder as a program that starts fast, beside the bundled worker. */
export async function buildInstallProgram(
  child: "install-child" | "uninstall-child" = "install-child",
): Promise<string> {
  const outfile = fileURLToPath(new URL(`../../dist/lib/test-${child}-${process.pid}.js`, import.meta.url));
  await build({
    entryPoints: [fileURLToPath(new URL(`./${child}.ts`, import.meta.url))],
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

import { build } from "../../scripts/build.mjs";

/** Workers and the command line are tested as built: bundles the sources once, before any test. */
export async function setup(): Promise<void> {
  await build({ types: false });
}

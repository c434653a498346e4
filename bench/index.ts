// Keeps the index of build caches of 2,000 and 20,000 packages, and lists what is in them.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { indexTag, packageTag } from "../src/buildcache/tag.js";
import { digestOf } from "../src/oci/digest.js";
import { mediaTypes } from "../src/oci/media-types.js";
import type { SpecGraph } from "../src/spec/concrete-spec.js";
import { indexOf, makePackages, openRepositoryFiles, writeIndex, writePackage } from "./data/packages.js";
import type { Benchmark, Prepare } from "./harness.js";
import { homeIn, isInstalled, spend, stowage } from "./support/command.js";
import { type RunningRegistry, startDockerRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

/** Packages that were pushed since the index was written. */
const added = 10;

const curl = ["curl", "--fail", "--silent", "--show-error", "--header", `Accept: ${mediaTypes.ociManifest}`];

export const prepare: Prepare = async ({ short }) => {
  if (!isInstalled("docker-registry")) {
    console.error("index: skipped, docker-registry is missing");
    return [];
  }
  const [some, many] = short ? [200, 2000] : [2000, 20_000];
  const scratch = scratchFolder();
  const registry = await startDockerRegistry(join(scratch, "registry"));
  const small = makeRepository(registry, "small", some, { whole: true });
  const large = makeRepository(registry, "large", many, { whole: false });

  const home = homeIn(join(scratch, "home"));
  const command = (...args: readonly string[]) => spend([...stowage, "buildcache", ...args], { env: home });
  const update = ({ mirror, base, files, index, count }: Repository): Benchmark => ({
    name: `update-index, ${count} packages and ${added} new`,
    run: () => command("update-index", mirror),
    peer: {
      name: "curl of the old index",
      program: "curl",
      run: () =>
        spend([
          ...curl,
          ...["-o", "/dev/null", `${base}/manifests/${index.manifest}`],
          ...["-o", "/dev/null", `${base}/blobs/${index.layer}`],
        ]),
    },
    reset: () => files.setTag(indexTag, index.manifest),
    demands: count === 2000 ? [{ secondsMore: 0.25 }] : [],
  });
  const gets = join(scratch, "gets");
  writeFileSync(gets, small.read.map((path) => getOf(`${small.base}/${path}`)).join(""));
  const copy = join(scratch, "index.json");
  writeFileSync(copy, large.bytes);
  const parse = `JSON.parse(require("node:fs").readFileSync(${JSON.stringify(copy)}, "utf8"))`;
  const list = (...specs: readonly string[]): Benchmark => ({
    name: ["list", ...specs].join(" "),
    run: () => command("list", "-m", large.mirror, ...specs),
    peer: { name: "node: JSON.parse of the index", run: () => spend([process.execPath, "-e", parse]) },
    demands: [{ times: 1.3 }, { memory: 300e6 }],
  });
  return [
    update(small),
    {
      name: `update-index --full, ${some} packages`,
      run: () => command("update-index", "--full", small.mirror),
      peer: {
        name: `${small.read.length} GETs by curl --parallel`,
        program: "curl",
        run: () => spend([...curl, "--parallel", "--parallel-max", "16", "--config", gets]),
      },
      reset: () => small.files.setTag(indexTag, small.index.manifest),
      rounds: 5,
      demands: [{ times: 1 }],
    },
    update(large),
    list(),
    list("package-17@1:"),
  ].map((benchmark) => ({ rounds: 5, ...benchmark }));
};

type Repository = ReturnType<typeof makeRepository>;

/**
 * A repository whose index lacks the last packages. Where it is not whole, only those can be read: nothing else is of
 * what the index knows.
 */
function makeRepository(
  registry: RunningRegistry,
  name: string,
  count: number,
  { whole }: { readonly whole: boolean },
) {
  const packages = makePackages(count + added);
  const graph: SpecGraph = {
    roots: [],
    nodes: new Map(packages.map((spec) => [spec.hash, spec])),
    format: 5,
  };
  const files = openRepositoryFiles(registry.root, name);
  /** What --full asks for: each manifest by its tag, and each config. */
  const read: string[] = [];
  for (const [i, spec] of packages.entries()) {
    if (whole || i >= count) {
      const config = writePackage(files, graph, spec);
      read.push(`manifests/${packageTag(spec)}`, `blobs/${config}`);
    } else files.setTag(packageTag(spec), digestOf(new Uint8Array()));
  }
  const bytes = indexOf(packages.slice(0, count));
  const mirror = `oci+http://${registry.host}/${name}`;
  const base = `http://${registry.host}/v2/${name}`;
  return { count, mirror, base, files, bytes, read, index: writeIndex(files, bytes) };
}

const getOf = (url: string): string => `url = "${url}"\noutput = "/dev/null"\n`;

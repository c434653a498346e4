import { installWorkers } from "../../src/app/install-workers.js";
import { createWorkers } from "../../src/io/workers/pool.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { installFrom, listTree } from "./install-from.js";

// Installs one package from a layout into a root, and prints what stands there: for a process of its own, which may
// see another file system than the tests do, or be killed.
const [layout = "", root = "", cache = "", hash = ""] = process.argv.slice(2);
await using workers = createWorkers({ threads: 2 });
process.stdout.write("ready\n");
const { installed, failed } = await installFrom({
  layout,
  root,
  cache,
  roots: [{ hash: parseDagHash(hash) }],
  workers: installWorkers(workers),
});
process.stdout.write(
  JSON.stringify({
    installed: installed.map(({ spec, problems }) => ({ name: spec.name, problems })),
    failed: failed.map(({ spec, failure }) => ({ name: spec.name, failure: String(failure) })),
    tree: listTree(root),
  }),
);

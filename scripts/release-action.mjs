// Prints the commit that `uses: OWNER/stowage@v1` is to name: HEAD, with the built bundle in its tree. An action is run
// as it is in the repository, but what is built is no source: main has no bundle that could differ from its sources,
// and each release has the one that was tested. Touches neither branches, nor the index, nor the work tree.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./run.mjs";

const scratch = mkdtempSync(join(tmpdir(), "stowage-release-"));
const git = (...args) =>
  execFileSync("git", args, {
    cwd: process.argv[2] ?? root,
    encoding: "utf8",
    env: { ...process.env, GIT_INDEX_FILE: join(scratch, "index") },
  }).trim();
try {
  if (!existsSync(join(process.argv[2] ?? root, "dist/cli/action.js")))
    throw new Error("there is no dist/cli/action.js: run `npm run build` first");
  git("read-tree", "HEAD");
  git("add", "--force", "dist/cli");
  const message = `Build the action of ${git("describe", "--always", "--tags", "HEAD")}`;
  console.log(git("commit-tree", git("write-tree"), "-p", "HEAD", "-m", message));
} finally {
  rmSync(scratch, { recursive: true });
}

// Checks vectors files: `npm run vectors -- [--specs FILE]... FILE...`, from a fresh clone on.
import { install, root, tool } from "./run.mjs";

install();
// Paths are those of the caller's directory.
const cwd = process.cwd();
process.exit(tool("tsx", [`${root}/test/vectors/main.ts`, ...process.argv.slice(2)], { cwd }));

// Checks vectors files: `npm run vectors -- [--specs FILE]... FILE...`, from a fresh clone on.
import { install, tool } from "./run.mjs";

install();
process.exit(tool("tsx", ["test/vectors/main.ts", ...process.argv.slice(2)]));

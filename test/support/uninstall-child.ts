import { uninstall } from "../../src/app/uninstall.js";

// Removes all packages of a store: for a process of its own, which may be killed.
const [store = "", home = ""] = process.argv.slice(2);
process.stdout.write("ready\n");
await uninstall([], { store, home, cwd: home, env: {}, all: true });

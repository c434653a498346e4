import { push } from "../../src/app/push.js";

// Pushes by the options that are given as JSON, and prints what came of it and the most memory it took, in bytes.
const [mirror = "", options = "{}"] = process.argv.slice(2);
const { pushed, failed } = await push(mirror, JSON.parse(options));
const { maxRSS } = process.resourceUsage();
process.stdout.write(JSON.stringify({ pushed, failed, memory: maxRSS * 1024 }));

import { list } from "../../src/app/buildcache.js";

// Lists what a mirror's index tells, and prints how many packages that are and the most memory it took, in bytes.
const [mirror = "", home = ""] = process.argv.slice(2);
const { packages } = await list({
  mirror,
  home,
  env: { HOME: home, SPACK_USER_CONFIG_PATH: `${home}/spack` },
});
const { maxRSS } = process.resourceUsage();
process.stdout.write(JSON.stringify({ packages: packages.length, memory: maxRSS * 1024 }));

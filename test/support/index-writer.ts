import { ociCache } from "../../src/buildcache/oci-cache.js";
import { updateIndex } from "../../src/buildcache/index-update.js";
import { openHttpClient } from "../../src/io/http-client/http-client.js";
import { openRemoteRepository } from "../../src/io/registry/remote.js";
import { systemClock, systemRandom } from "../../src/io/system/clock.js";
import { parseRegistryUrl } from "../../src/oci/reference.js";
import { graphOf, makePackage, storePackage } from "./packages.js";

// Pushes packages of its own, one by one, and updates the index after each: for a process that is not alone.
const [url = "", name = "", updates = "1"] = process.argv.slice(2);
await using client = openHttpClient({
  clock: systemClock,
  random: systemRandom,
  environment: {},
  credentials: { find: async () => undefined },
});
const repository = openRemoteRepository(parseRegistryUrl(url), client);
const written: number[] = [];
for (let i = 0; i < Number(updates); i += 1) {
  await storePackage(repository, graphOf(makePackage(`${name}-${i}`), []));
  const result = await updateIndex(ociCache(repository), { clock: systemClock, random: systemRandom });
  written.push(result.packages);
}
process.stdout.write(JSON.stringify(written));

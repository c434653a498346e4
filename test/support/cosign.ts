import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Path of a real cosign, where one was built: that takes minutes, so no test run does it.
 *
 *     GOBIN=~/.cache/stowage-peers/cosign-v2.6.5 go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
 */
export function cosignAt(version: string): string | undefined {
  const cache = process.env["STOWAGE_PEERS"] ?? join(homedir(), ".cache/stowage-peers");
  const path = join(cache, `cosign-${version}`, "cosign");
  return existsSync(path) ? path : undefined;
}

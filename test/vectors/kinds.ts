import { gitVersions } from "./git-versions.js";
import type { VectorKind } from "./kind.js";
import { oci } from "./oci.js";
import { specs } from "./specs.js";
import { versions } from "./versions.js";

/** The first kind that accepts a line answers it. */
export const kinds: readonly VectorKind[] = [versions, gitVersions, specs, oci];

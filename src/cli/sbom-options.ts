import { Option } from "commander";
import type { SbomMaking } from "../app/sbom-making.js";
import type { Given } from "./given.js";

/** The formats of bills, as `--format` or `--sbom-format`. */
export const sbomFormatOption = (name: string): Option =>
  new Option(`${name} <format>`, "of bills of materials: SPDX 2.3, or CycloneDX 1.6; spdx").choices([
    "spdx",
    "cyclonedx",
  ]);

export const sbomFormat = (given: Given, option: string): SbomMaking["sbomFormat"] =>
  given.text(option) === "cyclonedx" ? "cyclonedx" : given.text(option) === "spdx" ? "spdx" : undefined;

/** A format that is given asks for a bill, too. */
export function sbomMaking(given: Given): SbomMaking {
  const format = sbomFormat(given, "sbomFormat");
  return { sbom: given.flag("sbom") ?? format !== undefined, sbomFormat: format };
}

import { readSection } from "../config/configuration.js";
import { decodeInspections } from "../config/inspections.js";
import { defaultInspections, type PrefixInspections } from "../environment/environment.js";
import type { Context } from "./context.js";

/**
 * What prefixes add to path lists, as the configuration says; undefined where it says nothing. Where no Spack is
 * found, its defaults stand below what the user says, as they would with one.
 */
export async function configuredInspections({
  configuration,
  spack,
}: Context): Promise<PrefixInspections | undefined> {
  const configured = decodeInspections(await readSection(configuration, "modules"));
  if (configured === undefined) return undefined;
  const { directories, replaces } = configured;
  if (spack !== undefined || replaces) return directories;
  const named = new Set(directories.map(([directory]) => directory));
  return [...directories, ...defaultInspections.filter(([directory]) => !named.has(directory))];
}

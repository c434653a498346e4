import { type Configuration, readSection } from "../config/configuration.js";
import type { ConfigNode } from "../config/node.js";
import { openContext, type StowageOptions } from "./context.js";

export interface SectionResult {
  readonly section: string;
  /** undefined: no scope says anything. */
  readonly value: ConfigNode | undefined;
  /** The strongest last. */
  readonly scopes: Configuration["scopes"];
}

/** A section of the configuration as all scopes together say it, or `options.scope` alone. */
export async function configSection(section: string, options: StowageOptions = {}): Promise<SectionResult> {
  const { configuration } = await openContext(options);
  return {
    section,
    value: await readSection(configuration, section, { scope: options.scope }),
    scopes: configuration.scopes,
  };
}

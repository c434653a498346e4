import { type ConfigNode, plainOf } from "../config/node.js";
import type { Variables } from "../config/variables.js";

const ofTheHost = /\$\{?(arch|os|operating_system|target)/i;

/** Adds Spack's variables that only a look at the machine tells, where a section speaks of any. */
export async function withHostVariables(
  variables: Variables,
  section: ConfigNode | undefined,
): Promise<Variables> {
  if (section === undefined || !ofTheHost.test(JSON.stringify(plainOf(section)))) return variables;
  const { detectHost } = await import("../io/host/detect-host.js");
  const { platform, os, target } = await detectHost();
  const { targetOf } = await import("../spec/target.js");
  const arch = `${platform}-${os}-${target}`;
  const named = { os, operating_system: os, target, arch, architecture: arch };
  return {
    ...variables,
    named: { ...variables.named, ...named, target_family: targetOf(target).family },
  };
}

import { buildProgram } from "./program.js";

/** A child of this folder as a program that starts fast, beside the bundled worker. */
export const buildInstallProgram = (
  child: "install-child" | "uninstall-child" = "install-child",
): Promise<string> => buildProgram(child);

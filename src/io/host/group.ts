import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Failure } from "../../base/failure.js";

/**
 * The number of a group, wherever this machine knows its groups from.
 * @throws Failure `host.group-unknown`
 */
export async function groupNumber(name: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)("getent", ["group", name]);
    const number = stdout.split(":")[2] ?? "";
    if (/^\d+$/.test(number)) return Number(number);
    throw new Error(`getent says ${JSON.stringify(stdout)}`);
  } catch (cause) {
    throw new Failure("not-found", `this machine knows no group ${name}`, {
      code: "host.group-unknown",
      subject: name,
      hint: "Name another one at packages:all:permissions:group.",
      cause,
    });
  }
}

import { Failure } from "../base/failure.js";
import { openContext, type StowageOptions } from "./context.js";
import { openInstalled, selectInstalled } from "./installed.js";

/**
 * The prefix of the one installed package that a spec names.
 * @throws Failure `store.missing`, `spec.no-match`, `spec.ambiguous`
 */
export async function location(spec: string, options: StowageOptions = {}): Promise<string> {
  const context = await openContext(options);
  const { store, root } = await openInstalled(context);
  const database = await store.readDatabase(context);
  const [hash] = selectInstalled(database, [spec], { root });
  const path = hash === undefined ? undefined : database.records.get(hash)?.path;
  if (path !== undefined) return path;
  throw new Failure("not-found", `${spec} has no prefix: it is part of the system`, {
    code: "store.no-prefix",
    subject: spec,
  });
}

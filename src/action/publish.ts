import { type PushResult, push } from "../app/push.js";
import { Failure } from "../base/failure.js";
import { formatSize, plural } from "../base/quantity.js";
import type { Runner } from "./runner.js";
import type { Settings } from "./settings.js";

/** What a push did, for the summary. */
export interface Published {
  readonly pushed: PushResult["pushed"];
  readonly present: number;
  readonly bytes: number;
  readonly milliseconds: number;
  readonly image: PushResult["image"];
  readonly failure?: string | undefined;
}

/** Pushes what the store has and the mirror has not, and renews the index, once. */
export async function publish(settings: Settings, runner: Runner): Promise<Published> {
  const { mirror, options, baseImage, tag, withBuildDependencies } = settings;
  const started = performance.now();
  const result = await pushAll();
  const pushed = result?.pushed ?? [];
  const bytes = pushed.reduce((sum, { size }) => sum + size, 0);
  const present = result?.present.length ?? 0;
  runner.log(`${plural(pushed.length, "package")} pushed (${formatSize(bytes)}), ${present} there already`);
  runner.setOutput(
    "digests",
    JSON.stringify(Object.fromEntries(pushed.map(({ tag, manifest }) => [tag, manifest]))),
  );
  if (result?.image !== undefined) runner.setOutput("image", result.image.digest);
  return {
    pushed,
    present,
    bytes,
    milliseconds: Math.round(performance.now() - started),
    image: result?.image,
    failure: failureOf(result),
  };

  async function pushAll(): Promise<PushResult | undefined> {
    try {
      return await push(mirror, {
        ...options,
        baseImage,
        tag,
        withBuildDependencies,
        private: settings.private,
        updateIndex: true,
      });
    } catch (error) {
      // A job that built nothing has no store.
      if (error instanceof Failure && error.code === "store.missing") return undefined;
      throw error;
    }
  }
}

function failureOf(result: PushResult | undefined): string | undefined {
  const [first, ...others] = result?.failed ?? [];
  if (first === undefined) return undefined;
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  return `could not push ${first.name}@${first.version}${more}: ${first.failure.message}`;
}

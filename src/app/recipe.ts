import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { factsOf, isRecipeOf, type RecipeFacts } from "../push/recipe.js";

/** What the recipe that a package was built by tells, where Spack left it in the prefix. */
export function recipeIn(prefix: string, name: string): RecipeFacts {
  const repositories = join(prefix, ".spack", "repos");
  if (!existsSync(repositories)) return {};
  const path = readdirSync(repositories, { recursive: true, encoding: "utf8" }).find((one) =>
    isRecipeOf(`/${one}`, name),
  );
  return path === undefined ? {} : factsOf(readFileSync(join(repositories, path), "utf8"));
}

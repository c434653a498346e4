import type { DependencyType } from "./concrete-spec.js";

/** All types, in the order in which Spack writes them. */
export const dependencyTypes = ["build", "link", "run", "test"] as const satisfies readonly DependencyType[];

export const isDependencyType = (text: string): text is DependencyType =>
  dependencyTypes.some((type) => type === text);

const bits = { link: 1, run: 2, build: 4, test: 8 } as const;

/** Types as one number: the order in which Spack sorts edges to packages of one name. */
export const typeRank = (types: readonly DependencyType[]): number =>
  types.reduce((sum, type) => sum | bits[type], 0);

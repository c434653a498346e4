import { Failure } from "./failure.js";

/** Where a value was found, for the message if it is not what it should be. */
export interface Place {
  /** The file, URL or spec that holds it. */
  readonly subject: string;
  /** Code of the failure: `spec.invalid`. */
  readonly code: string;
  /** Path within it: `spec.nodes[3].arch`; empty for the document itself. */
  readonly path: string;
  /** What can be done about it. */
  readonly hint?: string | undefined;
}

export type JsonObject = Readonly<Record<string, unknown>>;
type Parent = JsonObject | readonly unknown[];
type Step = string | number;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The place of a member or an item. */
export function inside(place: Place, step: Step): Place {
  const path =
    typeof step === "number" ? `${place.path}[${step}]` : `${place.path}.${step}`.replace(/^\./, "");
  return { ...place, path };
}

/** The failure for a value that is not what it should be: `FILE: spec.nodes[3].arch is missing`. */
export function refuse(place: Place, found: string, cause?: unknown): Failure {
  return new Failure("corrupt", `${place.subject}: ${place.path || "the document"} ${found}`, {
    code: place.code,
    subject: place.subject,
    hint: place.hint,
    cause,
  });
}

const memberOf = (parent: Parent, step: Step): unknown => Reflect.get(parent, step);

function wrong(value: unknown, wanted: string, place: Place): Failure {
  if (value === undefined) return refuse(place, "is missing");
  const found = value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
  return refuse(place, `should be ${wanted}, but is ${found}`);
}

export function decodeObject(value: unknown, place: Place): JsonObject {
  if (isObject(value)) return value;
  throw wrong(value, "an object", place);
}

// The functions below name the place of a member only where it fails: documents have millions of members.

/** @throws Failure with the place's code, as all functions here */
export function objectAt(parent: Parent, step: Step, place: Place): JsonObject {
  const value = memberOf(parent, step);
  if (isObject(value)) return value;
  throw wrong(value, "an object", inside(place, step));
}

export function listAt(parent: Parent, step: Step, place: Place): readonly unknown[] {
  const value = memberOf(parent, step);
  if (Array.isArray(value)) return value;
  throw wrong(value, "a list", inside(place, step));
}

export function stringAt(parent: Parent, step: Step, place: Place): string {
  const value = memberOf(parent, step);
  if (typeof value === "string") return value;
  throw wrong(value, "a string", inside(place, step));
}

export function stringsAt(parent: Parent, step: Step, place: Place): readonly string[] {
  const list = listAt(parent, step, place);
  const at = list.findIndex((item) => typeof item !== "string");
  if (at >= 0) throw wrong(list[at], "a string", inside(inside(place, step), at));
  return list.filter((item) => typeof item === "string");
}

export function integerAt(parent: Parent, step: Step, place: Place): number {
  const value = memberOf(parent, step);
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw wrong(value, "an integer", inside(place, step));
}

import { type ConfigNode, type MapNode, type Origin, plainOf } from "./node.js";
import { configFailure } from "./parse.js";
import { suggestion } from "./suggestion.js";

/** What configuration may look like, as data: checked file by file, before scopes are merged. */
export type Shape =
  | { readonly type: "text" | "flag" | "null" | "any" }
  | { readonly type: "integer"; readonly least: number }
  | { readonly type: "choice"; readonly of: readonly string[] }
  | { readonly type: "list"; readonly of: Shape; readonly length?: number }
  | {
      readonly type: "map";
      /** What it is called in messages: `a mirror`. */
      readonly what: string;
      readonly keys?: Readonly<Record<string, Shape>>;
      /** Shape of the values under any other key; without it other keys are errors. */
      readonly rest?: Shape;
      /** Groups of keys, of each of which one must be there (`one: true`: exactly one). */
      readonly needs?: readonly { readonly oneOf: readonly string[]; readonly exactly?: boolean }[];
    }
  /** The first alternative whose outermost type fits decides. */
  | { readonly type: "either"; readonly of: readonly Shape[] };

export const text = { type: "text" } as const;
export const flag = { type: "flag" } as const;
export const any = { type: "any" } as const;
export const listOf = (of: Shape): Shape => ({ type: "list", of });
export const either = (...of: readonly Shape[]): Shape => ({ type: "either", of });

/**
 * @param path keys that lead to `node`, for messages
 * @param at where to point for what has no place of its own
 * @throws Failure `config.unknown-key`, `config.wrong-type`, `config.value-invalid`, `config.missing-key`
 */
export function checkShape(node: ConfigNode, shape: Shape, path: readonly string[], at = node.origin): void {
  if (shape.type === "any") return;
  if (shape.type === "either") {
    const fitting = shape.of.find((one) => fits(node, one));
    if (fitting === undefined) throw wrongType(node, shape, path, at);
    checkShape(node, fitting, path, at);
    return;
  }
  if (!fits(node, shape)) throw wrongType(node, shape, path, at);
  if (shape.type === "list" && node.type === "list")
    for (const [i, item] of node.items.entries()) checkShape(item, shape.of, [...path, `[${i + 1}]`]);
  if (
    shape.type === "list" &&
    node.type === "list" &&
    node.items.length !== (shape.length ?? node.items.length)
  )
    throw configFailure(
      at,
      `${path.join(":")} has ${node.items.length} values, and must have ${shape.length}`,
      {
        code: "config.value-invalid",
      },
    );
  if (shape.type === "map" && node.type === "map") checkMap(node, shape, path, at);
  if (shape.type === "integer" && node.type === "scalar" && Number(node.value) < shape.least)
    throw configFailure(at, `${path.join(":")} is ${node.value}, and must be ${shape.least} or more`, {
      code: "config.value-invalid",
    });
  if (shape.type === "choice" && node.type === "scalar" && !shape.of.includes(String(node.value)))
    throw configFailure(at, `${path.join(":")} is "${node.value}"`, {
      code: "config.value-invalid",
      hint: `Allowed: ${shape.of.join(", ")}.`,
    });
}

function checkMap(node: MapNode, shape: Shape & { type: "map" }, path: readonly string[], at: Origin): void {
  const known = shape.keys ?? {};
  for (const [key, entry] of node.entries) {
    const child = Object.hasOwn(known, key) ? known[key] : shape.rest;
    if (child === undefined)
      throw configFailure(entry.origin, `${[...path, key].join(":")} is not a key of ${shape.what}`, {
        code: "config.unknown-key",
        hint: `${suggestion(key, Object.keys(known)) ?? ""}Allowed: ${Object.keys(known).join(", ")}.`,
      });
    checkShape(entry.value, child, [...path, key], entry.origin);
  }
  for (const { oneOf, exactly } of shape.needs ?? []) {
    const present = oneOf.filter((key) => node.entries.has(key));
    if (present.length === 0)
      throw configFailure(at, `${path.join(":")}: ${shape.what} needs ${oneOf.join(" or ")}`, {
        code: "config.missing-key",
      });
    if (exactly === true && present.length > 1)
      throw configFailure(at, `${path.join(":")}: ${shape.what} takes only one of ${present.join(" and ")}`, {
        code: "config.value-invalid",
      });
  }
}

function fits(node: ConfigNode, shape: Shape): boolean {
  switch (shape.type) {
    case "any":
      return true;
    case "either":
      return shape.of.some((one) => fits(node, one));
    case "list":
    case "map":
      return node.type === shape.type;
    case "text":
    case "choice":
      return node.type === "scalar" && typeof node.value === "string";
    case "flag":
      return node.type === "scalar" && typeof node.value === "boolean";
    case "integer":
      return node.type === "scalar" && Number.isInteger(node.value);
    case "null":
      return node.type === "scalar" && node.value === null;
  }
}

function wrongType(node: ConfigNode, shape: Shape, path: readonly string[], at: Origin) {
  const found =
    node.type === "scalar" ? scalarName(node.value) : node.type === "list" ? "a list" : "a mapping";
  return configFailure(at, `${path.join(":") || "the file"} is ${found}, and must be ${shapeName(shape)}`, {
    code: "config.wrong-type",
    hint:
      node.type === "scalar" && typeof node.value !== "string" && shapeName(shape).includes("text")
        ? `Put it in quotes to make it text: "${String(plainOf(node))}".`
        : undefined,
  });
}

const scalarName = (value: unknown): string =>
  value === null ? "empty" : typeof value === "string" ? `the text "${value}"` : `${value}`;

function shapeName(shape: Shape): string {
  switch (shape.type) {
    case "any":
      return "anything";
    case "either":
      return shape.of.map(shapeName).join(" or ");
    case "list":
      return `a list${shape.of.type === "any" ? "" : ` (each ${shapeName(shape.of)})`}`;
    case "map":
      return `a mapping${shape.keys === undefined ? "" : ` (${Object.keys(shape.keys).slice(0, 6).join(", ")}${Object.keys(shape.keys).length > 6 ? ", …" : ""})`}`;
    case "text":
      return "a text";
    case "choice":
      return `one of ${shape.of.join(", ")}`;
    case "flag":
      return "true or false";
    case "integer":
      return `a whole number of ${shape.least} or more`;
    case "null":
      return "empty";
  }
}

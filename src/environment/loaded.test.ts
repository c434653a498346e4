import { expect, test } from "vitest";
import { parseLoadCommands, withLoaded } from "./loaded.js";

const commands = [
  "export ACLOCAL_PATH=/s/app-1-h/share/aclocal:/usr/share/aclocal;",
  "export APP_MOTTO='it'\"'\"'s; all $fine';",
  "export CC=/usr/bin/cc;",
  "export PATH=/s/app-1-h/bin:/s/app-1-h/sbin:/home/me/bin;",
  "export SPACK_LOADED_HASHES=h;",
  "unset OLD;",
  "",
].join("\n");

test("what `spack load` prints is read as a shell would", () => {
  expect(Object.fromEntries(parseLoadCommands(commands))).toEqual({
    ACLOCAL_PATH: "/s/app-1-h/share/aclocal:/usr/share/aclocal",
    APP_MOTTO: "it's; all $fine",
    CC: "/usr/bin/cc",
    PATH: "/s/app-1-h/bin:/s/app-1-h/sbin:/home/me/bin",
    SPACK_LOADED_HASHES: "h",
  });
});

test("an image gets what recipes set, where it is in the image, and nothing of the host", () => {
  const locate = (path: string) => (path.startsWith("/s/") ? path.replace("/s/", "/in/image/") : undefined);
  const before = new Map([["PATH", "/in/image/app-1-h/bin:/bin"]]);
  expect(Object.fromEntries(withLoaded(before, parseLoadCommands(commands), locate))).toEqual({
    PATH: "/in/image/app-1-h/sbin:/in/image/app-1-h/bin:/bin",
    ACLOCAL_PATH: "/in/image/app-1-h/share/aclocal",
    APP_MOTTO: "it's; all $fine",
  });
});

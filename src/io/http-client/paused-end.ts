import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";

// undici 7 ends the process with an AssertionError where a server closes the connection behind its answer (all of
// HTTP/1.0 does) while whoever reads the body is slow: its parser is paused then, and must not be when the end comes
// (nodejs/undici#5360; mended in 8, which needs Node 22). So the parser is set going just before it is told.

interface Parser {
  paused: boolean;
  readonly ptr: number;
  readonly llhttp: { llhttp_resume(ptr: number): void };
  /** Lets it take what has arrived; nothing on a socket that is destroyed. */
  resume(): void;
}

const isParser = (value: unknown): value is Parser =>
  typeof value === "object" && value !== null && "paused" in value && "llhttp" in value && "resume" in value;

function parserOf(socket: Socket): Parser | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "parser");
  const parser: unknown = key === undefined ? undefined : Reflect.get(socket, key);
  return isParser(parser) ? parser : undefined;
}

function setGoing(this: Socket): void {
  const parser = parserOf(this);
  // Completes an answer whose length it knows. All that arrived is in memory already.
  if (parser?.paused === true) parser.resume();
  if (parser?.paused !== true) return;
  // For any other the end of the connection is what completes it, or shows that it was cut short.
  parser.llhttp.llhttp_resume(parser.ptr);
  parser.paused = false;
}

subscribe("undici:client:connected", (message) => {
  const socket = typeof message === "object" && message !== null && "socket" in message && message.socket;
  if (!(socket instanceof Socket)) return;
  for (const event of ["end", "error", "close"]) socket.prependListener(event, setGoing);
});

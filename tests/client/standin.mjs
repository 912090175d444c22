// SPDX-License-Identifier: MIT
// Starts the stand-in API for a test, and sets the two variables by which
// the official client finds it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

export async function startStandin(...options) {
  const build = process.env.TWELVEFS_BUILD ??
    fileURLToPath(new URL("../../build", import.meta.url));
  const binary = path.join(build, "tests/standin/twelvefs-standin");
  const child = spawn(binary, ["--die-with-parent", ...options], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = readline.createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    once(child, "error").then(([error]) => { throw error; }),
    once(child, "exit").then(([code]) => {
      throw new Error(`the stand-in ended with ${code}`);
    }),
  ]);
  const ready = JSON.parse(line);
  process.env.TWELVE_LABS_API_KEY = ready.key;
  process.env.TWELVELABS_BASE_URL = ready.api;
  return {
    ...ready,
    async get(name) {
      return (await fetch(`${ready.control}/${name}`)).json();
    },
    async post(name, body) {
      const answer = await fetch(`${ready.control}/${name}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      return answer.json();
    },
    async stop() {
      const ended = once(child, "exit");
      child.stdin.end();
      const [code] = await ended;
      return code;
    },
  };
}

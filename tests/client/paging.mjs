// SPDX-License-Identifier: MIT
// Lists every asset with the official client at its largest page size, one
// page after the other as its own iterator does, and prints one JSON line:
// {"count": …, "seconds": …}. The account is the environment's
// (TWELVE_LABS_API_KEY, TWELVELABS_BASE_URL).
import { TwelveLabs } from "twelvelabs-js";

const client = new TwelveLabs({});
const start = performance.now();
let count = 0;
for await (const _ of await client.assets.list({ pageLimit: 50 })) count++;
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ count, seconds: Number(seconds.toFixed(3)) }));

// SPDX-License-Identifier: MIT
// The official client's writing calls against the stand-in.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TwelveLabs, TwelvelabsApi } from "twelvelabs-js";
import { startStandin } from "./standin.mjs";

const bytes = Buffer.concat([Buffer.from("\0\0\0\x18ftypmp42"),
  Buffer.alloc(34_000, "video")]);
const sum = createHash("sha256").update(bytes).digest("hex");

let standin, client, folder, path;

before(async () => {
  standin = await startStandin("--assets", "20", "--quirk", "chunk_size=1000");
  client = new TwelveLabs({ maxRetries: 0 });
  folder = mkdtempSync(join(tmpdir(), "twelvefs-client-"));
  path = join(folder, "clip.mp4");
  writeFileSync(path, bytes);
});

after(async () => {
  rmSync(folder, { recursive: true });
  assert.equal(await standin.stop(), 0);
});

test("an asset is created, in processing, then ready", async () => {
  const asset = await client.assets.create({
    method: "direct", file: new File([bytes], "clip.mp4"),
    filename: "my clip.mp4", enableHls: true, enableThumbnail: true,
    userMetadata: JSON.stringify({ team: "red", n: 3 }) });
  assert.equal(asset.status, "processing");
  assert.equal(asset.filename, "my clip.mp4");
  assert.deepEqual(asset.userMetadata, { team: "red", n: 3 });
  const [arrived] = await standin.get("uploads");
  assert.equal(arrived.sha256, sum);
  assert.equal(arrived.parts,
    "method,file,filename,enable_hls,enable_thumbnail,user_metadata");
  await standin.post("settle", {});
  const ready = await client.assets.retrieve(asset.id);
  assert.equal(ready.status, "ready");
  assert.equal(ready.size, bytes.length);
  assert.ok(ready.hls.manifestUrl && ready.thumbnail.representativeUrl);
});

test("an asset is created by URL", async () => {
  const asset = await client.assets.create(
    { method: "url", url: "https://example.com/a/film.mp4" });
  assert.equal(asset.method, "url");
  assert.equal(asset.filename, "film.mp4");
});

test("what is refused is a BadRequestError", async () => {
  await assert.rejects(() => client.assets.create({ method: "direct" }),
    TwelvelabsApi.BadRequestError);
});

for (const answer of ["204", "empty", "object"])
  test(`an asset is deleted, answered ${answer}`, async () => {
    await standin.post("quirks", { delete_answer: answer });
    const [one] = await standin.get("ids");
    await client.assets.delete(one);
    assert.ok(!(await standin.get("ids")).includes(one));
  });

test("an asset in use is deleted by force alone", async () => {
  const [one] = await standin.get("ids");
  await standin.post("in_use", { id: one });
  await assert.rejects(() => client.assets.delete(one), (error) => {
    assert.equal(error.statusCode, 409);
    return true;
  });
  await client.assets.delete(one, { force: true });
  assert.ok(!(await standin.get("ids")).includes(one));
});

for (const answer of ["empty", "object"])
  test(`metadata is patched, replaced, cleared, answered ${answer}`,
    async () => {
      await standin.post("quirks", { metadata_answer: answer });
      const [one] = await standin.get("ids");
      const metadata = async () =>
        (await client.assets.retrieve(one)).userMetadata;
      await client.assets.replaceUserMetadata(one,
        { userMetadata: { a: 1, b: "x" } });
      assert.deepEqual(await metadata(), { a: 1, b: "x" });
      await client.assets.updateUserMetadata(one,
        { userMetadata: { b: true, c: 1.5 } });
      assert.deepEqual(await metadata(), { a: 1, b: true, c: 1.5 });
      await client.assets.deleteUserMetadata(one);
      assert.deepEqual(await metadata(), {});
    });

test("a file is uploaded in parts", async () => {
  const result = await client.multipartUpload.uploadFile(path,
    { filename: "parts.mp4", batchSize: 15 });
  const arrived = (await standin.get("uploads")).at(-1);
  assert.equal(arrived.asset_id, result.assetId);
  assert.equal(arrived.sha256, sum);
  assert.ok(result.assetUrl);
  assert.equal((await standin.get("stats")).key_leaks, 0);
});

test("each call about a session", async () => {
  const session = await client.multipartUpload.create(
    { filename: "x.mp4", type: "video", totalSize: 2500 });
  assert.equal(session.totalChunks, 3);
  assert.equal(session.uploadUrls.length, 3);
  assert.ok(session.expiresAt instanceof Date);
  const more = await client.multipartUpload.getAdditionalPresignedUrls(
    session.uploadId, { start: 2, count: 2 });
  assert.deepEqual(more.uploadUrls.map((u) => u.chunkIndex), [2, 3]);
  const piece = bytes.subarray(0, 1000);
  const put = await fetch(session.uploadUrls[0].url, { method: "PUT",
    body: piece, headers: { "Content-Type": "application/octet-stream" } });
  const told = await client.multipartUpload.reportChunkBatch(session.uploadId, {
    completedChunks: [{ chunkIndex: 1, proofType: "etag", chunkSize: 1000,
      proof: put.headers.get("ETag").replaceAll('"', "") }] });
  assert.equal(told.processedChunks, 1);
  const status = await client.multipartUpload.getStatus(session.uploadId);
  assert.deepEqual(status.data.map((c) => c.status),
    ["completed", "pending", "pending"]);
  const open = [];
  for await (const s of await client.multipartUpload.listIncompleteUploads())
    open.push(s.uploadId);
  assert.ok(open.includes(session.uploadId));
});

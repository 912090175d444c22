// SPDX-License-Identifier: MIT
// The official client against the stand-in: what it asks for is what it gets,
// and what goes wrong comes as the error class it has for that.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TwelveLabs, TwelvelabsApi, TwelvelabsApiError } from "twelvelabs-js";
import { startStandin } from "./standin.mjs";

let standin;
let client;
let truth; // ids, newest first

before(async () => {
  standin = await startStandin("--assets", "237", "--seed", "5");
  client = new TwelveLabs({});
  truth = await standin.get("ids");
});

after(async () => {
  assert.equal(await standin.stop(), 0);
});

async function collect(pages) {
  const assets = [];
  for await (const asset of pages) assets.push(asset);
  return assets;
}

test("a page has ten assets by default, newest first", async () => {
  const page = await client.assets.list();
  assert.deepEqual(page.data.map((a) => a.id), truth.slice(0, 10));
  assert.equal(page.response.pageInfo.totalResults, 237);
  assert.equal(page.response.pageInfo.totalPage, 24);
  assert.equal(page.response.pageInfo.limitPerPage, 10);
  assert.equal(page.response.pageInfo.page, 1);
});

test("pages lead to the end, each asset once", async () => {
  const assets = await collect(await client.assets.list({ pageLimit: 50 }));
  assert.deepEqual(assets.map((a) => a.id), truth);
  for (let i = 1; i < assets.length; i++)
    assert.ok(assets[i - 1].createdAt >= assets[i].createdAt);
});

test("a page past the end is empty", async () => {
  const page = await client.assets.list({ page: 99, pageLimit: 50 });
  assert.deepEqual(page.data, []);
  assert.equal(page.response.pageInfo.totalResults, 237);
});

test("assetIds: several, one, none that exists", async () => {
  const wanted = [truth[200], truth[3], truth[77]];
  const several = await client.assets.list({ assetIds: wanted });
  assert.deepEqual(several.data.map((a) => a.id),
    [truth[3], truth[77], truth[200]]);
  const one = await client.assets.list({ assetIds: truth[9] });
  assert.deepEqual(one.data.map((a) => a.id), [truth[9]]);
  const none = await client.assets.list({ assetIds: "f".repeat(24) });
  assert.deepEqual(none.data, []);
});

test("assetTypes: every type, and two together", async () => {
  const of = async (assetTypes) =>
    collect(await client.assets.list({ assetTypes, pageLimit: 50 }));
  const counts = {};
  for (const type of ["video", "image", "audio", "document"]) {
    const assets = await of(type);
    counts[type] = assets.length;
    assert.ok(assets.length > 0);
    for (const asset of assets)
      assert.match(asset.fileType,
        type === "document" ? /^(text\/|application\/pdf)/
                            : new RegExp(`^${type}/`));
  }
  const both = await of(["video", "audio"]);
  assert.equal(both.length, counts.video + counts.audio);
});

test("filename: part of a name, in any case", async () => {
  const all = await collect(await client.assets.list({ pageLimit: 50 }));
  const expected = all.filter((a) => a.filename.toLowerCase().includes("met"))
    .map((a) => a.id);
  const found = await collect(
    await client.assets.list({ filename: "MeT", pageLimit: 50 }));
  assert.deepEqual(found.map((a) => a.id), expected);
  const umlauts = await collect(
    await client.assets.list({ filename: "-MÄRZ", pageLimit: 50 }));
  assert.ok(umlauts.length > 0);
});

test("filters narrow each other", async () => {
  const found = await collect(await client.assets.list(
    { filename: "e", assetTypes: ["image"], assetIds: truth.slice(0, 50) }));
  for (const asset of found) {
    assert.match(asset.fileType, /^image\//);
    assert.ok(truth.slice(0, 50).includes(asset.id));
    assert.match(asset.filename, /e/i);
  }
});

test("retrieve gives the same object as the list", async () => {
  const page = await client.assets.list({ page: 3, pageLimit: 50 });
  for (const listed of page.data.slice(0, 5))
    assert.deepEqual(await client.assets.retrieve(listed.id), listed);
});

test("a wrong key is a 401", async () => {
  const stranger = new TwelveLabs({ apiKey: "tlk_WRONG" });
  await assert.rejects(() => stranger.assets.list(), (error) => {
    assert.ok(error instanceof TwelvelabsApiError);
    assert.equal(error.statusCode, 401);
    assert.equal(error.body.code, "api_key_invalid");
    return true;
  });
});

test("a bad parameter is a BadRequestError", async () => {
  for (const request of [{ pageLimit: 51 }, { pageLimit: 0 }, { page: 0 }])
    await assert.rejects(() => client.assets.list(request), (error) => {
      assert.ok(error instanceof TwelvelabsApi.BadRequestError);
      assert.equal(error.statusCode, 400);
      assert.equal(error.body.code, "parameter_invalid");
      return true;
    });
});

test("an unknown asset is a NotFoundError", async () => {
  await assert.rejects(() => client.assets.retrieve("f".repeat(24)),
    (error) => {
      assert.ok(error instanceof TwelvelabsApi.NotFoundError);
      assert.equal(error.body.code, "resource_not_exist");
      return true;
    });
});

test("the client gets over a 503", async () => {
  await standin.post("faults",
    { kind: "status", status: 503, match: { kind: "list", count: 1 } });
  const page = await client.assets.list({ pageLimit: 1 });
  assert.deepEqual(page.data.map((a) => a.id), [truth[0]]);
  assert.equal((await standin.get("faults"))[0].applied, 1);
});

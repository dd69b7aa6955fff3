// The published JavaScript SDK's batches, unmodified.

import { BatchRequestContent, BatchResponseContent, GraphError } from "@microsoft/microsoft-graph-client";
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOUD, SALES, person, refusal, signedIn, text } from "./server.mjs";

const adele = await signedIn("AdeleV");

const json = (path, body, method = "POST") =>
  new Request(`${CLOUD}${path}`, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

const get = (path) => new Request(`${CLOUD}${path}`);

async function sent(steps) {
  const content = await new BatchRequestContent(steps).getContent();
  return new BatchResponseContent(await adele.api("/$batch").post(content));
}

test("independent reads", async () => {
  const answers = await sent([
    { id: "me", request: get("/me?$select=id") },
    { id: "list", request: get(`/groups/${SALES}/conversations?$top=1`) },
    { id: "count", request: get(`/groups/${SALES}/conversations/$count`) },
    { id: "lost", request: get(`/groups/${SALES}/threads/nonsense`) },
  ]);
  const me = answers.getResponseById("me");
  assert.equal(me.status, 200);
  assert.equal((await me.json()).id, person("AdeleV").id);
  assert.ok(Array.isArray((await answers.getResponseById("list").json()).value));
  assert.equal(typeof (await answers.getResponseById("count").json()), "number");
  const lost = answers.getResponseById("lost");
  assert.equal(lost.status, 400);
  assert.equal((await lost.json()).error.code, "ErrorInvalidIdMalformed");
});

test("one after the other, with bodies and with none", async () => {
  const begun = await adele
    .api(`/groups/${SALES}/conversations`)
    .post({ topic: "In a batch", threads: [{ posts: [text("To begin with.")] }] });
  const thread = `/groups/${SALES}/threads/${begun.threads[0].id}`;
  const answers = await sent([
    { id: "1", request: json(`${thread}/reply`, { post: text("Yes") }) },
    { id: "2", request: json(thread, { topic: "Renamed" }, "PATCH"), dependsOn: ["1"] },
    { id: "3", request: get(`${thread}/posts`), dependsOn: ["2"] },
    { id: "4", request: new Request(`${CLOUD}${thread}`, { method: "DELETE" }), dependsOn: ["3"] },
  ]);
  assert.equal(answers.getResponseById("1").status, 202);
  assert.equal((await answers.getResponseById("2").json()).topic, "Renamed");
  const { value } = await answers.getResponseById("3").json();
  assert.deepEqual(value.map(({ body }) => body.content), ["To begin with.", "Yes"]);
  assert.equal(answers.getResponseById("4").status, 204);
});

test("what depends on a failure is not tried", async () => {
  const answers = await sent([
    { id: "1", request: get(`/groups/${SALES}/threads/nonsense`) },
    { id: "2", request: get("/me"), dependsOn: ["1"] },
    { id: "3", request: get("/me"), dependsOn: ["1"] },
  ]);
  assert.deepEqual(["1", "2", "3"].map((id) => answers.getResponseById(id).status), [400, 424, 424]);
});

test("twenty-one are too many", async () => {
  const requests = Array.from({ length: 21 }, (_, number) => ({ id: `${number}`, method: "GET", url: "/me" }));
  const error = await refusal(adele.api("/$batch").post({ requests }));
  assert.ok(error instanceof GraphError);
  assert.equal(error.statusCode, 400);
});

// The published JavaScript SDK, unmodified, with attachments: its own upload task among them.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { FileUpload, LargeFileUploadTask } from "@microsoft/microsoft-graph-client";
import { SALES, refusal, signedIn, text } from "./server.mjs";

let adele;
before(async () => {
  adele = await signedIn("AdeleV");
});

/** The path of the first post of a new conversation. */
async function post(topic) {
  const made = await adele.api(`/groups/${SALES}/conversations`).post({ topic, threads: [{ posts: [text("A post.")] }] });
  const thread = `/groups/${SALES}/threads/${made.threads[0].id}`;
  const posts = await adele.api(`${thread}/posts`).get();
  return `${thread}/posts/${posts.value[0].id}`;
}

const item = (size) => ({ AttachmentItem: { attachmentType: "file", name: "large.bin", size } });

test("a file is attached, read, and deleted", async () => {
  const path = `${await post("A file")}/attachments`;
  const file = { "@odata.type": "#microsoft.graph.fileAttachment", name: "a.txt", contentBytes: "aGVsbG8=" };
  const made = await adele.api(path).post(file);
  assert.equal(made["@odata.type"], "#microsoft.graph.fileAttachment");
  const one = `${path}/${made.id}`;
  assert.equal((await adele.api(one).get()).contentBytes, "aGVsbG8=");
  const stream = await adele.api(`${one}/$value`).getStream();
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), "hello");
  await adele.api(one).delete();
  const { statusCode, code } = await refusal(adele.api(one).get());
  assert.deepEqual([statusCode, code], [404, "ErrorItemNotFound"]);
});

for (const size of [3 * 1048576, 12_000_001]) {
  test(`a file of ${size} bytes is uploaded by the task`, async () => {
    const path = `${await post(`A file of ${size} bytes`)}/attachments`;
    const content = new Uint8Array(size).map((_, n) => n % 251);
    const session = await LargeFileUploadTask.createUploadSession(adele, `${path}/createUploadSession`, item(size));
    const seen = [];
    const options = { rangeSize: 5 * 1048576, uploadEventHandlers: { progress: (range) => seen.push(range.maxValue) } };
    const file = new FileUpload(content, "large.bin", size);
    const task = new LargeFileUploadTask(adele, file, session, options);
    const result = await task.upload();
    assert.match(result.location, /\/attachments\/[^/]+$/);
    assert.equal(seen.at(-1), size - 1);
    const kept = await adele.api(result.location).get();
    assert.equal(kept.size, size);
    assert.ok(Buffer.from(kept.contentBytes, "base64").equals(Buffer.from(content)));
  });
}

test("an upload is resumed, and one is given up", async () => {
  const size = 4_000_000;
  const path = `${await post("Resumed")}/attachments`;
  const content = new Uint8Array(size).map((_, n) => n % 241);
  const session = await LargeFileUploadTask.createUploadSession(adele, `${path}/createUploadSession`, item(size));
  const head = await fetch(session.url, {
    method: "PUT",
    headers: { "Content-Range": `bytes 0-999999/${size}` },
    body: content.slice(0, 1_000_000),
  });
  assert.equal(head.status, 200);
  const file = new FileUpload(content, "large.bin", size);
  const task = new LargeFileUploadTask(adele, file, session, { rangeSize: 1048576 });
  const result = await task.resume();
  assert.ok(Buffer.from((await adele.api(result.location).get()).contentBytes, "base64").equals(Buffer.from(content)));

  const other = await LargeFileUploadTask.createUploadSession(adele, `${path}/createUploadSession`, item(size));
  const given = new LargeFileUploadTask(adele, file, other, { rangeSize: 1048576 });
  await given.cancel();
  assert.equal((await fetch(other.url)).status, 404);
});

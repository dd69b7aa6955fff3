// Every request of the list in docs/manual/sdk.md, asked by path, and answered as the list says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { CLOUD, SALES, person, signedIn, text } from "./server.mjs";

const page = readFileSync(new URL("../../../docs/manual/sdk.md", import.meta.url), "utf8");
const list = [...page.matchAll(/^\| `[^`]+` \| `(\w+) ([^`]+)` \| (\d+) \|$/gm)].map(([, method, path, status]) => ({
  method,
  path,
  status: Number(status),
}));

const adele = await signedIn("AdeleV");
// Nobody may be on both lists.
const sender = { acceptedSenders: person("LeeG"), rejectedSenders: person("LynneR") };
const reference = (path) => `${CLOUD}/users/${sender[path.split("/")[3]].id}`;
// An endpoint for notifications.
const listener = createServer((request, answer) => {
  request.resume();
  answer.setHeader("Content-Type", "text/plain");
  answer.end(new URL(request.url, "http://localhost").searchParams.get("validationToken") ?? "");
});
await new Promise((listens) => listener.listen(0, "127.0.0.1", listens));
after(async () => {
  for (const { id } of (await adele.api("/subscriptions").get()).value) await adele.api(`/subscriptions/${id}`).delete();
  listener.close();
  listener.closeAllConnections();
});
const inHours = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
let counted = 0;
const bodies = {
  conversations: () => ({ topic: "Another", threads: [{ posts: [text("Hello")] }] }),
  threads: () => ({ topic: "Another", posts: [text("Hello")] }),
  "{conversationThread-id}": () => ({ isLocked: false }),
  reply: () => ({ post: text("Yes") }),
  forward: () => ({ comment: "See below", toRecipients: [{ emailAddress: { address: person("AlexW").mail } }] }),
  attachments: () => ({ "@odata.type": "#microsoft.graph.fileAttachment", name: "a.txt", contentBytes: "YQ==" }),
  createUploadSession: () => ({ AttachmentItem: { attachmentType: "file", name: "large.bin", size: 4_000_000 } }),
  extensions: () => ({
    "@odata.type": "#microsoft.graph.openTypeExtension",
    extensionName: `org.example.js${++counted}`,
    colour: "red",
  }),
  "{extension-id}": () => ({ "@odata.type": "#microsoft.graph.openTypeExtension", colour: "blue" }),
  $ref: (path) => ({ "@odata.id": reference(path) }),
  subscriptions: () => ({
    changeType: "created",
    notificationUrl: `http://127.0.0.1:${listener.address().port}/`,
    resource: `groups/${SALES}/conversations`,
    expirationDateTime: inHours(2),
  }),
  "{subscription-id}": () => ({ expirationDateTime: inHours(48) }),
  validateProperties: () => ({ displayName: "A new group", mailNickname: "a-new-group-js" }),
};

/** The status that a request is answered with. */
async function asked(method, path, url) {
  const body = method === "GET" || method === "DELETE" ? undefined : (bodies[path.split("/").at(-1)]?.(path) ?? {});
  // The SDK reads texts and files only when it is told to; the raw answer has the status.
  const request = adele.api(url).responseType("raw");
  const answer = await { GET: () => request.get(), POST: () => request.post(body), PATCH: () => request.patch(body), DELETE: () => request.delete() }[method]();
  return answer.status;
}

/** A conversation whose newest post answers another. */
async function keys() {
  const group = `/groups/${SALES}`;
  const begun = await adele.api(`${group}/conversations`).post(bodies.conversations());
  const posts = `${group}/threads/${begun.threads[0].id}/posts`;
  const [first] = (await adele.api(posts).get()).value;
  await adele.api(`${posts}/${first.id}/reply`).post(bodies.reply());
  const last = (await adele.api(posts).get()).value.at(-1);
  return {
    "group-id": SALES,
    "conversation-id": begun.id,
    "conversationThread-id": begun.threads[0].id,
    "post-id": last.id,
  };
}

/** The path with ids of what is there, made where it is not. */
async function filled(path, known) {
  const steps = [];
  for (const step of path.split("/")) {
    const key = step.startsWith("{") ? step.slice(1, -1) : undefined;
    if (key === undefined) steps.push(step);
    else if (known[key] !== undefined) steps.push(encodeURIComponent(known[key]));
    else if (key === "directoryObject-id") steps.push(sender[path.split("/")[3]].id);
    else steps.push(encodeURIComponent(await oneOf(steps.join("/"), steps.at(-1))));
  }
  return steps.join("/");
}

async function oneOf(collection, name) {
  try {
    let { value } = await adele.api(collection).get();
    if (value.length === 0) {
      await adele.api(collection).post(bodies[name]());
      ({ value } = await adele.api(collection).get());
    }
    return value[0].id;
  } catch {
    return "unknown";
  }
}

/** Before somebody is put on a list, off it; before somebody is taken off, on it. What is so already is refused. */
async function prepared(method, path) {
  const [, , , name, ...rest] = path.split("/");
  if (rest.at(-1) !== "$ref" || method === "GET") return;
  const on = `/groups/${SALES}/${name}`;
  if (method === "POST") await adele.api(`${on}/${sender[name].id}/$ref`).responseType("raw").delete();
  else await adele.api(`${on}/$ref`).responseType("raw").post(bodies.$ref(path));
}

test("the list is read", () => assert.ok(list.length >= 109, `${list.length}`));

test("every request is answered as the list says", async () => {
  const wrong = [];
  let known = await keys();
  for (const { method, path, status } of list) {
    let url = await filled(path, known);
    await prepared(method, path);
    if (method === "DELETE" && path.endsWith("Senders/$ref")) url += `?@id=${encodeURIComponent(reference(path))}`;
    const got = await asked(method, path, url);
    if (got !== status) wrong.push(`${method} ${path}: ${got}, not ${status}`);
    if (method === "DELETE" && /onversation(Thread)?-id}$/.test(path)) known = await keys();
  }
  assert.deepEqual(wrong, []);
});

// The published JavaScript SDK, unmodified, in conversation.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { PageIterator } from "@microsoft/microsoft-graph-client";
import { SALES, facts, person, refusal, signedIn, text } from "./server.mjs";

let adele, alex;
before(async () => {
  [adele, alex] = await Promise.all([signedIn("AdeleV"), signedIn("AlexW")]);
});

/** Start a conversation: the ids of it and of its thread, and both roads to the thread. */
async function started(topic, content = "To begin with.") {
  const made = await adele
    .api(`/groups/${SALES}/conversations`)
    .post({ topic, threads: [{ posts: [text(content)] }] });
  const [id, thread] = [made.id, made.threads[0].id];
  const conversation = `/groups/${SALES}/conversations/${id}`;
  return { id, thread, conversation, roads: [`/groups/${SALES}/threads/${thread}`, `${conversation}/threads/${thread}`] };
}

const said = async (road) => (await adele.api(`${road}/posts`).get()).value.map(({ body }) => body.content);

test("a conversation is started as the reference shows", async () => {
  const { name, mail: address } = person("AlexW");
  const made = await adele.api(`/groups/${SALES}/conversations`).post({
    topic: "New product launch",
    threads: [
      {
        posts: [
          {
            body: { contentType: "html", content: "<p>Shall we meet on <b>Friday</b>?</p>" },
            newParticipants: [{ emailAddress: { name, address } }],
          },
        ],
      },
    ],
  });
  const here = `${facts.httpsUrl}/v1.0/$metadata#groups('${SALES}')/conversations`;
  assert.equal(made["@odata.context"], `${here}/$entity`);
  assert.deepEqual(Object.keys(made).sort(), ["@odata.context", "id", "threads", "threads@odata.context"]);

  const kept = await adele.api(`/groups/${SALES}/conversations/${made.id}`).get();
  assert.equal(kept.topic, "New product launch");
  assert.equal(kept.preview, "Shall we meet on Friday?");
  assert.deepEqual(kept.uniqueSenders, ["Adele Vance"]);
  assert.match(kept.lastDeliveredDateTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

  const posts = await adele.api(`/groups/${SALES}/threads/${made.threads[0].id}/posts`).get();
  assert.equal(posts["@odata.nextLink"], undefined);
  const [post] = posts.value;
  assert.deepEqual(post.body, { contentType: "html", content: "<p>Shall we meet on <b>Friday</b>?</p>" });
  assert.deepEqual(post.newParticipants, [{ emailAddress: { name, address } }]);
  assert.equal(post.from.emailAddress.address, person("AdeleV").mail);
  assert.equal("inReplyTo" in post, false);
});

test("a thread is replied to by either road, with either spelling of the parameter", async () => {
  const { roads, conversation } = await started("Replies", "A question.");
  assert.equal(await alex.api(`${roads[0]}/reply`).post({ post: text("As documented.") }), "");
  assert.equal(await alex.api(`${roads[1]}/reply`).post({ Post: text("As in the metadata.") }), "");
  for (const road of roads) {
    assert.deepEqual(await said(road), ["A question.", "As documented.", "As in the metadata."]);
  }
  const { uniqueSenders, preview } = await adele.api(conversation).get();
  assert.deepEqual(uniqueSenders, ["Adele Vance", "Alex Wilber"]);
  assert.equal(preview, "As in the metadata.");
});

test("a post is replied to, and says to which", async () => {
  const { roads } = await started("Replies to posts", "First.");
  for (const [number, road] of roads.entries()) {
    const [first] = (await adele.api(`${road}/posts`).get()).value;
    const spelling = number ? "Post" : "post";
    assert.equal(await alex.api(`${road}/posts/${first.id}/reply`).post({ [spelling]: text("To it.") }), "");
    const answer = (await adele.api(`${road}/posts`).expand("inReplyTo").get()).value.at(-1);
    assert.equal(answer.inReplyTo.id, first.id);
    const answered = await adele.api(`${road}/posts/${answer.id}/inReplyTo`).get();
    assert.equal(answered.body.content, "First.");
  }
});

test("a post is forwarded, with either spelling of the parameters", async () => {
  const { roads } = await started("Forwarding");
  const [{ id }] = (await adele.api(`${roads[0]}/posts`).get()).value;
  const to = [{ emailAddress: { address: person("LeeG").mail } }];
  const forward = adele.api(`${roads[0]}/posts/${id}/forward`);
  await forward.post({ comment: "For you.", toRecipients: to });
  await forward.post({ Comment: "For you.", ToRecipients: to });
  assert.equal((await refusal(forward.post({ comment: "To whom?" }))).statusCode, 400);
});

test("a locked thread takes no replies", async () => {
  const { roads } = await started("Locks");
  assert.equal((await adele.api(roads[0]).patch({ isLocked: true })).isLocked, true);
  for (const road of roads) {
    const refused = await refusal(alex.api(`${road}/reply`).post({ post: text("Too late.") }));
    assert.deepEqual([refused.statusCode, refused.code], [403, "ErrorAccessDenied"]);
  }
  assert.equal((await adele.api(roads[1]).patch({ isLocked: false })).isLocked, false);
  await alex.api(`${roads[0]}/reply`).post({ post: text("In time.") });
  assert.deepEqual(await said(roads[0]), ["To begin with.", "In time."]);
});

test("deleting answers nothing, and leaves nothing", async () => {
  const { conversation, roads } = await started("Short-lived");
  const second = await adele.api(`${conversation}/threads`).post({ posts: [text("Another thread.")] });
  assert.equal(await adele.api(roads[0]).delete(), undefined);
  const left = (await adele.api(`${conversation}/threads`).get()).value;
  assert.deepEqual(left.map(({ id }) => id), [second.id]);
  assert.equal(await adele.api(conversation).delete(), undefined);
  const gone = await refusal(adele.api(conversation).get());
  assert.deepEqual([gone.statusCode, gone.code], [404, "ErrorItemNotFound"]);
});

test("query options", async () => {
  const { id, thread } = await started("Asked for: it's this", "The only post.");
  await started("Asked for: another");
  const path = `/groups/${SALES}/conversations`;
  const mine = "startswith(topic,'Asked for')";
  const page = await adele.api(path).filter(mine).orderby("topic").select(["topic", "id"]).top(1).count().get();
  assert.equal(page["@odata.count"], 2);
  assert.deepEqual(page.value.map(({ topic }) => topic), ["Asked for: another"]);
  assert.deepEqual(Object.keys(page.value[0]).sort(), ["id", "topic"]);
  const next = await adele.api(page["@odata.nextLink"]).get();
  assert.deepEqual(next.value, [{ id, topic: "Asked for: it's this" }]);
  assert.equal(next["@odata.nextLink"], undefined);

  const unfolded = await adele.api(`${path}/${id}`).expand("threads($expand=posts($select=body))").get();
  assert.equal(unfolded.threads[0].id, thread);
  assert.equal(unfolded.threads[0].posts[0].body.content, "The only post.");
  const found = await adele.api(path).filter("topic eq 'Asked for: it''s this'").get();
  assert.deepEqual(found.value.map((each) => each.id), [id]);
  assert.equal(await adele.api(`${path}/$count`).filter(mine).get(), "2");
});

test("paging through 250 posts loses none and repeats none", async () => {
  const { roads } = await started("A long thread", "0");
  const numbers = Array.from({ length: 249 }, (_, number) => number + 1);
  const saying = async () => {
    for (let number; (number = numbers.shift()); ) {
      await adele.api(`${roads[0]}/reply`).post({ post: text(String(number)) });
    }
  };
  await Promise.all(Array.from({ length: 8 }, saying));

  for (const size of [undefined, 30]) {
    const request = adele.api(`${roads[1]}/posts`).select("id,body");
    const first = await (size ? request.top(size) : request).get();
    const found = [];
    const pages = new PageIterator(adele, first, (post) => found.push(post) > 0);
    await pages.iterate();
    assert.equal(pages.isComplete(), true);
    assert.equal(new Set(found.map(({ id }) => id)).size, 250);
    const heard = found.map(({ body }) => Number(body.content)).sort((one, other) => one - other);
    assert.deepEqual(heard, Array.from({ length: 250 }, (_, number) => number));
    assert.equal(found.some((post) => "sender" in post), false);
  }
});

test("talk in every script comes back as it was", async () => {
  const words = 'Größe 東京 עברית 👩‍👩‍👧 "quoted" \\ back \t tab\r\nline\u2028 e\u0301';
  const { roads } = await started("Scripts", words);
  assert.deepEqual(await said(roads[0]), [words]);
});

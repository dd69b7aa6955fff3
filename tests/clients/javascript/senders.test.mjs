// The published JavaScript SDK, unmodified, with the lists of senders and what a person sets for a group.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { SALES, person, signedIn } from "./server.mjs";

let adele;
before(async () => {
  adele = await signedIn("AdeleV");
});

test("a rejected sender is added, listed and removed", async () => {
  const { id } = person("PattiF");
  const list = `/groups/${SALES}/rejectedSenders`;
  await adele.api(`${list}/$ref`).post({ "@odata.id": `https://graph.microsoft.com/v1.0/users/${id}` });
  const found = (await adele.api(list).get()).value;
  assert.deepEqual(found.map((each) => [each["@odata.type"], each.id]), [["#microsoft.graph.user", id]]);
  await adele.api(`${list}/${id}/$ref`).delete();
  assert.deepEqual((await adele.api(list).get()).value, []);
});

test("a person makes the group a favourite and resets the unseen count", async () => {
  const group = `/groups/${SALES}`;
  await adele.api(`${group}/addFavorite`).post();
  await adele.api(`${group}/resetUnseenCount`).post();
  const found = await adele.api(group).select(["isFavorite", "unseenCount"]).get();
  assert.deepEqual([found.isFavorite, found.unseenCount], [true, 0]);
  await adele.api(`${group}/removeFavorite`).post();
  assert.equal((await adele.api(group).select("isFavorite").get()).isFavorite, false);
});

// The published JavaScript SDK, unmodified, with the directory, and with what it is refused.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { PublicClientApplication } from "@azure/msal-node";
import { CLOUD, HR, SALES, chosen, client, daemon, facts, forms, person, refusal, signedIn, text } from "./server.mjs";

let adele, alex;
before(async () => {
  [adele, alex] = await Promise.all([signedIn("AdeleV"), signedIn("AlexW")]);
});

/** A refusal is whole as well as the right one. */
function isRefused(error, statusCode, code) {
  assert.deepEqual([error.statusCode, error.code], [statusCode, code]);
  assert.ok(error.message);
  assert.equal(error.requestId, error.headers.get("request-id"));
  assert.ok(Math.abs(Date.now() - error.date) < 86_400_000);
  assert.equal(JSON.parse(error.body).innerError["client-request-id"], error.headers.get("client-request-id"));
}

test("msal-node signs a person in by the browser", async () => {
  const msal = new PublicClientApplication({
    auth: {
      clientId: facts.applications.publicClient.clientId,
      authority: facts.tenant.authority,
      knownAuthorities: [new URL(facts.httpsUrl).host],
    },
  });
  const { id, upn } = person("MeganB");
  const signedInAs = await msal.acquireTokenInteractive({
    scopes: ["User.Read"],
    openBrowser: async (page) => {
      const [form] = forms(await (await chosen(page, id)).text());
      await fetch(form.action, { method: "POST", body: new URLSearchParams(form.fields) });
    },
  });
  assert.equal(signedInAs.account.username, upn);
  const silently = await msal.acquireTokenSilent({ account: signedInAs.account, scopes: ["User.Read"], forceRefresh: true });
  const me = await client({ getAccessToken: () => silently.accessToken }).api("/me").get();
  assert.equal(me.id, id);
});

test("oneself and the groups one is in", async () => {
  const me = await adele.api("/me").select("displayName,userPrincipalName").get();
  assert.equal(me.displayName, "Adele Vance");
  assert.equal(me["@odata.context"], `${facts.httpsUrl}/v1.0/$metadata#users(displayName,userPrincipalName)/$entity`);
  for (const cast of ["", "/microsoft.graph.group", "/graph.group"]) {
    const groups = (await adele.api(`/me/memberOf${cast}`).get()).value;
    assert.ok(groups.some(({ id }) => id === SALES));
    assert.deepEqual(new Set(groups.map((group) => group["@odata.type"])), new Set(["#microsoft.graph.group"]));
  }
});

test("a group is made, changed, and deleted", async () => {
  const [lee, joni] = [person("LeeG"), person("JoniS")];
  const made = await adele.api("/groups").post({
    displayName: "Choir",
    mailNickname: "choir",
    mailEnabled: true,
    securityEnabled: false,
    groupTypes: ["Unified"],
    "members@odata.bind": [`${CLOUD}/users/${lee.id}`],
  });
  const path = `/groups/${made.id}`;
  assert.equal(await adele.api(path).patch({ description: "We sing." }), undefined);
  assert.equal((await adele.api(path).get()).description, "We sing.");

  const members = async () => (await adele.api(`${path}/members/microsoft.graph.user`).get()).value.map(({ id }) => id);
  const add = (reference) => adele.api(`${path}/members/$ref`).post({ "@odata.id": reference });
  assert.deepEqual(await members(), [lee.id]);
  assert.equal(await add(`${facts.httpsUrl}/v1.0/directoryObjects/${joni.id}`), undefined);
  assert.deepEqual((await members()).sort(), [lee.id, joni.id].sort());
  assert.equal(await adele.api(`${path}/members/${lee.id}/$ref`).delete(), undefined);
  const reference = { $id: `${CLOUD}/directoryObjects/${joni.id}` };
  assert.equal(await adele.api(`${path}/members/$ref`).query(reference).delete(), undefined);
  assert.deepEqual(await members(), []);

  assert.equal(await adele.api(path).delete(), undefined);
  isRefused(await refusal(adele.api(path).get()), 404, "Request_ResourceNotFound");
});

test("counting takes the advanced kind of query", async () => {
  const count = `/groups/${SALES}/members/$count`;
  assert.equal(await adele.api(count).header("ConsistencyLevel", "eventual").get(), "6");
  isRefused(await refusal(adele.api(count).get()), 400, "Request_BadRequest");
});

test("without a good token", async () => {
  const stranger = client({ getAccessToken: () => "not.a.token" });
  isRefused(await refusal(stranger.api("/me").get()), 401, "InvalidAuthenticationToken");
});

test("a daemon reads, but starts no conversation", async () => {
  const program = daemon();
  const conversations = program.api(`/groups/${SALES}/conversations`);
  assert.ok(Array.isArray((await conversations.get()).value));
  const body = { topic: "From a machine", threads: [{ posts: [text("Not in the cloud.")] }] };
  isRefused(await refusal(conversations.post(body)), 403, "ErrorAccessDenied");
});

test("a private group is closed to others", async () => {
  isRefused(await refusal(alex.api(`/groups/${HR}/threads`).get()), 403, "ErrorAccessDenied");
  isRefused(await refusal(alex.api("/users").post({ displayName: "Made up" })), 403, "Authorization_RequestDenied");
});

test("what is not there, and ids that are none", async () => {
  const nobody = "00000000-0000-4000-8000-000000000000";
  isRefused(await refusal(adele.api(`/groups/${nobody}`).get()), 404, "Request_ResourceNotFound");
  isRefused(await refusal(adele.api(`/groups/${SALES}/threads/nonsense`).get()), 400, "ErrorInvalidIdMalformed");
  isRefused(await refusal(adele.api(`/groups/${SALES}/nonsense`).get()), 400, "BadRequest");
  isRefused(
    await refusal(adele.api(`/groups/${SALES}/conversations`).filter("topic eq").get()),
    400,
    "ErrorInvalidUrlQueryFilter",
  );
  const unfinished = adele.api(`/groups/${SALES}/conversations`).header("content-type", "application/json");
  isRefused(await refusal(unfinished.post('{"topic": ')), 400, "BadRequest");
});

// Group conversations with the published JavaScript SDK.
//
//   make serve                                                          in another terminal
//   npm install @azure/msal-node @microsoft/microsoft-graph-client
//   export PATH="$PWD/.venv/bin:$PATH" NODE_EXTRA_CA_CERTS="$PWD/folkmoot-data/certificates/ca.pem"
//   node examples/javascript_sdk.mjs
//
// What is said of localhost, the authority and the CA is all that differs from a program that talks to Microsoft 365.

import { execFileSync } from "node:child_process";
import { PublicClientApplication } from "@azure/msal-node";
import { Client } from "@microsoft/microsoft-graph-client";

// Where the server is, and a group to talk in.
const facts = JSON.parse(execFileSync("folkmoot", ["lab", "facts"]));
const group = `/groups/${facts.groups[0].id}`;

const msal = new PublicClientApplication({
  auth: {
    clientId: facts.applications.publicClient.clientId,
    authority: facts.tenant.authority,
    knownAuthorities: [new URL(facts.httpsUrl).host],
  },
});
const { accessToken } = await msal.acquireTokenInteractive({
  scopes: ["https://graph.microsoft.com/.default"],
  openBrowser: async (page) => console.log(`Sign in here: ${page}`),
});

const graph = Client.init({
  baseUrl: facts.httpsUrl,
  customHosts: new Set(["localhost"]),
  authProvider: (done) => done(null, accessToken),
});

const conversation = await graph.api(`${group}/conversations`).post({
  topic: "New product launch",
  threads: [{ posts: [{ body: { contentType: "html", content: "<p>Shall we meet on <b>Friday</b>?</p>" } }] }],
});
const thread = `${group}/threads/${conversation.threads[0].id}`;

await graph.api(`${thread}/reply`).post({ post: { body: { contentType: "text", content: "Friday suits me." } } });

for (const post of (await graph.api(`${thread}/posts`).get()).value) {
  console.log(`${post.sender.emailAddress.name}: ${post.body.content}`);
}

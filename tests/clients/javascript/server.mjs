// The started server, as FOLKMOOT_FACTS (a file with what `folkmoot lab facts` prints) describes it, and clients for it.
// The development CA is trusted by NODE_EXTRA_CA_CERTS, which node reads only when it starts.

import { readFileSync } from "node:fs";
import { AuthorizationCodeCredential, ClientSecretCredential } from "@azure/identity";
import { Client, GraphError } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

export const facts = JSON.parse(readFileSync(process.env.FOLKMOOT_FACTS, "utf8"));
export const SALES = "29981b6a-0e57-42dc-94c9-cd24f5306196";
export const HR = "02bd9fd6-8f93-4758-87c3-1fb73740a315";
export const CLOUD = "https://graph.microsoft.com/v1.0";
export const DEFAULT = "https://graph.microsoft.com/.default";

const aimed = { authorityHost: facts.httpsUrl, disableInstanceDiscovery: true };

export const person = (nick) => facts.people.find(({ upn }) => upn.startsWith(`${nick}@`));

/** The SDK, aimed here. Without customHosts it sends no token to hosts that are not Microsoft's. */
export const client = (authProvider) =>
  Client.initWithMiddleware({ baseUrl: facts.httpsUrl, customHosts: new Set(["localhost"]), authProvider });

/** The SDK with the credential of a person who signed in by the server's own pages. */
export async function signedIn(nick, ...permissions) {
  const redirectUri = "http://localhost:5000/back";
  const clientId = facts.applications.publicClient.clientId;
  const scopes = permissions.length ? permissions : [DEFAULT];
  const page = new URL(`${facts.tenant.authority}/oauth2/v2.0/authorize`);
  page.search = new URLSearchParams({
    client_id: clientId,
    response_type: "code",
    redirect_uri: redirectUri,
    scope: [...scopes, "offline_access"].join(" "),
  });
  const answer = await chosen(page, person(nick).id);
  const code = new URL(answer.headers.get("location")).searchParams.get("code");
  const credential = new AuthorizationCodeCredential(facts.tenant.id, clientId, code, redirectUri, aimed);
  return client(new TokenCredentialAuthenticationProvider(credential, { scopes }));
}

/** The SDK with the credential of a program. */
export function daemon() {
  const { clientId, secret } = facts.applications.daemon;
  const credential = new ClientSecretCredential(facts.tenant.domain, clientId, secret, aimed);
  return client(new TokenCredentialAuthenticationProvider(credential, { scopes: [DEFAULT] }));
}

/** Open a sign-in page and click on a person's name: what the server answers to that. */
export async function chosen(page, oid) {
  const shown = await (await fetch(page)).text();
  const form = forms(shown).find(({ text }) => text.includes(`name="account" value="${oid}"`));
  return fetch(new URL(form.action, page), {
    method: "POST",
    body: new URLSearchParams({ ...form.fields, account: oid }),
    headers: { Origin: facts.httpsUrl },
    redirect: "manual",
  });
}

/** The forms of a page: where each goes and what it carries. */
export function forms(page) {
  return [...page.matchAll(/<form[^>]* action="([^"]*)">(.*?)<\/form>/gs)].map(([, action, text]) => ({
    action: plain(action),
    text,
    fields: Object.fromEntries(
      [...text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name, value]) => [
        name,
        plain(value),
      ]),
    ),
  }));
}

const plain = (text) =>
  text
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");

/** The refusal that a request meets. */
export async function refusal(request) {
  try {
    await request;
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

export const text = (content) => ({ body: { contentType: "text", content } });

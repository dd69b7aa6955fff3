// A certified OpenID provider (oidc-provider) on loopback, with people, clients and resources for the tests.
//
//   node provider.mjs PORT CERTIFICATE KEY
//
// Prints "ready" once it answers. A line on standard input is answered by one: "rotate" signs with a new key and
// publishes it beside the old one, "drop" publishes the signing key alone.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createInterface } from "node:readline";

import { Provider } from "oidc-provider";

const [port, certificate, key] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;
const scopes = "User.Read Group.Read.All Group.ReadWrite.All";

// Whoever signs in as NAME is NAME@example.org; the provider vouches for the address of all but eve.
const profile = (name) => ({
  name: `${name[0].toUpperCase()}${name.slice(1)} of the provider`,
  preferred_username: name,
  email: `${name}@example.org`,
  email_verified: name !== "eve",
});

const newKey = () => ({
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }),
  kid: randomUUID(),
  use: "sig",
  alg: "RS256",
});

const configuration = (keys) => ({
  jwks: { keys },
  cookies: { keys: ["not a secret"] },
  clients: [
    {
      client_id: "moot-web",
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: ["http://127.0.0.1/back"],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
    {
      client_id: "moot-daemon",
      client_secret: "daemon-secret",
      redirect_uris: [],
      response_types: [],
      grant_types: ["client_credentials"],
    },
  ],
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...profile(sub) }) }),
  extraTokenClaims: (_, token) => (token.accountId ? profile(token.accountId) : undefined),
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: scopes,
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: 120,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});

let keys = [newKey()];
let provider = new Provider(issuer, configuration(keys)).callback();

createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) =>
  provider(request, response),
).listen(Number(port), "127.0.0.1", () => console.log("ready"));

createInterface({ input: process.stdin })
  .on("line", (word) => {
    keys = word === "rotate" ? [newKey(), keys[0]] : [keys[0]];
    provider = new Provider(issuer, configuration(keys)).callback();
    console.log(word);
  })
  .on("close", () => process.exit(0));

// An OpenID Connect provider for tests: node provider.mjs <port, or 0 for any>. Its settings come
// as JSON in PROVIDER_SETTINGS: client_id, client_secret, redirect_uri and accounts, where
// accounts maps what is typed on the login page to claims. Any password will do, and nobody is
// asked for consent. It prints "ready <port>" when it listens and ends when its stdin does.
//
// PUT /lies takes JSON: claims that every later ID token has instead of the true ones (null
// leaves one out). Some words are no claims: "alg": "none" leaves out the signature,
// "alg": "HS256" signs with the public key as a secret; "key": "other" signs with a key that
// nobody published.

import { createHmac, createPublicKey, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";

console.info = console.log = console.warn = console.error; // stdout is for "ready"
const { default: Provider } = await import("oidc-provider");

const settings = JSON.parse(process.env.PROVIDER_SETTINGS);
const bySub = Object.fromEntries(Object.values(settings.accounts).map((each) => [each.sub, each]));
const newKey = () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const trueKey = newKey();
const kid = randomUUID(); // each start has a key of its own, as after a rotation
let lies = {};

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (text) => JSON.parse(Buffer.from(text, "base64url"));

const bend = (token) => {
  const { alg = "RS256", key = "true", ...claims } = lies;
  const [header, payload] = token.split(".").map((part, at) => (at < 2 ? decode(part) : part));
  const merged = Object.entries({ ...payload, ...claims }).filter(([, value]) => value !== null);
  const body = `${encode({ ...header, alg })}.${encode(Object.fromEntries(merged))}`;
  if (alg === "none") return `${body}.`;
  if (alg === "HS256") {
    const pem = createPublicKey(trueKey).export({ type: "spki", format: "pem" });
    return `${body}.${createHmac("sha256", pem).update(body).digest("base64url")}`;
  }
  const signer = createSign("RSA-SHA256").update(body);
  return `${body}.${signer.sign(key === "other" ? newKey() : trueKey, "base64url")}`;
};

const makeProvider = (issuer) => {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: settings.client_id,
        client_secret: settings.client_secret,
        redirect_uris: [settings.redirect_uri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
        require_auth_time: true,
      },
    ],
    jwks: { keys: [{ ...trueKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" }] },
    scopes: ["openid", "profile", "email"],
    claims: {
      openid: ["sub", "oid", "directory_id"],
      profile: ["preferred_username", "name"],
      email: ["email"],
      auth_time: null,
    },
    conformIdTokenClaims: false, // what a scope gives is in the ID token, not only at /me
    pkce: { required: () => true },
    cookies: {
      keys: ["only for tests"],
      names: { session: "provider", interaction: "provider_login", resume: "provider_resume" },
    },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `/login/${interaction.uid}` },
    findAccount: (_ctx, sub) =>
      bySub[sub] && { accountId: sub, claims: () => ({ ...bySub[sub] }) },
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        accountId: ctx.oidc.session.accountId,
        clientId: ctx.oidc.client.clientId,
      });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
    renderError: (ctx, out) => {
      ctx.type = "text";
      ctx.body = `${out.error}: ${out.error_description}`;
    },
    ttl: {
      AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600,
      Session: 86400,
    },
  });
  const issue = provider.IdToken.prototype.issue;
  provider.IdToken.prototype.issue = async function (options) {
    const token = await issue.call(this, options);
    return options.use === "idtoken" && Object.keys(lies).length ? bend(token) : token;
  };
  return provider;
};

const read = async (request) => {
  let text = "";
  for await (const part of request) text += part;
  return text;
};

const page = (response, status, message) => {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" });
  response.end(`<!doctype html><html lang="en"><title>Provider</title><h1>Provider</h1>
<p>${message}</p><form method="post">
<label>Account <input name="login" autocomplete="off"></label>
<label>Password <input name="password" type="password"></label>
<input type="hidden" name="ago" value="0"><button>Sign in</button></form></html>`);
};

const login = async (provider, request, response) => {
  if (request.method !== "POST") {
    await provider.interactionDetails(request, response);
    return page(response, 200, "Any password will do.");
  }
  const form = new URLSearchParams(await read(request));
  if (form.get("cancel")) {
    const refusal = { error: "access_denied", error_description: "The login was cancelled" };
    return provider.interactionFinished(request, response, refusal);
  }
  const account = settings.accounts[form.get("login")];
  if (!account) return page(response, 401, "Nobody has this account.");
  const ts = Math.floor(Date.now() / 1000) - Number(form.get("ago") ?? 0);
  const result = { login: { accountId: account.sub, ts } };
  return provider.interactionFinished(request, response, result);
};

const server = createServer();
server.listen(Number(process.argv[2]), "127.0.0.1", () => {
  const { port } = server.address();
  const provider = makeProvider(`http://localhost:${port}`);
  const others = provider.callback();
  server.on("request", async (request, response) => {
    try {
      if (request.url === "/lies" && request.method === "PUT") {
        lies = JSON.parse(await read(request));
        response.writeHead(204).end();
      } else if (request.url.startsWith("/login/")) {
        await login(provider, request, response);
      } else {
        others(request, response);
      }
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(400);
      response.end(String(error));
    }
  });
  process.stdout.write(`ready ${port}\n`);
});

process.on("SIGTERM", () => process.exit(0));
process.stdin.on("end", () => process.exit(0)).resume();

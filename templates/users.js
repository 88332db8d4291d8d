// Users and their tokens.
import { ask, attempt, path, query } from "./api.js";
import { announce, button, byId, facts, h, more, onceAtATime, say, show, table } from "./dom.js";
import { confirm, copy } from "./dialogs.js";
import { bytes, count, time } from "./format.js";
import { complaint, pretty } from "./json.js";

const users = "/v1/admin/users";
const pageSize = 50;
let signal;
let shown;

const link = (user) => `#/users/${encodeURIComponent(user)}`;

function listTable(items) {
  return table("Users", [
    { title: "User", cell: (user) => h("a", { href: link(user.user_id) }, user.user_id), kind: "name", isHead: true },
    { title: "Name", cell: (user) => user.display_name ?? "", kind: "name" },
    { title: "Made", cell: (user) => time(user.created_at), kind: "time" },
  ], items, { empty: "No user is called like this." });
}

async function readList(cursor, before = []) {
  const prefix = byId("users-search").elements.prefix.value;
  const page = await ask("GET", users + query({ prefix, limit: pageSize, cursor }), { signal });
  const items = [...before, ...page.data];
  show(byId("users-table"), listTable(items), more("More users", page.has_more, () =>
    attempt(byId("users-problem"), () => readList(page.next_cursor, items), signal)));
  announce(`${items.length} users shown${page.has_more ? ", there are more" : ""}`);
}

function tokensTable(user, tokens) {
  return table("Tokens issued here", [
    { title: "Token id (jti)", cell: (token) => h("code", {}, token.jti), kind: "name", isHead: true },
    { title: "Issued", cell: (token) => time(token.issued_at), kind: "time" },
    { title: "Expires", cell: (token) => time(token.expires_at), kind: "time" },
    {
      title: "", kind: "tight",
      cell: (token) => button("Revoke", () => revokeOne(user, token), {
        kind: "small quiet-danger", key: `revoke ${token.jti}`, name: `Revoke the token ${token.jti}`,
      }),
    },
  ], tokens, { empty: "No token of this user is known here. Those signed elsewhere are not listed." });
}

export function devicesTable(devices, { withUser = false } = {}) {
  const user = withUser
    ? [{ title: "User", cell: (device) => h("a", { href: link(device.user_id) }, device.user_id), kind: "name" }] : [];
  return table("Devices", [
    { title: "Device", cell: (device) => device.device_id, kind: "name", isHead: true },
    ...user,
    { title: "Name", cell: (device) => device.name ?? "", kind: "name" },
    { title: "Platform", cell: (device) => device.platform ?? "" },
    {
      title: "Online",
      cell: (device) => (device.online
        ? h("span", { class: "badge good" }, "online") : h("span", { class: "badge" }, "offline")),
    },
    { title: "Seen", cell: (device) => (device.last_seen_at ? time(device.last_seen_at) : "never"), kind: "time" },
  ], devices, { empty: withUser ? "No device is online." : "No device is registered." });
}

async function readDetail(user) {
  const answer = await ask("GET", path("v1", "admin", "users", user), { signal });
  const problem = byId("users-problem");
  const act = (request) => () => attempt(problem, request, signal);
  show(byId("user-detail"),
    h("p", {}, h("a", { href: "#/users" }, "All users")),
    h("div", { class: "card" },
      facts([
        ["User id", answer.user.user_id], ["Display name", answer.user.display_name ?? "–"],
        ["Made", time(answer.user.created_at)], ["Records", count(answer.records)],
        ["Values take", bytes(answer.bytes)],
        ["Data", h("a", { href: `#/data/${encodeURIComponent(user)}` }, "Look at the records")],
      ]),
      h("div", { class: "actions" },
        button("Issue token", () => openIssue(user), { key: "issue" }),
        button("Rotate tokens", act(() => rotate(user)), { key: "rotate" }),
        button("Revoke all tokens", act(() => revokeAll(user)), { kind: "quiet-danger", key: "revoke-all" }),
        button("Delete user", act(() => remove(user)), { kind: "quiet-danger", key: "delete" }))),
    h("h2", {}, "Tokens"), tokensTable(user, answer.tokens),
    h("h2", {}, "Devices"), devicesTable(answer.devices));
}

const rotate = (user) => confirm({
  title: `Rotate the tokens of ${user}`,
  text: "Every token the user has stops working, open sockets close, and you get a new one.",
  action: "Rotate",
  act: async () => {
    const issued = await ask("POST", path("v1", "admin", "users", user, "rotate"));
    say("The tokens were rotated");
    showIssued(issued);
  },
});

const revokeAll = (user) => confirm({
  title: `Revoke all tokens of ${user}`,
  text: "Every token the user has stops working and open sockets close. Nothing is deleted.",
  action: "Revoke all",
  act: async () => {
    await ask("POST", path("v1", "admin", "users", user, "revoke"));
    say("All tokens were revoked");
    await refresh();
  },
});

const revokeOne = (user, token) => confirm({
  title: "Revoke one token",
  text: `The token ${token.jti} of ${user} stops working, and its open sockets close.`,
  action: "Revoke",
  act: async () => {
    await ask("POST", "/v1/admin/tokens/revoke", { body: JSON.stringify({ jti: token.jti, exp: expiry(token) }) });
    say("The token was revoked");
    await refresh();
  },
});

const expiry = (token) => Math.floor(Date.parse(token.expires_at) / 1000);

const remove = (user) => confirm({
  title: `Delete ${user}`,
  text: "Revokes every token, deletes the devices, and deletes all records, which clients see at once.",
  action: "Delete the user",
  typed: user,
  act: async () => {
    await ask("DELETE", path("v1", "admin", "users", user));
    say(`${user} was deleted`);
    location.hash = "#/users";
  },
});

/** What is shown now, anew. */
async function refresh() {
  if (signal.aborted) return;
  await (shown === undefined ? readList() : readDetail(shown));
}

// Issuing

function openIssue(user = "") {
  const form = byId("issue-form");
  form.reset();
  form.elements.user_id.value = user;
  checkClaims();
  byId("issue-problem").replaceChildren();
  byId("issue").showModal();
  if (user !== "") form.elements.ttl_seconds.focus();
}

/** Whether the claims are nothing or a JSON object; says so beside the field. */
function checkClaims() {
  const field = byId("issue-form").elements.claims;
  const line = byId("claims-check");
  const text = field.value.trim();
  const fault = text === "" ? undefined : complaint(text) ?? (text.startsWith("{") ? undefined : "not an object");
  field.setAttribute("aria-invalid", String(fault !== undefined));
  line.textContent = fault ?? (text === "" ? "" : "A JSON object");
  line.className = `check-line ${fault === undefined ? "good" : "bad"}`;
  return fault === undefined;
}

async function issue() {
  const fields = byId("issue-form").elements;
  // Put together as text, so that numbers in the claims arrive as they were typed.
  const members = [`"user_id":${JSON.stringify(fields.user_id.value)}`];
  if (fields.display_name.value !== "") members.push(`"display_name":${JSON.stringify(fields.display_name.value)}`);
  if (fields.ttl_seconds.value !== "") members.push(`"ttl_seconds":${Number(fields.ttl_seconds.value)}`);
  if (fields.claims.value.trim() !== "") members.push(`"claims":${fields.claims.value.trim()}`);
  const issued = await ask("POST", users, { body: `{${members.join(",")}}` });
  byId("issue").close();
  showIssued(issued);
}

function showIssued(issued) {
  byId("issued-user").textContent = issued.user.user_id;
  byId("issued-token").value = issued.token;
  byId("issued-copied").textContent = "";
  byId("issued-claims").textContent = claims(issued.token);
  byId("issued").showModal();
}

/** The middle part of a token, decoded. */
function claims(token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return pretty(new TextDecoder().decode(Uint8Array.from(text, (character) => character.charCodeAt(0))));
  } catch {
    return "This token cannot be decoded here.";
  }
}

byId("user-new").addEventListener("click", () => openIssue(shown));
byId("issue-form").elements.claims.addEventListener("input", checkClaims);
byId("issue-form").addEventListener("submit", onceAtATime(async () => {
  if (!checkClaims()) {
    byId("issue-form").elements.claims.focus();
    return;
  }
  await attempt(byId("issue-problem"), issue);
}));
byId("issued-copy").addEventListener("click", async () => {
  const isCopied = await copy(byId("issued-token"));
  byId("issued-copied").textContent = isCopied ? "Copied" : "Press Ctrl+C to copy what is selected";
});
byId("issued").addEventListener("close", () => {
  // It was shown once.
  byId("issued-token").value = "";
  byId("issued-claims").textContent = "";
  attempt(byId("users-problem"), refresh, signal);
});
byId("users-search").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(byId("users-problem"), () => readList(), signal);
});

export function enter([user], current) {
  signal = current;
  shown = user;
  byId("users-title").textContent = user ?? "Users";
  byId("users-list").hidden = user !== undefined;
  byId("user-new").hidden = user !== undefined;
  byId("user-detail").hidden = user === undefined;
  byId("user-detail").replaceChildren();
  attempt(byId("users-problem"), refresh, signal);
}

// One record: its value as it is stored, edited, deleted, brought back.
import { attempt, open, path, Problem, query } from "./api.js";
import { button, byId, facts, h, onceAtATime, say, show } from "./dom.js";
import { confirm } from "./dialogs.js";
import { bytes, count, instant, local, time } from "./format.js";
import { complaint, prettyOrPlain, records } from "./json.js";

const encoder = new TextEncoder();
const rowsMin = 8;
const rowsMax = 26;
/** The record on show: `{owner, collection, key, place, problem, signal}`, and `stored`, if there is any. */
let view;

const target = () => path("v1", "admin", "data", view.owner, view.collection, view.key);
const isLive = (stored) => stored !== undefined && !stored.data.deleted_at;
/** What must still be so when a change is carried out. */
const condition = (stored) => (isLive(stored) ? { "If-Match": `"${stored.data.seq}"` } : { "If-None-Match": "*" });

/** What is stored, `value` as its own text; `undefined` if there never was anything. */
async function read() {
  try {
    return records(await (await open("GET", target(), { signal: view.signal })).text());
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return undefined;
    throw error;
  }
}

export async function enterRecord(given) {
  view = given;
  view.stored = await read();
  draw();
}

function draw(text) {
  const { stored } = view;
  const isEditable = isLive(stored) || stored === undefined || text !== undefined;
  const shown = text ?? (stored ? prettyOrPlain(stored.data.value) : "");
  show(view.place, h("div", { class: "stack" }, status(stored), isEditable ? editor(shown) : null));
}

function status(stored) {
  if (stored === undefined) {
    return h("div", { class: "notice" }, h("strong", {}, "There is no such record"),
      h("p", {}, "It is made when you save a value."));
  }
  const { data } = stored;
  const pairs = [
    ["Change number", count(data.seq)], ["Changed", time(data.updated_at)],
    data.deleted_at ? ["Deleted", time(data.deleted_at)] : ["Size", bytes(encoder.encode(data.value).length)],
  ];
  if (!data.deleted_at) return h("div", { class: "card" }, facts(pairs));
  const isLost = stored.restorable === false;
  return h("div", { class: "card" },
    h("div", {}, h("span", { class: "badge bad" }, "deleted")), facts(pairs),
    h("p", {}, isLost
      ? "Its last value is no longer kept."
      : "Its last value is still kept. Clients see it again as soon as it is brought back."),
    h("div", { class: "actions" },
      isLost ? null : button("Undelete", undelete, { kind: "primary", key: "undelete" }),
      button("Write a new value", async () => draw(""), { key: "rewrite" })));
}

function editor(text) {
  const line = h("p", { class: "check-line", id: "value-check", role: "status" });
  const field = h("textarea", { name: "value", spellcheck: "false", "aria-describedby": "value-check" });
  field.rows = Math.min(Math.max(text.split("\n").length + 1, rowsMin), rowsMax);
  field.value = text;
  const expires = h("input", { type: "datetime-local", step: "1", name: "expires_at" });
  const before = view.stored?.data.expires_at;
  if (before) expires.value = local(before);
  const submit = h("button", { class: "primary", "data-key": "save" }, "Save");
  const check = () => {
    const fault = complaint(field.value);
    field.setAttribute("aria-invalid", String(fault !== undefined));
    line.textContent = fault ?? "Valid JSON";
    line.className = `check-line ${fault === undefined ? "good" : "bad"}`;
    return fault === undefined;
  };
  field.addEventListener("input", check);
  if (text !== "") check();
  const save = onceAtATime(async () => {
    if (!check()) {
      field.focus();
      return;
    }
    // A write without a time would end the one there is; an untouched one goes back to the millisecond.
    const isTouched = expires.value !== (before ? local(before) : "");
    // What was only laid out for reading goes back as it came.
    const value = view.stored && field.value === text ? view.stored.data.value : field.value;
    await write(value, isTouched ? instant(expires.value) : before ?? "");
  });
  return h("form", { class: "card editor", on: { submit: save } },
    h("label", {}, "Value", field), line,
    h("label", {}, "Expires ", h("span", { class: "hint" }, "empty for never"), expires),
    h("div", { class: "actions" }, submit,
      button("Format", async () => {
        field.value = prettyOrPlain(field.value);
        check();
      }, { key: "format" }),
      isLive(view.stored) ? button("Delete", remove, { kind: "quiet-danger", key: "delete" }) : null));
}

/** Saves over what is on show, and nothing else. */
async function write(text, expiresAt, stored = view.stored) {
  const { problem, signal } = view;
  return attempt(problem, async () => {
    try {
      const options = { body: text, headers: condition(stored), signal };
      await open("PUT", target() + query({ expires_at: expiresAt }), options);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error;
      await resolve(text, expiresAt);
      return;
    }
    view.stored = await read();
    draw();
    say("Saved");
  }, signal);
}

/** Someone was faster: both versions, and the operator's choice. */
async function resolve(mine, expiresAt) {
  const theirs = await read();
  const dialog = byId("conflict");
  byId("conflict-mine").textContent = prettyOrPlain(mine);
  byId("conflict-theirs").textContent = isLive(theirs) ? prettyOrPlain(theirs.data.value) : "The record was deleted.";
  byId("conflict-text").textContent = theirs
    ? `It is at change ${theirs.data.seq} now, of ${theirs.data.updated_at}. Nothing of yours was saved.`
    : "Nothing of yours was saved.";
  byId("conflict-problem").replaceChildren();
  byId("conflict-take").onclick = () => {
    view.stored = theirs;
    draw();
    dialog.close();
    say("The stored version is on show");
  };
  byId("conflict-keep").onclick = async () => {
    dialog.close();
    await write(mine, expiresAt, theirs);
  };
  dialog.showModal();
}

const remove = () => confirm({
  title: "Delete this record",
  text: `Clients of ${view.owner} see at once that ${view.key} is gone. `
    + "It can be brought back while its value is kept.",
  action: "Delete",
  act: async () => {
    await open("DELETE", target(), { headers: condition(view.stored) });
    view.stored = await read();
    draw();
    say("Deleted");
  },
});

async function undelete() {
  await attempt(view.problem, async () => {
    let message = "The record is back";
    try {
      await open("POST", `${target()}/undelete`, { signal: view.signal });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error;
      message = "It was written anew meanwhile";
    }
    view.stored = await read();
    draw();
    say(message);
  }, view.signal);
}

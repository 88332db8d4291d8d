// Owners, their collections, the keys of a collection.
import { ask, attempt, open, path, query } from "./api.js";
import { announce, byId, h, more, show, table } from "./dom.js";
import { count, short, time } from "./format.js";
import { records } from "./json.js";
import { recordLink } from "./overview.js";
import { enterRecord } from "./record.js";

const pageSize = 50;
const form = byId("data-search");
const body = byId("data-body");
const problem = byId("data-problem");
let signal;
let names = [];

const guarded = (act) => attempt(problem, act, signal);

function showCrumbs() {
  const parts = [["All owners", "#/data"], ...names.map((name, index) => [
    name, recordLink(...names.slice(0, index + 1)),
  ])];
  byId("crumbs").replaceChildren(h("ol", {}, parts.map(([name, href], index) =>
    h("li", {}, index === parts.length - 1 ? h("span", { "aria-current": "page" }, name) : h("a", { href }, name)))));
}

async function readOwners(cursor, before = []) {
  const prefix = form.elements.prefix.value;
  const page = await ask("GET", `/v1/admin/data${query({ prefix, limit: pageSize, cursor })}`, { signal });
  const owners = [...before, ...page.data];
  show(body, table("Owners", [
    { title: "Owner", cell: ({ user_id: id }) => h("a", { href: recordLink(id) }, id), kind: "name", isHead: true },
    { title: "Changes", cell: (owner) => count(owner.seq), kind: "number" },
    { title: "Last change", cell: (owner) => time(owner.last_change_at), kind: "time" },
  ], owners, { empty: "Nobody has any data here." }), more("More owners", page.has_more, () =>
    guarded(() => readOwners(page.next_cursor, owners))));
  announce(`${owners.length} owners shown`);
}

async function readCollections(owner) {
  const { data } = await ask("GET", path("v1", "admin", "data", owner), { signal });
  show(body, table(`Collections of ${owner}`, [
    {
      title: "Collection", kind: "name", isHead: true,
      cell: ({ collection }) => h("a", { href: recordLink(owner, collection) }, collection),
    },
    { title: "Live records", cell: (collection) => count(collection.count), kind: "number" },
  ], data, { empty: "This owner has no live records." }));
  announce(`${data.length} collections shown`);
}

async function readKeys(owner, collection, cursor, before = []) {
  const { prefix, deleted } = form.elements;
  const target = path("v1", "admin", "data", owner, collection)
    + query({ prefix: prefix.value, deleted: deleted.checked ? "true" : "", limit: pageSize, cursor });
  const page = records(await (await open("GET", target, { signal })).text());
  const found = [...before, ...page.data];
  show(body, table(`Records in ${collection}`, [
    {
      title: "Key", kind: "name", isHead: true,
      cell: (record) => h("a", { href: recordLink(owner, collection, record.key) }, record.key),
    },
    {
      title: "Value", kind: "value",
      cell: (record) => (record.deleted_at
        ? h("span", { class: "badge bad" }, "deleted") : short(record.value)),
    },
    { title: "Changed", cell: (record) => time(record.updated_at), kind: "time" },
    { title: "Seq", cell: (record) => count(record.seq), kind: "number" },
  ], found, { empty: "No record is called like this." }), more("More records", page.has_more, () =>
    guarded(() => readKeys(owner, collection, page.next_cursor, found))));
  announce(`${found.length} records shown${page.has_more ? ", there are more" : ""}`);
}

function read() {
  const [owner, collection, key] = names;
  if (owner === undefined) return readOwners();
  if (collection === undefined) return readCollections(owner);
  if (key === undefined) return readKeys(owner, collection);
  return enterRecord({ owner, collection, key, place: body, problem, signal });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(read);
});
form.elements.deleted.addEventListener("change", () => guarded(read));

byId("record-new").addEventListener("click", () => {
  const fields = byId("new-record-form").elements;
  [fields.owner.value, fields.collection.value] = [names[0] ?? "", names[1] ?? ""];
  fields.key.value = "";
  byId("new-record").showModal();
  const first = [fields.owner, fields.collection, fields.key].find((field) => field.value === "");
  first.focus();
});
byId("new-record-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { owner, collection, key } = event.target.elements;
  byId("new-record").close();
  location.hash = recordLink(owner.value, collection.value, key.value);
});

export function enter(place, current) {
  const level = place.length;
  if (level !== names.length) form.elements.prefix.value = "";
  names = place.slice(0, 3);
  signal = current;
  byId("data-title").textContent = names.at(-1) ?? "Data";
  form.hidden = level === 1 || level >= 3;
  byId("data-deleted-label").hidden = level !== 2;
  byId("data-search-label").textContent = level === 0 ? "Owners that start with" : "Keys that start with";
  body.replaceChildren();
  problem.replaceChildren();
  showCrumbs();
  guarded(read);
}

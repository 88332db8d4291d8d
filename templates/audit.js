// Who did what.
import { ask, attempt, query } from "./api.js";
import { announce, byId, h, more, show, table } from "./dom.js";
import { instant, short, time } from "./format.js";
import { outcomeBadge } from "./overview.js";

const pageSize = 100;
const form = byId("audit-search");
let signal;

function filter() {
  const { since, until, actor, action, target } = form.elements;
  return {
    since: instant(since.value), until: instant(until.value), actor: actor.value, action: action.value,
    target: target.value,
  };
}

async function read(chosen, cursor, before = []) {
  const page = await ask("GET", `/v1/admin/audit${query({ ...chosen, limit: pageSize, cursor })}`, { signal });
  const entries = [...before, ...page.data];
  show(byId("audit-table"), table("Audit log", [
    { title: "At", cell: (entry) => time(entry.at), kind: "time" },
    { title: "Actor", cell: (entry) => short(entry.actor ?? ""), kind: "name" },
    { title: "Action", cell: (entry) => h("code", {}, entry.action) },
    { title: "Target", cell: (entry) => short(entry.target ?? ""), kind: "name" },
    { title: "Outcome", cell: (entry) => outcomeBadge(entry.outcome) },
    {
      title: "From",
      cell: (entry) => h("span", { class: "mono" }, entry.ip ?? "", h("br"), entry.request_id ?? ""),
    },
    { title: "Detail", cell: (entry) => short(entry.detail ?? ""), kind: "name" },
  ], entries, { empty: "Nothing of the kind was noted." }), more("Older entries", page.has_more, () =>
    attempt(byId("audit-problem"), () => read(chosen, page.next_cursor, entries), signal)));
  announce(`${entries.length} entries shown${page.has_more ? ", there are older ones" : ""}`);
}

const search = () => attempt(byId("audit-problem"), () => read(filter()), signal);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
// The fields are empty only after this event.
form.addEventListener("reset", () => setTimeout(search));

export function enter(names, current) {
  signal = current;
  search();
}

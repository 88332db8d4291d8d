// What the server goes by.
import { ask, attempt } from "./api.js";
import { byId, h, show, table } from "./dom.js";

const sources = { default: "default", environment: "environment", file: ".env file", flag: "flag" };

function value(setting) {
  if (setting.secret) {
    return setting.set
      ? h("span", { class: "badge good" }, "set, not shown") : h("span", { class: "badge warn" }, "not set");
  }
  return setting.value === null || setting.value === ""
    ? h("span", { class: "hint" }, "empty") : h("span", { class: "mono" }, String(setting.value));
}

export function enter(names, signal) {
  attempt(byId("settings-problem"), async () => {
    const { data } = await ask("GET", "/v1/admin/settings", { signal });
    show(byId("settings-table"), table("Settings", [
      { title: "Setting", cell: (setting) => h("code", {}, setting.name), kind: "name", isHead: true },
      { title: "Value", cell: value, kind: "name" },
      {
        title: "From",
        cell: ({ source }) => h("span", { class: source === "default" ? "hint" : "badge" }, sources[source] ?? source),
      },
    ], data));
  }, signal);
}

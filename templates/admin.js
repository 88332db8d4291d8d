// Which section is shown, by the address's hash: #/users/alex, every name escaped.
import { byId } from "./dom.js";
import * as audit from "./audit.js";
import * as connections from "./connections.js";
import * as data from "./data.js";
import * as devices from "./devices.js";
import * as exports from "./exports.js";
import * as live from "./live.js";
import * as overview from "./overview.js";
import * as settings from "./settings.js";
import * as users from "./users.js";

const sections = { overview, users, data, live, connections, devices, audit, exports, settings };
let current = { name: undefined, abort: new AbortController() };

/** The section's name and the names behind it. */
function place() {
  const names = location.hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return Object.hasOwn(sections, names[0]) ? names : ["overview"];
}

function enter(isFirst) {
  const [name, ...names] = place();
  const isOther = name !== current.name;
  current.abort.abort();
  current = { name, abort: new AbortController() };
  for (const id of Object.keys(sections)) byId(id).hidden = id !== name;
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  openMenu(false);
  const title = document.querySelector(`#nav a[aria-current]`)?.textContent ?? "";
  document.title = `${title} · Apus · ${location.host}`;
  sections[name].enter(names, current.abort.signal);
  if (isFirst) return;
  if (isOther) scrollTo(0, 0);
  byId(`${name}-title`).focus({ preventScroll: true });
}

function openMenu(isOpen) {
  byId("nav").classList.toggle("open", isOpen);
  byId("menu").setAttribute("aria-expanded", String(isOpen));
}

addEventListener("hashchange", () => {
  if (location.hash === "" || location.hash.startsWith("#/")) enter(false);
});
byId("menu").addEventListener("click", () => openMenu(byId("menu").getAttribute("aria-expanded") !== "true"));
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

const theme = byId("theme");
theme.value = document.documentElement.dataset.theme ?? "";
theme.addEventListener("change", () => {
  if (theme.value === "") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem("apus-theme", theme.value);
  } catch {
    // It then lasts as long as the page.
  }
});

byId("host").textContent = location.host;
enter(true);

// Building the page. Whatever comes from the server becomes text here, never markup.

export const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element; strings among its children become text. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** What a screen reader is told. */
export function announce(text) {
  const place = byId("announcer");
  // The same words twice would be heard once.
  place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}

let toastTimer;

/** What everybody is told for some seconds. */
export function say(text) {
  announce(text);
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, 4000);
}

/** A button; `key` lets it keep the focus when what is around it is drawn anew. */
export function button(label, act, { kind = "", key, name } = {}) {
  return h("button", {
    type: "button", class: kind, "data-key": key, "aria-label": name, on: { click: onceAtATime(act) },
  }, label);
}

/** `act`, but not again before it is done. What is pressed is not disabled meanwhile, which would take its focus. */
export function onceAtATime(act) {
  let isBusy = false;
  return async (event) => {
    event?.preventDefault();
    if (isBusy) return;
    isBusy = true;
    try {
      await act();
    } finally {
      isBusy = false;
    }
  };
}

/** Shows `children` in `place` instead of what was there; the focus stays on what has the same `data-key`. */
export function show(place, ...children) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...children.flat().filter(Boolean));
  if (key !== undefined) refocus(place, key);
}

/** Gives the focus to what has this `data-key` now, or else to the heading of the section. */
export function refocus(place, key) {
  const next = [...place.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key);
  (next ?? document.querySelector("section:not([hidden]) h1"))?.focus({ preventScroll: true });
}

/**
 * A table: `columns` are `{title, cell, kind, isHead}`, where `cell` makes a cell's content of a row. Roles are spelled
 * out because on a phone its parts are no longer laid out as a table.
 */
export function table(name, columns, rows, { empty = "Nothing here.", attributes = () => ({}), plain = false } = {}) {
  if (rows.length === 0) return h("div", { class: "scroll" }, h("p", { class: "empty" }, empty));
  const head = columns.map(({ title, kind }) =>
    h("th", { scope: "col", role: "columnheader", class: kind },
      title === "" ? h("span", { class: "sr" }, "Actions") : title));
  const body = rows.map((row) =>
    h("tr", { role: "row", ...attributes(row) }, columns.map(({ title, cell, kind, isHead }) => {
      const content = cell(row);
      return h(isHead ? "th" : "td", {
        role: isHead ? "rowheader" : "cell", scope: isHead ? "row" : null, class: kind, "data-label": title || null,
      }, content);
    })));
  return h("div", { class: "scroll", role: "region", "aria-label": `Table: ${name}`, tabindex: "0" },
    h("table", { class: plain ? null : "rows", role: "table" },
      h("caption", { class: "sr" }, name),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, body)));
}

/** A description list of `[name, content]`. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([name, content]) => [h("dt", {}, name), h("dd", {}, content)]));
}

/** A button for the next page, or nothing. */
export function more(label, isMore, act) {
  return isMore ? h("div", { class: "more" }, button(label, act, { key: "more" })) : null;
}

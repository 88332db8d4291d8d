// The page's dialogs. Closing one gives the focus back to where it was, which browsers see to.
import { byId, onceAtATime, refocus } from "./dom.js";
import { attempt } from "./api.js";

for (const element of document.querySelectorAll("[data-close]")) {
  element.addEventListener("click", () => element.closest("dialog").close());
}

/**
 * Asks before `act` is done, and shows what it throws without closing. Resolves to whether it was done.
 *
 * @param typed a word that must be typed first, for what cannot be taken back
 */
export function confirm({ title, text, action, typed, act }) {
  const dialog = byId("confirm");
  const form = byId("confirm-form");
  const submit = byId("confirm-action");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  submit.textContent = action;
  byId("confirm-typed").hidden = typed === undefined;
  byId("confirm-word").textContent = typed ?? "";
  byId("confirm-problem").replaceChildren();
  form.reset();
  const opener = document.activeElement.dataset.key;
  const check = () => { submit.disabled = typed !== undefined && form.elements.typed.value !== typed; };
  check();
  return new Promise((resolve) => {
    let isDone = false;
    form.oninput = check;
    form.onsubmit = onceAtATime(async () => {
      if (submit.disabled) return;
      isDone = await attempt(byId("confirm-problem"), act);
      if (isDone) dialog.close();
    });
    dialog.onclose = () => {
      // What opened it may have been drawn anew meanwhile.
      const focused = document.activeElement;
      if (focused === document.body || dialog.contains(focused)) refocus(document.body, opener);
      resolve(isDone);
    };
    dialog.showModal();
  });
}

/** Copies text; where the browser does not let us, it selects it. Whether it was copied. */
export async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.focus();
    field.select();
    // Pages that came without TLS have no other way.
    return document.execCommand("copy");
  }
}

// Exports are plain downloads, so that the browser writes them to the disk as they come and shows how far it is.
import { attempt, open, query } from "./api.js";
import { byId, button, h, say } from "./dom.js";
import { bytes, instant } from "./format.js";

function address(form) {
  const parameters = {};
  for (const field of form.elements) {
    if (field.name === "" || (field.type === "checkbox" && !field.checked)) continue;
    parameters[field.name] = field.type === "datetime-local" ? instant(field.value) : field.value;
  }
  return form.dataset.export + query(parameters);
}

/** Writes an export to a file as it comes, and counts; only some browsers let a page do that. */
async function save(target, name, status) {
  const file = await window.showSaveFilePicker({ suggestedName: name });
  const answer = await open("GET", target);
  let received = 0;
  let shownAt = 0;
  const counting = new TransformStream({
    transform(chunk, controller) {
      received += chunk.byteLength;
      if (performance.now() - shownAt > 250) {
        shownAt = performance.now();
        status.textContent = `${bytes(received)} so far`;
      }
      controller.enqueue(chunk);
    },
  });
  await answer.body.pipeThrough(counting).pipeTo(await file.createWritable());
  status.textContent = `${bytes(received)} saved`;
  say(`${name} was saved`);
}

for (const form of document.querySelectorAll("form[data-export]")) {
  const name = form.dataset.export.split("/").at(-1);
  const status = h("span", { class: "hint", role: "status" });
  const link = h("a", { class: "button primary", download: name, href: address(form) }, `Download ${name}`);
  const update = () => { link.href = address(form); };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    link.click();
  });
  form.querySelector(".actions").append(link);
  if (window.showSaveFilePicker) {
    form.querySelector(".actions").append(
      button("Save as…", () => attempt(byId("exports-problem"), () => save(address(form), name, status))));
  }
  form.querySelector(".actions").append(status);
}

export function enter() {
  byId("exports-problem").replaceChildren();
}

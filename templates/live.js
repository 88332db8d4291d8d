// The changes as they are committed.
import { open, pause, problemBox, query } from "./api.js";
import { announce, byId, h, show, table } from "./dom.js";
import { clockTime, count, short } from "./format.js";
import { records } from "./json.js";
import { changeBadge, recordLink } from "./overview.js";

const rowsMax = 500;
const retrySecondsMax = 30;
const form = byId("live-filter");
let rows = [];
let arrived = 0;
let dropped = 0;
let isPaused = false;
let isDrawingDue = false;
let isConnected = false;
let signal;
let stream = new AbortController();

const columns = [
  { title: "At", cell: (row) => clockTime(row.at), kind: "time" },
  { title: "What", cell: (row) => changeBadge(row.type) },
  { title: "User", cell: ({ data }) => short(data.user_id), kind: "name" },
  {
    title: "Record", kind: "name",
    cell: ({ data }) => h("a", {
      href: recordLink(data.user_id, data.collection, data.key),
      "data-key": `${data.user_id} ${data.seq}`,
    }, short(`${data.collection} / ${data.key}`)),
  },
  { title: "Value", cell: ({ data }) => short(data.value ?? "", 120), kind: "value" },
  { title: "Seq", cell: (row) => count(row.seq), kind: "number" },
];

function status() {
  const parts = [isPaused ? "Paused" : isConnected ? "Listening" : "Connecting…", `${count(arrived)} changes`];
  if (dropped > 0) parts.push(`${count(dropped)} dropped: too many at once`);
  byId("live-count").textContent = parts.join(" · ");
}

function draw() {
  isDrawingDue = false;
  status();
  if (isPaused) return;
  show(byId("live-table"), table("Changes, the newest first", columns, rows, {
    empty: "No change yet. What is written from now on appears here.",
    attributes: (row) => {
      if (row.wasShown) return {};
      row.wasShown = true;
      return { class: "fresh" };
    },
  }));
}

/** However many changes come, the page is drawn a few times a second. */
function drawSoon() {
  if (isDrawingDue) return;
  isDrawingDue = true;
  setTimeout(draw, 200);
}

function take(type, text) {
  if (type === "dropped") {
    dropped += JSON.parse(text).count;
  } else if (type === "data.updated" || type === "data.deleted") {
    arrived += 1;
    rows.unshift({ ...records(text), at: new Date().toISOString() });
    rows.length = Math.min(rows.length, rowsMax);
  } else {
    return;
  }
  drawSoon();
}

/** Server-Sent Events, cut from text that comes in pieces. */
class Events {
  constructor() {
    this.rest = "";
    this.type = "";
    this.data = [];
  }

  add(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length > 0) take(this.type || "message", this.data.join("\n"));
      this.type = "";
      this.data = [];
      return;
    }
    const [, field, content] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "event") this.type = content;
    if (field === "data") this.data.push(content);
  }
}

async function listen(target, current) {
  const answer = await open("GET", target, { signal: current, headers: { Accept: "text/event-stream" } });
  isConnected = true;
  announce("Listening to changes");
  status();
  byId("live-problem").replaceChildren();
  const events = new Events();
  for await (const text of chunks(answer.body.pipeThrough(new TextDecoderStream()))) events.add(text);
}

/** What a stream gives; not every browser can iterate one. */
async function* chunks(source) {
  const reader = source.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Listens until the section is left or the filter changes; a connection that ends is opened again. */
async function follow(current) {
  const target = `/v1/admin/changes${query(Object.fromEntries(new FormData(form)))}`;
  for (let failures = 0; !current.aborted; failures += 1) {
    try {
      await listen(target, current);
      failures = 0;
    } catch (error) {
      if (current.aborted) return;
      byId("live-problem").replaceChildren(problemBox(error));
    }
    isConnected = false;
    status();
    await pause(Math.min(2 ** failures, retrySecondsMax), current).catch(() => {});
  }
}

function start() {
  stream.abort();
  stream = new AbortController();
  signal.addEventListener("abort", () => stream.abort(), { once: true });
  isConnected = false;
  draw();
  follow(stream.signal);
}

function clear() {
  rows = [];
  arrived = 0;
  dropped = 0;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clear();
  start();
});
byId("live-pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("live-pause").setAttribute("aria-pressed", String(isPaused));
  draw();
});
byId("live-clear").addEventListener("click", () => {
  clear();
  if (isPaused) byId("live-pause").click();
  else draw();
});

export function enter(names, current) {
  signal = current;
  start();
}

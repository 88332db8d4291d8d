// Lines over the last hour, as inline SVG; its geometry is attributes, so no style needs to be allowed.
import { h, svg, table } from "./dom.js";
import { clockTime } from "./format.js";

const spanMilliseconds = 60 * 60 * 1000;
const height = 132;
const inset = { top: 8, right: 2, bottom: 20, left: 46 };

/** The next round number: 1, 2 or 5 times a power of ten, or of 1024 for sizes. */
function roundUp(number, isBytes) {
  if (!(number > 0)) return isBytes ? 1024 : 1;
  const unit = isBytes ? 1024 ** Math.floor(Math.log2(number) / 10) : 1;
  const scale = 10 ** Math.floor(Math.log10(number / unit));
  const factor = [1, 2, 2.5, 5, 10].find((step) => step * scale * unit >= number * 1.0001) ?? 10;
  return factor * scale * unit;
}

/**
 * A chart of one or two series.
 *
 * @param series `{name, pick}`: what a line is called, and its number in a sample
 */
export class Chart {
  constructor({ title, series, format, isBytes = false }) {
    Object.assign(this, { title, series, format, isBytes, samples: [], step: 5 });
    this.reading = h("p", { class: "reading" });
    this.picture = svg("svg", { role: "img", "aria-label": title });
    this.details = h("details", { on: { toggle: () => this.fillTable() } }, h("summary", {}, "As a table"));
    this.tablePlace = h("div");
    this.details.append(this.tablePlace);
    this.element = h("article", { class: "chart" }, h("h3", {}, title), this.reading, this.picture, this.details);
    this.picture.addEventListener("pointermove", (event) => this.point(event));
    this.picture.addEventListener("pointerleave", () => {
      this.pointed = undefined;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(this.picture);
  }

  update(samples, step, now) {
    Object.assign(this, { samples, step, now });
    this.draw();
    if (this.details.open) this.fillTable();
  }

  x(sample) {
    return inset.left + (1 - (this.now - sample.time) / spanMilliseconds) * (this.width - inset.left - inset.right);
  }

  y(number) { return inset.top + (1 - number / this.top) * (height - inset.top - inset.bottom); }

  /** One path for each run of samples; where the server was not running the line is broken. */
  path(pick, isArea) {
    const parts = [];
    let run = [];
    const end = () => {
      if (run.length === 0) return;
      const points = run.map((sample) => `${this.x(sample).toFixed(1)},${this.y(pick(sample)).toFixed(1)}`);
      const base = this.y(0);
      parts.push(isArea
        ? `M${this.x(run[0]).toFixed(1)},${base}L${points.join("L")}L${this.x(run.at(-1)).toFixed(1)},${base}Z`
        : `M${points.join("L")}${run.length === 1 ? "h1" : ""}`);
      run = [];
    };
    for (const sample of this.samples) {
      if (!Number.isFinite(pick(sample))) {
        end();
        continue;
      }
      if (run.length > 0 && sample.time - run.at(-1).time > this.step * 3000) end();
      run.push(sample);
    }
    end();
    return parts.join("");
  }

  draw() {
    this.width = this.picture.clientWidth;
    if (this.width === 0) return;
    const numbers = this.series.flatMap(({ pick }) => this.samples.map(pick)).filter(Number.isFinite);
    this.top = roundUp(Math.max(...numbers, 0), this.isBytes);
    const right = this.width - inset.right;
    const parts = [];
    for (const share of [0, .5, 1]) {
      const y = this.y(this.top * share);
      parts.push(
        svg("line", { class: share === 0 ? "base" : "grid", x1: inset.left, x2: right, y1: y, y2: y }),
        svg("text", { x: inset.left - 6, y: y + 4, "text-anchor": "end" }, this.format(this.top * share)));
    }
    for (const [minutes, anchor, share] of [[60, "start", 0], [30, "middle", .5], [0, "end", 1]]) {
      parts.push(svg("text", {
        x: inset.left + share * (right - inset.left), y: height - 4, "text-anchor": anchor,
      }, minutes === 0 ? "now" : `−${minutes} min`));
    }
    this.series.forEach(({ pick }, index) => {
      if (index === 0) parts.push(svg("path", { class: "area", d: this.path(pick, true) }));
      parts.push(svg("path", { class: index === 0 ? "stroke" : "stroke second", d: this.path(pick, false) }));
    });
    if (this.pointed) {
      const x = this.x(this.pointed);
      parts.push(svg("line", { class: "mark", x1: x, x2: x, y1: inset.top, y2: height - inset.bottom }));
    }
    this.picture.replaceChildren(...parts);
    this.read(numbers);
  }

  read(numbers) {
    const sample = this.pointed ?? this.samples.at(-1);
    const several = this.series.length > 1;
    const now = this.series.map(({ name, pick }, index) => {
      const text = sample ? this.format(pick(sample)) : "–";
      return several
        ? h("span", {}, text, " ", h("small", { class: index === 0 ? "key" : "key second" }, name))
        : h("span", {}, text);
    });
    const at = this.pointed ? h("small", {}, `at ${clockTime(this.pointed.at)}`) : null;
    this.reading.replaceChildren(...now, ...(at ? [at] : []));
    const range = numbers.length === 0
      ? "no samples yet"
      : `least ${this.format(Math.min(...numbers))}, most ${this.format(Math.max(...numbers))}`;
    const last = this.samples.at(-1);
    const latest = last
      ? this.series.map(({ name, pick }) => `${several ? `${name} ` : ""}${this.format(pick(last))}`).join(", ")
      : "unknown";
    this.picture.setAttribute("aria-label", `${this.title} over 60 minutes: now ${latest}; ${range}`);
  }

  point(event) {
    const x = event.clientX - this.picture.getBoundingClientRect().left;
    let best;
    for (const sample of this.samples) {
      if (!best || Math.abs(this.x(sample) - x) < Math.abs(this.x(best) - x)) best = sample;
    }
    this.pointed = best;
    this.draw();
  }

  /** The same numbers, one row a minute. */
  fillTable() {
    if (!this.details.open) return;
    const rows = [];
    let minute;
    for (const sample of this.samples.toReversed()) {
      const next = Math.floor(sample.time / 60_000);
      if (next !== minute) rows.push(sample);
      minute = next;
    }
    const columns = [
      { title: "Time", cell: (sample) => clockTime(sample.at), kind: "time" },
      ...this.series.map(({ name, pick }) => ({
        title: name, cell: (sample) => this.format(pick(sample)), kind: "number",
      })),
    ];
    const scrolled = this.tablePlace.firstElementChild?.scrollTop ?? 0;
    this.tablePlace.replaceChildren(table(`${this.title}, a row a minute`, columns, rows, { plain: true }));
    this.tablePlace.firstElementChild.scrollTop = scrolled;
  }
}

// Numbers and times as people read them.
import { h } from "./dom.js";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const finest = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const count = (number) => (Number.isFinite(number) ? whole.format(number) : "–");

/** A measured number: as many digits as say something. */
export function measure(number) {
  if (!Number.isFinite(number)) return "–";
  if (number === 0) return "0";
  const size = Math.abs(number);
  return size < 1 ? finest.format(number) : size < 100 ? fine.format(number) : whole.format(number);
}

export function bytes(number) {
  if (!Number.isFinite(number)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (Math.abs(number) >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(number) : measure(number)} ${units[unit]}`;
}

export const clockTime = (text) => clock.format(new Date(text));

/** A moment in the reader's own time zone; the exact text is its title. */
export function time(text) {
  if (!text) return "–";
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const isToday = date.toDateString() === new Date().toDateString();
  return h("time", { datetime: text, title: text }, isToday ? clock.format(date) : day.format(date));
}

/** What a `datetime-local` field says, as the server reads it; empty if it says nothing. */
export function instant(local) {
  const date = new Date(local);
  return local === "" || Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

/** What a `datetime-local` field shows for a moment. */
export function local(text) {
  const date = new Date(text);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
    + `T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** At most `length` characters, and a sign that there were more. */
export const short = (text, length = 160) => (text.length > length ? `${text.slice(0, length)}…` : text);

// How the server is, at a glance.
import { attempt, ask, open, poll, query } from "./api.js";
import { Chart } from "./chart.js";
import { byId, h, show, table } from "./dom.js";
import { bytes, count, measure, short, time } from "./format.js";
import { records } from "./json.js";

const hour = 60 * 60 * 1000;
const stepSeconds = 5;
/** Every look at the counts is noted in the audit log, so they are not asked for as often as the history. */
const countsSeconds = 60;
const latestMax = 12;

const milliseconds = (number) => `${measure(number)} ms`;
const one = (name, field) => [{ name, pick: (sample) => sample[field] }];
const charts = [
  new Chart({ title: "Writes a second", series: one("Writes", "writes"), format: measure }),
  new Chart({ title: "Reads a second", series: one("Reads", "reads"), format: measure }),
  new Chart({ title: "Deliveries a second", series: one("Deliveries", "deliveries"), format: measure }),
  new Chart({
    title: "Latency",
    series: [
      { name: "p50", pick: (sample) => sample.latency_p50_ms },
      { name: "p99", pick: (sample) => sample.latency_p99_ms },
    ],
    format: milliseconds,
  }),
  new Chart({
    title: "Connections",
    series: [
      { name: "all", pick: (sample) => sample.connections }, { name: "sockets", pick: (sample) => sample.sockets },
    ],
    format: count,
  }),
  new Chart({ title: "Memory", series: one("Memory", "memory_bytes"), format: bytes, isBytes: true }),
  new Chart({ title: "Database on disk", series: one("Database", "disk_bytes"), format: bytes, isBytes: true }),
];
let samples = [];

byId("charts").append(...charts.map((chart) => chart.element));

async function readHistory(signal) {
  const answer = await ask("GET", `/v1/admin/history${query({ after: samples.at(-1)?.at })}`, { signal });
  const now = Date.parse(answer.server_time);
  const fresh = answer.samples.map((sample) => ({ ...sample, time: Date.parse(sample.at) }));
  const last = samples.at(-1)?.time ?? -Infinity;
  samples = [...samples, ...fresh.filter((sample) => sample.time > last)].filter(({ time: at }) => now - at <= hour);
  for (const chart of charts) chart.update(samples, answer.step_seconds, now);
}

function tile(name, number, note) {
  return h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, number), h("dd", { class: "note" }, note));
}

function showCounts(answer) {
  const { storage, rates } = answer;
  byId("tiles").replaceChildren(
    tile("Users", count(answer.users), `${count(answer.tokens_revoked)} tokens revoked`),
    tile("Records", count(answer.records), `${count(answer.tombstones)} deleted, kept`),
    tile("Devices", count(answer.devices), "registered"),
    tile("Sockets", count(answer.sockets), `${count(answer.streams)} event streams`),
    tile("Connections", count(answer.connections), "of all kinds"),
    tile("Database", bytes(storage.bytes), `${storage.backend}, durability ${storage.durability}`));
  byId("overview-rates").textContent = `In the last minute ${measure(rates.writes_per_second)} writes, `
    + `${measure(rates.reads_per_second)} reads and ${measure(rates.deliveries_per_second)} deliveries a second.`;
  show(byId("latest-changes"), changesTable(answer.changes));
  show(byId("latest-audit"), auditTable(answer.audit));
}

/** Where a record is in the section Data. */
export function recordLink(user, collection, key) {
  return `#/data/${[user, collection, key].filter((name) => name !== undefined).map(encodeURIComponent).join("/")}`;
}

export function changeBadge(type) {
  return type === "data.deleted"
    ? h("span", { class: "badge bad" }, "deleted") : h("span", { class: "badge good" }, "updated");
}

export function outcomeBadge(outcome) {
  const isGood = outcome === "ok" || outcome === "applied" || outcome === "success";
  return h("span", { class: isGood ? "badge good" : "badge warn" }, outcome);
}

function changesTable(changes) {
  return table("Latest changes", [
    { title: "At", cell: (change) => time(change.at), kind: "time" },
    { title: "What", cell: (change) => changeBadge(change.type) },
    {
      title: "Record", kind: "name",
      cell: (change) => h("a", { href: recordLink(change.user_id, change.collection, change.key) },
        short(`${change.user_id} / ${change.collection} / ${change.key}`)),
    },
    { title: "Seq", cell: (change) => count(change.seq), kind: "number" },
  ], changes.slice(0, latestMax), { empty: "Nothing was written yet." });
}

function auditTable(entries) {
  return table("Latest in the audit log", [
    { title: "At", cell: (entry) => time(entry.at), kind: "time" },
    { title: "Actor", cell: (entry) => short(entry.actor ?? ""), kind: "name" },
    { title: "Action", cell: (entry) => entry.action },
    { title: "Outcome", cell: (entry) => outcomeBadge(entry.outcome) },
  ], entries.slice(0, latestMax), { empty: "Nothing was noted yet." });
}

async function readCounts(signal) {
  const answer = await open("GET", "/admin/data", { signal });
  showCounts(records(await answer.text()));
  byId("overview-when").replaceChildren("Counted at ", time(new Date().toISOString()));
}

export function enter(names, signal) {
  const problem = byId("overview-problem");
  const countsProblem = h("div");
  const historyProblem = h("div");
  problem.replaceChildren(countsProblem, historyProblem);
  byId("overview-refresh").onclick = () => attempt(countsProblem, () => readCounts(signal), signal);
  poll(stepSeconds, historyProblem, () => readHistory(signal), signal);
  poll(countsSeconds, countsProblem, () => readCounts(signal), signal);
}

// Who is connected, the slowest first.
import { ask, attempt, path, poll } from "./api.js";
import { button, byId, h, say, show, table } from "./dom.js";
import { bytes, count, time } from "./format.js";

const refreshSeconds = 5;
/** From here on a client is slow, and not only busy. */
const slowBytes = 256 * 1024;
let signal;

function bufferBadge(connection) {
  if (connection.buffered_bytes === 0) return "–";
  const kind = connection.buffered_bytes > slowBytes ? "bad" : "warn";
  return h("span", { class: `badge ${kind}` }, bytes(connection.buffered_bytes));
}

async function disconnect(connection) {
  await attempt(byId("connections-problem"), async () => {
    await ask("DELETE", path("v1", "admin", "connections", String(connection.id)));
    say(`Disconnected ${connection.user_id}`);
    await read();
  }, signal);
}

async function read() {
  const answer = await ask("GET", "/v1/admin/connections", { signal });
  const shown = answer.data.length;
  byId("connections-total").textContent =
    shown < answer.total ? `${count(shown)} of ${count(answer.total)} shown` : `${count(answer.total)} connected`;
  show(byId("connections-table"), table("Connections", [
    {
      title: "User", kind: "name", isHead: true,
      cell: (connection) =>
        h("a", { href: `#/users/${encodeURIComponent(connection.user_id)}`, "data-key": `user ${connection.id}` },
          connection.user_id),
    },
    { title: "Kind", cell: (connection) => (connection.kind === "websocket" ? "WebSocket" : "Event stream") },
    { title: "Device", cell: (connection) => connection.device_id ?? "", kind: "name" },
    { title: "Address", cell: (connection) => h("span", { class: "mono" }, connection.address) },
    { title: "Since", cell: (connection) => time(connection.opened_at), kind: "time" },
    { title: "Seq", cell: (connection) => count(connection.seq), kind: "number" },
    { title: "Behind", cell: (connection) => count(connection.lag), kind: "number" },
    { title: "Waiting", cell: bufferBadge, kind: "number" },
    {
      title: "", kind: "tight",
      cell: (connection) => button("Disconnect", () => disconnect(connection), {
        kind: "small quiet-danger", key: `close ${connection.id}`,
        name: `Disconnect ${connection.user_id} at ${connection.address}`,
      }),
    },
  ], answer.data, { empty: "Nobody is connected." }));
}

export function enter(names, current) {
  signal = current;
  poll(refreshSeconds, byId("connections-problem"), read, signal);
}

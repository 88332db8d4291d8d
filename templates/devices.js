// The devices that are online.
import { ask, poll } from "./api.js";
import { byId, show } from "./dom.js";
import { count } from "./format.js";
import { devicesTable } from "./users.js";

const refreshSeconds = 15;
const listMax = 1000;

export function enter(names, signal) {
  poll(refreshSeconds, byId("devices-problem"), async () => {
    const { data } = await ask("GET", "/v1/admin/devices?online=true", { signal });
    byId("devices-total").textContent = `${count(data.length)}${data.length < listMax ? "" : " or more"} online`;
    show(byId("devices-table"), devicesTable(data, { withUser: true }));
  }, signal);
}

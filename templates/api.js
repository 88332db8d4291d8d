// Asking the server, and what becomes of its refusals.
import { h, byId } from "./dom.js";

const attemptsMax = 4;
const waitSecondsMax = 60;

/** A refusal: a problem object (RFC 9457), or that there was no answer. */
export class Problem extends Error {
  constructor({ status = 0, title, detail, code, request_id: requestID, errors = [] }) {
    super(detail ?? title);
    Object.assign(this, { status, title, detail, code, requestID, errors });
  }
}

/** A path of names, each escaped. */
export function path(...names) {
  for (const name of names) {
    // Browsers resolve these even when they are escaped, so the request would be about something else.
    if (name === "." || name === "..") {
      throw new Problem({
        title: "Not from a browser",
        detail: `A browser cannot ask for something called "${name}". Use curl with --path-as-is.`,
      });
    }
  }
  return `/${names.map(encodeURIComponent).join("/")}`;
}

/** A query of what is there and not empty. */
export function query(parameters) {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}

function state(kind, text) {
  byId("state").dataset.state = kind;
  if (byId("state-text").textContent !== text) byId("state-text").textContent = text;
}

/** Resolves after `seconds`; rejects when `signal` says that nobody waits any more. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function problem(answer) {
  const text = await answer.text();
  try {
    return new Problem({ ...JSON.parse(text), status: answer.status });
  } catch {
    return new Problem({
      status: answer.status, title: answer.statusText || `Status ${answer.status}`,
      detail: "The answer did not come from Apus; something between here and the server may have sent it.",
    });
  }
}

/**
 * An answer that is no refusal. A 429 is waited out, as often as is reasonable: such a request was not carried out.
 */
export async function open(method, target, { body, headers = {}, signal } = {}) {
  const init = { method, headers: { ...headers }, signal, cache: "no-store", redirect: "error" };
  if (method !== "GET") init.headers["X-Apus-Dashboard"] = "1";
  if (body !== undefined) {
    init.body = body;
    init.headers["Content-Type"] = "application/json";
  }
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      // Spelled out, because the page's own address may hold a name and a password, which fetch refuses.
      answer = await fetch(location.origin + target, init);
    } catch (error) {
      if (signal?.aborted) throw error;
      state("bad", "Server not reachable");
      throw new Problem({
        title: "The server cannot be reached",
        detail: "It may be restarting, or the network is down. Nothing is known of what was asked; try again.",
      });
    }
    if (answer.ok) {
      state("ok", "Connected");
      return answer;
    }
    if (answer.status === 429 && attempt < attemptsMax) {
      const asked = Number(answer.headers.get("Retry-After"));
      // The next one that may pass may be somebody else's of this address: a little longer each time.
      const seconds = Math.min(Math.max(asked || 1, 1) + attempt - 1, waitSecondsMax);
      state("waiting", `Too many requests: waiting ${seconds} s`);
      await pause(seconds, signal);
      continue;
    }
    throw await problem(answer);
  }
}

/** The JSON of an answer. */
export async function ask(method, target, options) {
  return (await open(method, target, options)).json();
}

const advice = {
  401: "Reload the page to log in again.",
  403: "This address or page may not do that; see ADMIN_IP_ALLOWLIST and how the proxy passes on Host and Origin.",
  429: "Wait a minute, or raise ADMIN_RATE_LIMIT_PER_MIN.",
  503: "See the server's log; a storage that failed needs a restart.",
  507: "Make room on the disk; writing goes on by itself.",
};

/** A refusal, for the operator to act on. */
export function problemBox(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return h("div", { class: "problem", role: "alert" },
      h("strong", {}, "The dashboard failed"), h("p", {}, String(error)));
  }
  const facts = [
    error.status ? `status ${error.status}` : null, error.code ? `code ${error.code}` : null,
    error.requestID ? `request ${error.requestID}` : null,
  ].filter(Boolean);
  return h("div", { class: "problem", role: "alert" },
    h("strong", {}, error.title ?? "Refused"),
    error.detail ? h("p", {}, error.detail) : null,
    error.errors.length > 0
      ? h("ul", {}, error.errors.map(({ pointer, detail }) => h("li", {}, h("code", {}, pointer), ` ${detail}`)))
      : null,
    advice[error.status] ? h("p", {}, advice[error.status]) : null,
    facts.length > 0 ? h("small", {}, facts.join(" · ")) : null);
}

/** Does `act`; what it throws is shown in `place`, unless nobody waits any more. Whether it went well. */
export async function attempt(place, act, signal) {
  try {
    await act();
    if (!signal?.aborted) place.replaceChildren();
    return true;
  } catch (error) {
    if (!signal?.aborted && error?.name !== "AbortError") place.replaceChildren(problemBox(error));
    return false;
  }
}

/** Does `act` now and every `seconds`, but not while the page is hidden; one at a time, rarer while it fails. */
export async function poll(seconds, place, act, signal) {
  const visible = () => new Promise((resolve) => {
    if (!document.hidden) {
      resolve();
      return;
    }
    document.addEventListener("visibilitychange", resolve, { once: true, signal });
    signal.addEventListener("abort", resolve, { once: true });
  });
  let failures = 0;
  while (!signal.aborted) {
    await visible();
    if (document.hidden || signal.aborted) continue;
    failures = (await attempt(place, act, signal)) ? 0 : Math.min(failures + 1, 4);
    await pause(seconds * 2 ** failures, signal).catch(() => {});
  }
}

/**
 * The landing page's living receipt: every few seconds the page itself is fetched again and its list of payments
 * taken over, so the server renders tickets in one place only. Pauses when asked and while nobody looks.
 */

import { localise } from "./moment.js";

const EVERY_MS = 3000;
const AT_MOST_MS = 60_000; // between two tries while the server does not answer

/** @typedef {"live" | "paused" | "lost"} State */

/** @type {Record<State, string>} */
const TONES = { live: "good", paused: "none", lost: "bad" };

/** @param {Element} list @returns {string[]} one per ticket: which payment in which state */
function keys(list) {
  return [...list.querySelectorAll("[data-key]")].map((ticket) => ticket.getAttribute("data-key") ?? "");
}

/** @returns {Promise<Element | null>} the list as the server has it now */
async function fetchList() {
  const reply = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  return page.querySelector("[data-receipt-list]");
}

/** @param {Element} list @param {Element} fresh */
function takeOver(list, fresh) {
  const before = keys(list);
  if (before.join("\n") === keys(fresh).join("\n")) return;
  localise(fresh);
  for (const ticket of fresh.querySelectorAll("[data-key]")) {
    ticket.classList.toggle("is-new", !before.includes(ticket.getAttribute("data-key") ?? ""));
  }
  list.replaceChildren(...fresh.childNodes);
}

/** @param {HTMLElement} receipt */
function run(receipt) {
  const list = receipt.querySelector("[data-receipt-list]");
  const chip = receipt.querySelector("[data-receipt-state]");
  const button = receipt.querySelector("[data-receipt-switch]");
  if (!list || !(chip instanceof HTMLElement) || !button) return;
  let paused = false;
  let wait = EVERY_MS;

  /** @param {State} state */
  const show = (state) => {
    chip.textContent = receipt.dataset[state] ?? "";
    chip.dataset.tone = TONES[state];
  };
  const look = async () => {
    if (!paused && !document.hidden) {
      try {
        const fresh = await fetchList();
        wait = EVERY_MS;
        if (fresh && !paused) {
          takeOver(list, fresh);
          show("live");
        }
      } catch {
        wait = Math.min(wait * 2, AT_MOST_MS);
        if (!paused) show("lost");
      }
    }
    setTimeout(look, wait);
  };
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = (paused ? receipt.dataset.resume : receipt.dataset.pause) ?? "";
    show(paused ? "paused" : "live");
  });
  setTimeout(look, wait);
}

const receipt = document.querySelector("[data-receipt]");
if (receipt instanceof HTMLElement) run(receipt);

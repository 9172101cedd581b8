/**
 * Times in the reader's zone: `<time datetime="2026-01-31T09:08:07Z" data-moment>31 Jan 2026, 09:08 UTC</time>` shows the local time, with
 * the day unless it is today and the year unless it is this one, and the whole of it with its zone on hover.
 * `data-moment="whole"` always shows the day and the year.
 */

const page = document.documentElement.lang;
// The reader's own kind of the page's language, "en-GB"; Norwegian goes by several names.
const kin = page === "nb" ? ["nb", "no", "nn"] : [page];
const own = navigator.languages.find((tag) => tag.includes("-") && kin.includes(tag.split("-")[0] ?? ""));
const language = own ?? (page === "en" ? "en-GB" : page);

/** @type {Intl.DateTimeFormatOptions} */
const clock = { hour: "2-digit", minute: "2-digit" };
const time = new Intl.DateTimeFormat(language, clock);
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", ...clock });
const year = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", ...clock });
const all = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
const hover = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });

/** @param {Date} at @param {boolean} whole */
function formatOf(at, whole) {
  const now = new Date();
  if (whole) return all;
  if (at.toDateString() === now.toDateString()) return time;
  return at.getFullYear() === now.getFullYear() ? day : year;
}

/** @param {ParentNode} root everything below it is rewritten */
export function localise(root) {
  for (const element of root.querySelectorAll("time[data-moment]")) {
    if (!(element instanceof HTMLTimeElement)) continue;
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = formatOf(at, element.dataset.moment === "whole").format(at);
    element.title = hover.format(at);
  }
}

localise(document);

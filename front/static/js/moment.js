/**
 * Times in the reader's zone: `<time datetime="2026-01-31T09:08:07Z" data-moment>09:08 UTC</time>` shows the local time,
 * with the day unless it is today, and the whole of it with its zone on hover.
 */

const language = document.documentElement.lang;
const time = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const dateAndTime = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });

/** @param {ParentNode} root everything below it is rewritten */
export function localise(root) {
  const today = new Date().toDateString();
  for (const element of root.querySelectorAll("time[data-moment]")) {
    if (!(element instanceof HTMLTimeElement)) continue;
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = (at.toDateString() === today ? time : dateAndTime).format(at);
    element.title = whole.format(at);
  }
}

localise(document);

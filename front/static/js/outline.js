/**
 * The reference's side navigation: marks the section one is reading, and closes the small-screen list after a choice.
 */

const outline = document.querySelector("[data-outline]");

/** @type {Map<Element, HTMLAnchorElement>} */
const links = new Map();
for (const link of outline?.querySelectorAll("a") ?? []) {
  const section = document.getElementById(link.hash.slice(1));
  if (section) links.set(section, link);
}

/** @param {Element} section */
function mark(section) {
  for (const [of, link] of links) {
    if (of === section) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const link = links.get(section);
  if (!outline || !link) return;
  // Keep the mark in sight inside the list; scrollIntoView would move the page too.
  const box = outline.getBoundingClientRect();
  const at = link.getBoundingClientRect();
  if (at.top < box.top || at.bottom > box.bottom) outline.scrollTop += at.top - box.top - box.height / 2;
}

// A section is the one being read while it crosses a line a quarter down the window.
const reading = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) mark(entry.target);
  },
  { rootMargin: "-25% 0px -75% 0px" },
);
for (const section of links.keys()) reading.observe(section);

outline?.addEventListener("click", (event) => {
  if (event.target instanceof HTMLAnchorElement) outline.querySelector("details")?.removeAttribute("open");
});

/**
 * Light or dark: follows the system until the reader chooses, then remembers the choice. Loaded first and as soon as
 * it arrives, so that a page does not flash in the other theme; hence one listener on the document instead of on
 * a button that may not be there yet.
 */

const KEY = "guichet-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** @typedef {"light" | "dark"} Theme */

/** @returns {Theme | null} */
function remembered() {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null; // storage is switched off: the choice lasts as long as the page
  }
}

/** @param {Theme | null} theme null follows the system */
function remember(theme) {
  try {
    if (theme) localStorage.setItem(KEY, theme);
    else localStorage.removeItem(KEY);
  } catch {
    // as above
  }
}

/** @param {Theme | null} theme */
function show(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** @returns {Theme} */
function systemTheme() {
  return system.matches ? "dark" : "light";
}

show(remembered());
addEventListener("storage", (event) => {
  if (event.key === KEY) show(remembered()); // chosen in another tab
});
document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element && event.target.closest("[data-theme-switch]"))) return;
  const now = document.documentElement.dataset.theme ?? systemTheme();
  const other = now === "dark" ? "light" : "dark";
  // Switching to what the system says means following it again.
  const choice = other === systemTheme() ? null : other;
  remember(choice);
  show(choice);
});

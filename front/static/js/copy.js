/**
 * Copy buttons: `<button data-copy="id of the text" data-copied="Copied" data-selected="Selected">Copy…</button>`.
 * The clipboard exists only on https and localhost; elsewhere the text is selected, ready for the keyboard.
 */

const SHOWN_MS = 2000;

/** @param {string} words read out by screen readers */
function announce(words) {
  const place = document.querySelector("[data-announce]");
  if (place) place.textContent = words;
}

/** @param {Element} element */
function select(element) {
  const selection = getSelection();
  selection?.removeAllRanges();
  const range = document.createRange();
  range.selectNodeContents(element);
  selection?.addRange(range);
}

/** @param {Element} element @returns {Promise<boolean>} whether the text is in the clipboard */
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent ?? "");
    return true;
  } catch {
    select(element);
    return false;
  }
}

/** @param {HTMLElement} button @param {string} words */
function say(button, words) {
  const label = button.firstChild;
  if (!label || button.dataset.said) return;
  const before = label.textContent;
  button.dataset.said = "yes";
  label.textContent = words;
  announce(words);
  setTimeout(() => {
    label.textContent = before;
    delete button.dataset.said;
    announce("");
  }, SHOWN_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
  if (!(button instanceof HTMLElement)) return;
  const source = document.getElementById(button.dataset.copy ?? "");
  if (!source) return;
  const copied = await copy(source);
  say(button, (copied ? button.dataset.copied : button.dataset.selected) ?? "");
});

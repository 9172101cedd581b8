/**
 * The card form, a little easier: digits of the number in groups, a slash between month and year, which keyboards for digits
 * do not have. The form works without it; the server reads both.
 */

/** @param {string} digits @returns {string} "4507 9900 0000 0002", "3720 211063 51394" */
function grouped(digits) {
  const amex = /^3[47]/.test(digits);
  const pattern = amex ? /^(\d{1,4})(\d{1,6})?(\d{1,9})?$/ : /\d{1,4}/g;
  const parts = amex ? (pattern.exec(digits) ?? []).slice(1) : (digits.match(pattern) ?? []);
  return parts.filter(Boolean).join(" ");
}

/** @param {string} digits @returns {string} "12/30"; a month that can have no second digit gets its zero */
function monthAndYear(digits) {
  const whole = /^[2-9]/.test(digits) ? `0${digits}` : digits;
  return whole.length < 3 ? whole : `${whole.slice(0, 2)}/${whole.slice(2)}`;
}

/**
 * Rewrites a field as it is typed, at its end only: who corrects something in the middle is left alone.
 *
 * @param {HTMLInputElement} field @param {(digits: string) => string} written @param {RegExp} foreign what the field is left alone with
 */
function tidy(field, written, foreign) {
  const rewrite = () => {
    if (foreign.test(field.value)) return;
    const after = written(field.value.replace(/\D/g, ""));
    if (after !== field.value && (field.maxLength < 0 || after.length <= field.maxLength)) field.value = after;
  };
  field.addEventListener("input", (event) => {
    const adding = !(event instanceof InputEvent) || !event.inputType.startsWith("delete");
    if (adding && (field.selectionStart ?? 0) === field.value.length) rewrite();
  });
  field.addEventListener("change", rewrite);
}

const form = document.querySelector("form[data-card]");
const number = form?.querySelector("#number");
const expiration = form?.querySelector("#expiration");
if (number instanceof HTMLInputElement) tidy(number, grouped, /[^\d\s-]/);
// A year of four digits, or a mark of the reader's own: as he likes.
if (expiration instanceof HTMLInputElement) tidy(expiration, monthAndYear, /[^\d/]|^\d\/|\/.*\/|\/\d{3}/);

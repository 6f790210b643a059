// Buttons with data-copy put its value on the clipboard. A path is completed to a whole address.

import { announce } from "./announce.js";
import { dataValue } from "./dom.js";

const FEEDBACK_MS = 2000;

/** Listen for clicks on the whole page. */
export function copyOnClick() {
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!(button instanceof HTMLElement)) {
      return;
    }
    if (await copyText(completeAddress(dataValue(button, "copy")))) {
      showCopied(button);
    }
  });
}

/**
 * @param {string} text
 * @returns {string}
 */
function completeAddress(text) {
  return text.startsWith("/") ? new URL(text, location.href).href : text;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it is on the clipboard
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // outside https there is no clipboard API
  }
}

/**
 * @param {string} text
 * @returns {boolean} whether it is on the clipboard
 */
function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}

/** @param {HTMLElement} button */
function showCopied(button) {
  button.classList.add("is-done");
  announce(dataValue(button, "copied"));
  setTimeout(() => button.classList.remove("is-done"), FEEDBACK_MS);
}

// The list of uploads. The server renders its rows; they are replaced when they change.

import { announce } from "./announce.js";
import { dataValue, parseElement, parsePage } from "./dom.js";
import { ProblemError, post, stringField } from "./http.js";

export class UploadList {
  /**
   * @param {HTMLElement} list holds the rows
   * @param {(row: HTMLElement) => void} onStatusChange called with each row whose status is another one
   */
  constructor(list, onStatusChange) {
    this.list = list;
    this.onStatusChange = onStatusChange;
    list.addEventListener("submit", (event) => this.#submitAction(event));
  }

  /** Whether any upload is still in progress. */
  get hasOpenUploads() {
    return this.list.querySelector("[data-open]") !== null;
  }

  /**
   * Replace the row of an upload.
   * @param {string} id
   * @param {string} html the row; removes it if empty
   * @param {{ isNew?: boolean }} [options] whether a row that is not listed yet is put on top
   */
  update(id, html, { isNew = false } = {}) {
    const before = document.getElementById(`upload-${id}`);
    if (!html) {
      before?.remove();
    } else if (before) {
      this.#replace(before, parseElement(html));
    } else if (isNew) {
      this.list.prepend(parseElement(html));
    }
  }

  /** @param {string} html all rows, as polling brings them */
  updateAll(html) {
    for (const row of parsePage(html).querySelectorAll("[data-upload]")) {
      this.update(row.getAttribute("data-upload") ?? "", row.outerHTML);
    }
  }

  /**
   * @param {HTMLElement} before
   * @param {HTMLElement} after
   */
  #replace(before, after) {
    const focused = before.contains(document.activeElement) ? document.activeElement : null;
    continueProgress(before.querySelector("progress"), after.querySelector("progress"));
    before.replaceWith(after);
    if (focused instanceof HTMLElement) {
      restoreFocus(after, focused.dataset.action);
    }
    if (before.dataset.status !== after.dataset.status) {
      announce(dataValue(after, "announce"));
      this.onStatusChange(after);
    }
  }

  /**
   * Send the form of a row, and show the row that the server answers with.
   * @param {SubmitEvent} event
   */
  async #submitAction(event) {
    const form = event.target;
    const row = form instanceof HTMLFormElement ? form.closest("[data-upload]") : null;
    if (!(form instanceof HTMLFormElement) || !row) {
      return;
    }
    event.preventDefault();
    try {
      const html = stringField(await post(form.action), "html");
      if (html !== undefined) {
        this.update(row.getAttribute("data-upload") ?? "", html);
        return;
      }
    } catch (error) {
      if (error instanceof ProblemError) {
        announce(error.message); // other messages are not for people
      }
    }
    location.assign(dataValue(this.list, "page")); // the state on the server may be another one than on this page
  }
}

/**
 * Focus the same button in the row that replaced the one with the focus, or else the first control, which is the link
 * to the song if there is one.
 * @param {HTMLElement} row
 * @param {string | undefined} action of the button, undefined for a link without one
 */
function restoreFocus(row, action) {
  const sameButton = action === undefined ? null : row.querySelector(`[data-action=${action}]`);
  const target = sameButton ?? row.querySelector("a, button");
  if (target instanceof HTMLElement) {
    target.focus();
  }
}

/**
 * Let the new bar start where the old one was, so that it moves smoothly.
 * @param {HTMLProgressElement | null} before
 * @param {HTMLProgressElement | null} after
 */
function continueProgress(before, after) {
  if (!before || !after) {
    return;
  }
  const target = after.value;
  after.value = before.value;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    after.value = target;
  }));
}

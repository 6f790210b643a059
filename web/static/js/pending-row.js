// The row of a file that is not received yet: it is looked up, waits, is on its way, or has failed.

import { announce } from "./announce.js";
import { cloneTemplate, query } from "./dom.js";

/** @typedef {"is-checking" | "is-found"} LookupState a class of the row: the file is looked up, or its song is here */

export class PendingRow {
  /**
   * @param {HTMLTemplateElement} template of the row
   * @param {string} fileName
   */
  constructor(template, fileName) {
    this.element = cloneTemplate(template);
    this.stopButton = query(this.element, "[data-stop]", HTMLButtonElement);
    this.uploadAnywayButton = query(this.element, "[data-upload-anyway]", HTMLButtonElement);
    this.fileName = fileName;
    query(this.element, "[data-name]", HTMLElement).textContent = fileName;
    this.#progressBar().setAttribute("aria-label", fileName);
  }

  /** Whether the row is still on the page. */
  get isListed() {
    return this.element.isConnected;
  }

  remove() {
    this.element.remove();
  }

  /**
   * Set what the stop button does. It replaces what the button did before.
   * @param {() => void} action
   */
  onStop(action) {
    this.stopButton.onclick = action;
  }

  /** @param {number} fraction of the file that was sent, 0 to 1 */
  showProgress(fraction) {
    this.#progressBar().value = fraction;
    query(this.element, "[data-percent]", HTMLElement).textContent = `${Math.floor(fraction * 100)} %`;
  }

  /** @param {string} text says why the file was not received */
  fail(text) {
    this.element.classList.add("is-failed");
    query(this.element, "[data-problem]", HTMLElement).textContent = text;
    this.onStop(() => this.remove());
    announce(`${this.fileName}: ${text}`);
  }

  showSignInLink() {
    query(this.element, "[data-sign-in]", HTMLElement).hidden = false;
  }

  /** @param {LookupState} state */
  enterState(state) {
    this.element.classList.add(state);
  }

  /**
   * Leave a state in which the "send it anyway" button is shown. If that button has the focus and is hidden now, the
   * stop button gets the focus.
   * @param {LookupState} state
   * @param {{ keepsButton?: boolean }} [options] whether the next state shows the button, too
   */
  leaveState(state, { keepsButton = false } = {}) {
    const losesFocus = !keepsButton && document.activeElement === this.uploadAnywayButton;
    this.element.classList.remove(state);
    if (losesFocus) {
      this.stopButton.focus();
    }
  }

  #progressBar() {
    return query(this.element, "progress", HTMLProgressElement);
  }
}

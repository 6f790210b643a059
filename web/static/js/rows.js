// The list of uploads: rows that the server renders, replaced as they change, with their buttons.

import { announce } from "./announce.js";
import { elementOf, post } from "./http.js";

export class Rows {
  /** `changed(before, after)` is told of rows whose status is another one. */
  constructor(list, changed) {
    this.list = list;
    this.changed = changed;
    list.addEventListener("submit", (event) => this.#act(event));
  }

  /** Whether any upload is still on its way. */
  get anyOpen() {
    return this.list.querySelector("[data-open]") !== null;
  }

  /** Put a row where it belongs; an empty `html` takes it away. Rows not listed yet come on top, where `isNew` allows. */
  put(id, html, { isNew = false } = {}) {
    const before = document.getElementById(`upload-${id}`);
    if (!html) before?.remove();
    else if (before) this.#replace(before, elementOf(html));
    else if (isNew) this.list.prepend(elementOf(html));
  }

  /** All rows of the polling fall-back. */
  putAll(html) {
    const rows = new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-upload]");
    for (const row of [...rows].reverse()) this.put(row.dataset.upload, row.outerHTML);
  }

  #replace(before, after) {
    const focused = before.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    moveOn(before.querySelector("progress"), after.querySelector("progress"));
    before.replaceWith(after);
    if (focused) (after.querySelector(`[data-action=${focused}]`) ?? after.querySelector("a, button"))?.focus();
    if (before.dataset.status === after.dataset.status) return;
    announce(after.dataset.announce);
    this.changed(before, after);
  }

  async #act(event) {
    const form = event.target;
    const row = form.closest("[data-upload]");
    if (!row) return;
    event.preventDefault();
    const id = row.dataset.upload;
    try {
      this.put(id, (await post(form.action)).html);
    } catch (error) {
      announce(error.message);
      location.assign(this.list.dataset.page); // the server knows better than this page does
    }
  }
}

/** Start the new bar where the old one stood, so that it moves instead of jumping. */
function moveOn(before, after) {
  if (!before || !after) return;
  const target = after.value;
  after.value = before.value;
  requestAnimationFrame(() => requestAnimationFrame(() => (after.value = target)));
}

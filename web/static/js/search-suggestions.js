// Suggestions below the search box, by the combobox pattern of the WAI-ARIA guide. The server renders the options.

import { dataValue, parsePage, query } from "./dom.js";

const DEBOUNCE_MS = 120; // without a key before the server is asked

export class SearchSuggestions {
  /** @type {AbortController | undefined} */
  #request;

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLFormElement} form the search form, with its box and its empty list of options */
  constructor(form) {
    this.form = form;
    this.input = query(form, "input[type=search]", HTMLInputElement);
    this.list = query(form, "[role=listbox]", HTMLElement);
  }

  /** Listen to the box and the list. */
  attach() {
    this.input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#update(), DEBOUNCE_MS);
    });
    this.input.addEventListener("keydown", (event) => this.#onKey(event));
    this.input.addEventListener("focus", () => {
      if (this.list.children.length > 0 && this.input.value.trim()) {
        this.#setOpen(true);
      }
    });
    this.form.addEventListener("focusout", (event) => {
      if (!this.form.contains(/** @type {Node | null} */ (event.relatedTarget))) {
        this.#setOpen(false);
      }
    });
    this.list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus in the box
  }

  async #update() {
    this.#request?.abort();
    this.#request = new AbortController();
    const text = this.input.value.trim();
    if (!text) {
      this.#setOpen(false);
      return;
    }
    const url = `${dataValue(this.form, "suggest")}?q=${encodeURIComponent(text)}`;
    try {
      const response = await fetch(url, { signal: this.#request.signal });
      if (response.ok) {
        this.#show(await response.text());
      }
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        this.#setOpen(false); // no network: the form itself can still be submitted
      }
    }
  }

  /** @param {string} html */
  #show(html) {
    this.list.replaceChildren(...parsePage(html).body.children);
    this.#options().forEach((option, index) => {
      option.id = `${this.list.id}-${index}`;
    });
    this.input.removeAttribute("aria-activedescendant");
    this.#setOpen(this.list.children.length > 0 && document.activeElement === this.input);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.list.hidden) {
      return;
    }
    const selected = this.#selected();
    if (event.key === "ArrowDown") {
      this.#move(event, 1);
    } else if (event.key === "ArrowUp") {
      this.#move(event, -1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.#setOpen(false);
    } else if (event.key === "Enter" && selected) {
      event.preventDefault();
      query(selected, "a", HTMLAnchorElement).click();
    }
  }

  /**
   * Select the next or the previous option. The last one is followed by the first.
   * @param {KeyboardEvent} event
   * @param {1 | -1} step
   */
  #move(event, step) {
    const options = this.#options();
    if (options.length === 0) {
      return;
    }
    event.preventDefault();
    const selected = this.#selected();
    const before = step > 0 ? -1 : options.length; // where to start without a selection
    const index = selected ? options.indexOf(selected) : before;
    this.#select(options[(index + step + options.length) % options.length]);
  }

  /** @param {Element} option */
  #select(option) {
    for (const each of this.#options()) {
      each.setAttribute("aria-selected", String(each === option));
    }
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  /** @param {boolean} isOpen */
  #setOpen(isOpen) {
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  /** @returns {Element[]} */
  #options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  /** @returns {Element | undefined} */
  #selected() {
    const id = this.input.getAttribute("aria-activedescendant");
    return id ? this.#options().find((option) => option.id === id) : undefined;
  }
}

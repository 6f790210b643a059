// Messages for screen readers.

import { query } from "./dom.js";

/**
 * Put `text` into the live region of the page, which screen readers read out.
 * The region is emptied for one frame first, because an unchanged text is not read again.
 * @param {string} text
 */
export function announce(text) {
  const region = query(document, "[data-announcer]", HTMLElement);
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

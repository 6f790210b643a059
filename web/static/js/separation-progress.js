// The panel on the song page that shows a separation in progress, and what follows when it ends.

import { dataValue, parsePage, query } from "./dom.js";
import { subscribe } from "./live-events.js";
import { notifyReady } from "./notifications.js";

export class SeparationProgress {
  #isRefreshing = false;

  #isOutdated = false; // an event came during a refresh

  /** @type {() => void} */
  #unsubscribe = () => {};

  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.panel = panel;
    this.player = document.querySelector("[data-player]");
  }

  /** Follow the separation until it ends. */
  follow() {
    const refresh = () => this.#refresh();
    this.#unsubscribe = subscribe(dataValue(this.panel, "live"), { song: refresh }, refresh);
  }

  /** Events during a refresh lead to one more refresh. */
  async #refresh() {
    this.#isOutdated = true;
    if (this.#isRefreshing) {
      return;
    }
    this.#isRefreshing = true;
    while (this.#isOutdated) {
      this.#isOutdated = false;
      await this.#redraw().catch(() => {}); // no network: another event follows when it is back
    }
    this.#isRefreshing = false;
  }

  /** Fetch the page again, because the server renders the panel in the language of the reader. */
  async #redraw() {
    const response = await fetch(location.href);
    if (response.status >= 500) {
      return; // the server is restarting: another event follows when it is back
    }
    const page = parsePage(await response.text());
    const updated = page.querySelector("[data-waiting]");
    if (updated instanceof HTMLElement && updated.dataset.state === this.panel.dataset.state) {
      this.panel.replaceWith(updated);
      this.panel = updated;
    } else {
      this.#finish(separationId(page.querySelector("[data-player]")));
    }
  }

  /**
   * Show what came of it. A better separation that is ready is loaded at once, unless the person is listening.
   * @param {string | undefined} currentId the separation whose stems the page has now, the old one after a failure
   */
  #finish(currentId) {
    this.#unsubscribe();
    this.#isOutdated = false; // there is nothing to refresh any more
    const isReady = currentId !== undefined && currentId !== separationId(this.player);
    if (isReady) {
      notifyReady(dataValue(this.panel, "announce"), location.pathname);
    }
    if (this.player && !isReady) {
      reveal("[data-better-failed]");
      this.panel.remove();
    } else if (this.player instanceof HTMLElement && this.player.dataset.state !== "paused") {
      reveal("[data-better-ready]");
    } else {
      location.reload();
    }
  }
}

/**
 * @param {Element | null} player
 * @returns {string | undefined} the id of the separation that the stems of a player come from
 */
function separationId(player) {
  return player instanceof HTMLElement ? player.dataset.separation : undefined;
}

/** @param {string} selector of a message that the template hides */
function reveal(selector) {
  query(document, selector, HTMLElement).hidden = false;
}

// The player on the page: the transport bar and the animation of the playheads.

import { dataValue, query } from "../dom.js";
import { formatTime } from "./time.js";
import { TrackList } from "./track-list.js";

/** @import { Player } from "./player.js" */

const SEEK_STEP = 5; // seconds for an arrow key

/** @type {Record<string, number>} direction of the keys that move the position bar */
const BAR_KEYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };

export class PlayerView {
  /** @type {number | null} seconds: where a drag would lead, null if there is none */
  #preview = null;

  /**
   * @param {HTMLElement} element
   * @param {Player} player
   */
  constructor(element, player) {
    this.element = element;
    this.player = player;
    this.button = query(element, "[data-play]", HTMLButtonElement);
    this.bar = query(element, "[data-seek]", HTMLInputElement);
    this.time = query(element, "[data-now]", HTMLElement);
    this.tracks = new TrackList(element, player, {
      onPreview: (fraction) => this.#showPreview(fraction === null ? null : fraction * player.duration),
      onSeek: (fraction) => this.#seek(fraction * player.duration),
    });
    this.#listen();
    this.#refresh();
    element.hidden = false;
  }

  togglePlay() {
    this.player.toggle();
  }

  /** @param {number} count of arrow keys, backwards if negative */
  seekBySteps(count) {
    this.#seek(this.player.position + count * SEEK_STEP);
  }

  #listen() {
    this.button.addEventListener("click", () => this.togglePlay());
    this.bar.addEventListener("input", () => this.#showPreview(Number(this.bar.value)));
    this.bar.addEventListener("change", () => this.#seek(Number(this.bar.value)));
    this.bar.addEventListener("keydown", (event) => {
      const direction = BAR_KEYS[event.key];
      if (direction) {
        event.preventDefault();
        this.seekBySteps(direction);
      }
    });
    this.player.addEventListener("change", () => this.#showState());
    this.player.addEventListener("ended", () => this.#refresh());
    this.player.addEventListener("failed", (event) => {
      this.tracks.fail(/** @type {CustomEvent<string>} */ (event).detail);
    });
  }

  /** @param {number} seconds into the song */
  #seek(seconds) {
    this.player.seek(seconds);
    this.#showPreview(null);
  }

  /** @param {number | null} seconds into the song: shown, but not played; null ends it */
  #showPreview(seconds) {
    this.#preview = seconds;
    this.#refresh();
  }

  #showState() {
    const { state } = this.player;
    this.element.dataset.state = state;
    this.element.setAttribute("aria-busy", String(state === "loading"));
    this.button.setAttribute("aria-label", dataValue(this.button, state === "paused" ? "labelPlay" : "labelPause"));
    this.#animate();
  }

  #animate() {
    this.#refresh();
    if (this.player.state === "playing") {
      requestAnimationFrame(() => this.#animate());
    }
  }

  #refresh() {
    const { duration } = this.player;
    const position = this.#preview ?? this.player.position;
    const text = formatTime(position);
    this.element.style.setProperty("--position", `${(position / duration) * 100}%`);
    if (this.#preview === null) {
      this.bar.value = String(position);
    }
    if (this.time.textContent !== text) {
      this.time.textContent = text;
      this.bar.setAttribute("aria-valuetext", `${text} / ${formatTime(duration)}`);
    }
  }
}

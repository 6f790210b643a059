// The track of one stem on the page: mute, solo, volume, waveform, and the message if the stem fails to load.

import { dataValue, query } from "../dom.js";
import { showWaveform } from "./waveform.js";

/** @import { TrackSettings } from "./mix.js" */

/**
 * What a track calls when a person uses it. Fractions are of the song, 0 to 1.
 * @typedef {object} TrackHandlers
 * @property {(name: string, change: Partial<TrackSettings>) => void} onChange
 * @property {(fraction: number | null) => void} onPreview called while the pointer is down, with null if cancelled
 * @property {(fraction: number) => void} onSeek
 * @property {(name: string) => void} onRetry
 */

export class Track {
  /**
   * @param {HTMLElement} element
   * @param {TrackHandlers} handlers
   */
  constructor(element, handlers) {
    this.element = element;
    this.handlers = handlers;
    this.name = dataValue(element, "stem");
    this.mute = query(element, "[data-mute]", HTMLButtonElement);
    this.solo = query(element, "[data-solo]", HTMLButtonElement);
    this.volume = query(element, "[data-volume]", HTMLInputElement);
    this.wave = query(element, "[data-wave]", HTMLElement);
    this.problem = query(element, "[data-problem]", HTMLElement);
    this.#listenToControls();
    this.#listenToWaveform();
  }

  /**
   * Draw the waveform.
   * @param {string} url of the peaks
   */
  async draw(url) {
    const response = await fetch(url);
    if (response.ok) {
      const { points } = /** @type {{ points: number[] }} */ (await response.json());
      showWaveform(this.wave, points);
    }
  }

  /**
   * Show the settings of the stem.
   * @param {TrackSettings} settings
   * @param {boolean} audible whether the stem is heard in the mix
   */
  show({ volume, muted, solo }, audible) {
    this.mute.setAttribute("aria-pressed", String(muted));
    this.solo.setAttribute("aria-pressed", String(solo));
    this.volume.value = String(volume);
    this.volume.setAttribute("aria-valuetext", `${Math.round(volume * 100)} %`);
    this.volume.style.setProperty("--level", `${(volume / Number(this.volume.max)) * 100}%`);
    this.element.classList.toggle("is-silent", !audible);
  }

  /** Show that the stem failed to load. */
  fail() {
    this.problem.hidden = false;
  }

  #listenToControls() {
    const { onChange, onRetry } = this.handlers;
    this.mute.addEventListener("click", () => onChange(this.name, { muted: !isPressed(this.mute) }));
    this.solo.addEventListener("click", () => onChange(this.name, { solo: !isPressed(this.solo) }));
    this.volume.addEventListener("input", () => onChange(this.name, { volume: Number(this.volume.value) }));
    this.volume.addEventListener("dblclick", () => onChange(this.name, { volume: 1 }));
    query(this.element, "[data-retry]", HTMLButtonElement).addEventListener("click", () => {
      this.problem.hidden = true;
      onRetry(this.name);
    });
  }

  #listenToWaveform() {
    const { onPreview, onSeek } = this.handlers;
    this.wave.addEventListener("pointerdown", (event) => {
      if (event.button === 0) {
        this.wave.setPointerCapture(event.pointerId);
        onPreview(this.#fractionAt(event));
      }
    });
    this.wave.addEventListener("pointermove", (event) => {
      if (this.wave.hasPointerCapture(event.pointerId)) {
        onPreview(this.#fractionAt(event));
      }
    });
    this.wave.addEventListener("pointerup", (event) => onSeek(this.#fractionAt(event)));
    this.wave.addEventListener("pointercancel", () => onPreview(null)); // the gesture scrolls the page instead
  }

  /**
   * @param {PointerEvent} event
   * @returns {number} where in the song the pointer is, 0 to 1
   */
  #fractionAt(event) {
    const { left, width } = this.wave.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width));
  }
}

/**
 * @param {HTMLButtonElement} button
 * @returns {boolean}
 */
function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

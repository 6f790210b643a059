// One stem's lane: mute, solo, volume, waveform, and what to do when it does not load.

import { showWaveform } from "./waveform.js";

export class Lane {
  /** `changed(name, change)` is told what a person does; `preview` and `seek` where in the song they point, 0 to 1. */
  constructor(element, { changed, preview, seek, retry }) {
    this.name = element.dataset.stem;
    this.element = element;
    this.mute = element.querySelector("[data-mute]");
    this.solo = element.querySelector("[data-solo]");
    this.volume = element.querySelector("[data-volume]");
    this.problem = element.querySelector("[data-problem]");
    this.mute.addEventListener("click", () => changed(this.name, { muted: !isPressed(this.mute) }));
    this.solo.addEventListener("click", () => changed(this.name, { solo: !isPressed(this.solo) }));
    this.volume.addEventListener("input", () => changed(this.name, { volume: Number(this.volume.value) }));
    this.volume.addEventListener("dblclick", () => changed(this.name, { volume: 1 }));
    element.querySelector("[data-retry]").addEventListener("click", () => this.#again(retry));
    this.#pointAt(element.querySelector("[data-wave]"), { preview, seek });
  }

  async draw(url) {
    const answer = await fetch(url);
    if (answer.ok) showWaveform(this.element.querySelector("[data-wave]"), (await answer.json()).points);
  }

  /** `heard`: whether the mix lets this stem through. */
  show({ volume, muted, solo }, heard) {
    this.mute.setAttribute("aria-pressed", muted);
    this.solo.setAttribute("aria-pressed", solo);
    this.volume.value = volume;
    this.volume.setAttribute("aria-valuetext", `${Math.round(volume * 100)} %`);
    this.volume.style.setProperty("--level", `${(volume / Number(this.volume.max)) * 100}%`);
    this.element.classList.toggle("is-silent", !heard);
  }

  fail() {
    this.problem.hidden = false;
  }

  #again(retry) {
    this.problem.hidden = true;
    retry(this.name);
  }

  #pointAt(wave, { preview, seek }) {
    const fraction = (event) => {
      const { left, width } = wave.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - left) / width));
    };
    wave.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      wave.setPointerCapture(event.pointerId);
      preview(fraction(event));
    });
    wave.addEventListener("pointermove", (event) => wave.hasPointerCapture(event.pointerId) && preview(fraction(event)));
    wave.addEventListener("pointerup", (event) => seek(fraction(event)));
    wave.addEventListener("pointercancel", () => preview(null)); // the finger scrolls the page instead
  }
}

export function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

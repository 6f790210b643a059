// The player on the page: lanes, transport bar, and the one animation that moves the playheads.

import { Lane } from "./lane.js";
import { recall, remember } from "./memory.js";

const STEP = 5; // s, per arrow key

export class PlayerView {
  constructor(element, player) {
    Object.assign(this, { element, player, song: element.dataset.song, previewed: null });
    this.button = element.querySelector("[data-play]");
    this.bar = element.querySelector("[data-seek]");
    this.now = element.querySelector("[data-now]");
    this.lanes = [...element.querySelectorAll("[data-stem]")].map((lane) => new Lane(lane, this.#wires()));
    this.#restore();
    this.#listen();
    this.#drawLanes();
    this.#refresh();
    element.hidden = false;
  }

  toggle() {
    this.player.toggle();
  }

  /** Move by a number of arrow keys, backwards if negative. */
  step(count) {
    this.#seek(this.player.position + count * STEP);
  }

  /** Flip "muted" or "solo" of the lane at `index`. */
  flip(index, what) {
    const lane = this.lanes[index];
    if (lane) this.#change(lane.name, { [what]: !this.player.settings.get(lane.name)[what] });
  }

  #wires() {
    return {
      changed: (name, change) => this.#change(name, change),
      preview: (fraction) => this.#preview(fraction === null ? null : fraction * this.player.duration),
      seek: (fraction) => this.#seek(fraction * this.player.duration),
      retry: (name) => this.player.retry(name),
    };
  }

  #listen() {
    this.button.addEventListener("click", () => this.toggle());
    this.bar.addEventListener("input", () => this.#preview(Number(this.bar.value)));
    this.bar.addEventListener("change", () => this.#seek(Number(this.bar.value)));
    this.bar.addEventListener("keydown", (event) => this.#stepByKey(event));
    this.player.addEventListener("change", () => this.#showState());
    this.player.addEventListener("ended", () => this.#refresh());
    this.player.addEventListener("failed", ({ detail }) => this.#lane(detail)?.fail());
  }

  #lane(name) {
    return this.lanes.find((lane) => lane.name === name);
  }

  #drawLanes() {
    for (const lane of this.lanes) lane.draw(this.player.data.stems.find((stem) => stem.name === lane.name).peaks);
  }

  #restore() {
    for (const [name, settings] of Object.entries(recall(this.song))) {
      if (this.player.settings.has(name)) this.player.set(name, settings);
    }
    this.#showMix();
  }

  #change(name, change) {
    this.player.set(name, change);
    remember(this.song, this.player.settings);
    this.#showMix();
  }

  #showMix() {
    const all = [...this.player.settings.values()];
    const anySolo = all.some((settings) => settings.solo);
    for (const lane of this.lanes) {
      const settings = this.player.settings.get(lane.name);
      lane.show(settings, !settings.muted && (settings.solo || !anySolo));
    }
  }

  #seek(seconds) {
    this.player.seek(seconds);
    this.#preview(null);
  }

  /** Show where a drag would lead, without going there yet; null ends it. */
  #preview(seconds) {
    this.previewed = seconds;
    this.#refresh();
  }

  #stepByKey(event) {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.step(step);
  }

  #showState() {
    const { state } = this.player;
    this.element.dataset.state = state;
    this.button.setAttribute("aria-label", this.button.dataset[state === "paused" ? "labelPlay" : "labelPause"]);
    this.element.setAttribute("aria-busy", state === "loading");
    if (state === "playing") this.#animate();
    else this.#refresh();
  }

  #animate() {
    this.#refresh();
    if (this.player.state === "playing") requestAnimationFrame(() => this.#animate());
  }

  #refresh() {
    const { duration } = this.player;
    const position = this.previewed ?? this.player.position;
    const text = clock(position);
    this.element.style.setProperty("--at", `${(position / duration) * 100}%`);
    if (this.previewed === null) this.bar.value = position;
    if (this.now.textContent !== text) {
      this.now.textContent = text;
      this.bar.setAttribute("aria-valuetext", `${text} / ${clock(duration)}`);
    }
  }
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

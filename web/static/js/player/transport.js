// Play, pause and seek for all stems. They share one clock, and positions are whole samples, so chunks join exactly.

import { ChunkLoader } from "./chunk-loader.js";
import { SAMPLE_RATE } from "./mp3-frames.js";
import { PlaybackClock } from "./playback-clock.js";
import { PlaybackRun } from "./playback-run.js";
import { ScheduledSources } from "./scheduled-sources.js";

/** @import { Mixer } from "./mixer.js" */
/** @import { Mp3Layout } from "./mp3-frames.js" */
/** @import { RunEnd } from "./playback-run.js" */
/** @import { StemSource } from "./stem-source.js" */

/** @typedef {"paused" | "loading" | "playing"} TransportState */

const START_DELAY = 0.05; // seconds from the decision to play to the first sample, doubled where that was too short
const MAX_START_DELAY = 0.8; // seconds

/** Fires "change" when `state` changes, "ended", and "failed" with the name of a stem as `detail`. */
export class Transport extends EventTarget {
  /** @type {TransportState} */
  state = "paused";
  /** @type {PlaybackRun | null} */
  #run = null;
  /** @type {Mp3Layout | null} */
  #layout = null;
  #attempt = 0; // counts attempts to begin: one that finds another number after waiting gives up
  #startDelay = START_DELAY;

  /**
   * @param {AudioContext} context
   * @param {Map<string, StemSource>} sources by the name of the stem
   * @param {Mixer} mixer
   */
  constructor(context, sources, mixer) {
    super();
    this.context = context;
    this.mixer = mixer;
    this.clock = new PlaybackClock(context);
    this.loader = new ChunkLoader(sources, (name) => {
      this.dispatchEvent(new CustomEvent("failed", { detail: name }));
    });
    this.sources = new ScheduledSources(context, mixer);
    context.addEventListener("statechange", () => {
      if (context.state !== "running" && this.state === "playing") {
        this.pause();
      }
    });
  }

  /** Seconds into the song. */
  get position() {
    return this.clock.sample / SAMPLE_RATE;
  }

  /** Call it during a gesture, because browsers allow no sound before one. */
  async play() {
    if (this.state !== "paused") {
      return;
    }
    const attempt = ++this.#attempt;
    this.#setState("loading");
    await this.context.resume();
    if (attempt === this.#attempt) {
      this.#begin();
    }
  }

  pause() {
    if (this.state !== "paused") {
      this.#stop("paused");
    }
  }

  /** @param {number} seconds into the song */
  seek(seconds) {
    const continues = this.state !== "paused";
    this.#stop(continues ? "loading" : "paused", Math.max(0, Math.round(seconds * SAMPLE_RATE)));
    if (continues) {
      this.#begin();
    }
  }

  /**
   * Load a stem again that failed.
   * @param {string} name
   */
  retry(name) {
    this.loader.retry(name);
    this.seek(this.position);
  }

  /** Play from the current position, until the end or until `#stop` is called. */
  async #begin() {
    const attempt = ++this.#attempt;
    const layout = (this.#layout ??= await this.loader.loadLayout());
    if (attempt !== this.#attempt) {
      return;
    }
    if (!layout) {
      this.#stop("paused");
      return;
    }
    if (this.clock.sample >= layout.samples) {
      this.clock.stop(0);
    }
    const run = new PlaybackRun(layout, this);
    this.#run = run;
    const end = await run.play(this.#startDelay, () => this.#setState("playing"));
    if (run === this.#run) {
      this.#finishRun(end);
    }
  }

  /** @param {RunEnd} end */
  #finishRun({ reason, sample }) {
    if (reason === "late") {
      this.#startDelay = Math.min(MAX_START_DELAY, this.#startDelay * 2);
    }
    const continues = reason === "late" || reason === "starved";
    this.#stop(continues ? "loading" : "paused", sample);
    if (continues) {
      this.#begin();
    } else if (reason === "finished") {
      this.dispatchEvent(new Event("ended"));
    }
  }

  /**
   * @param {TransportState} state
   * @param {number} [sample] of the song to stop at, the current one if not given
   */
  #stop(state, sample) {
    this.#attempt++;
    this.#run?.stop();
    this.#run = null;
    this.clock.stop(sample);
    this.sources.stopAll(this.mixer.fadeOut());
    this.#setState(state);
  }

  /** @param {TransportState} state */
  #setState(state) {
    if (state !== this.state) {
      this.state = state;
      this.dispatchEvent(new Event("change"));
    }
  }
}

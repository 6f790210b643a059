// The position in the song, counted in whole samples of the audio context, so that stems cannot drift apart.

import { SAMPLE_RATE } from "./mp3-frames.js";

/**
 * @typedef {object} Anchor ties the clock of the context to the song while the clock runs
 * @property {number} contextFrame sample of the context at which the song starts to play
 * @property {number} songSample sample of the song that plays then
 * @property {number} songLength samples
 */

export class PlaybackClock {
  /** @type {Anchor | null} null while the clock is stopped */
  #anchor = null;

  #stoppedAt = 0; // samples into the song

  /** @param {BaseAudioContext} context at SAMPLE_RATE */
  constructor(context) {
    this.context = context;
  }

  /** Samples into the song. */
  get sample() {
    if (!this.#anchor) {
      return this.#stoppedAt;
    }
    const { contextFrame, songSample, songLength } = this.#anchor;
    const played = Math.round(this.context.currentTime * SAMPLE_RATE) - contextFrame;
    return Math.min(songLength, songSample + Math.max(0, played));
  }

  /** Sample of the song that the clock started from, or stopped at. */
  get startSample() {
    return this.#anchor ? this.#anchor.songSample : this.#stoppedAt;
  }

  /** Whether the clock runs and the moment to start has passed. */
  get hasStarted() {
    return this.#anchor !== null && this.context.currentTime * SAMPLE_RATE >= this.#anchor.contextFrame;
  }

  /**
   * Start from the current position.
   * @param {number} delay seconds until the first sample plays
   * @param {number} songLength samples
   */
  start(delay, songLength) {
    const contextFrame = Math.ceil((this.context.currentTime + delay) * SAMPLE_RATE);
    this.#anchor = { contextFrame, songSample: this.#stoppedAt, songLength };
  }

  /**
   * Stop at a position.
   * @param {number} [sample] of the song, the current one if not given
   */
  stop(sample = this.sample) {
    this.#stoppedAt = sample;
    this.#anchor = null;
  }

  /**
   * When a sample of the song plays. Throws while the clock is stopped.
   * @param {number} sample
   * @returns {number} seconds on the clock of the context
   */
  contextTime(sample) {
    if (!this.#anchor) {
      throw new Error("the clock is stopped");
    }
    return (this.#anchor.contextFrame + sample - this.#anchor.songSample) / SAMPLE_RATE;
  }
}

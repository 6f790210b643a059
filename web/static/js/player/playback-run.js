// One run of playback, from a start to the next stop: it loads chunks ahead of the playhead and schedules them.

import { chunkCount, chunkIndexAt, chunkSampleRange } from "./mp3-chunks.js";
import { SAMPLE_RATE } from "./mp3-frames.js";

/** @import { ChunkLoader, StemChunk } from "./chunk-loader.js" */
/** @import { Mixer } from "./mixer.js" */
/** @import { Mp3Layout } from "./mp3-frames.js" */
/** @import { PlaybackClock } from "./playback-clock.js" */
/** @import { ScheduledSources } from "./scheduled-sources.js" */

/**
 * What all runs of a transport share.
 * @typedef {{ clock: PlaybackClock, loader: ChunkLoader, mixer: Mixer, sources: ScheduledSources }} PlaybackParts
 */

/**
 * Why a run ended:
 * - finished: the song is over.
 * - failed: no stem loaded.
 * - late: the device was so busy that the moment to start had passed before all stems were scheduled.
 * - starved: the next chunk did not load in time.
 * - stopped: `stop` was called.
 * @typedef {"finished" | "failed" | "late" | "starved" | "stopped"} RunEndReason
 */

/** @typedef {{ reason: RunEndReason, sample: number }} RunEnd with the sample of the song where to continue */

const LOOKAHEAD = 24 * SAMPLE_RATE; // samples scheduled ahead: enough for a short loss of the network
const CHECK_INTERVAL_MS = 200;

export class PlaybackRun {
  #isActive = true;
  #isLoading = false;
  #nextChunk = 0;
  #scheduledTo = 0; // sample of the song up to which chunks are scheduled

  /**
   * @param {Mp3Layout} layout
   * @param {PlaybackParts} parts the clock is stopped at the sample to start from
   */
  constructor(layout, { clock, loader, mixer, sources }) {
    this.layout = layout;
    this.clock = clock;
    this.loader = loader;
    this.mixer = mixer;
    this.sources = sources;
  }

  /**
   * Load the chunk at the position of the clock, start the clock, and keep chunks scheduled ahead of the playhead.
   * @param {number} delay seconds until the first sample plays
   * @param {() => void} onStart called when playback has begun
   * @returns {Promise<RunEnd>} when the run has ended
   */
  async play(delay, onStart) {
    const { clock, loader, mixer } = this;
    const start = clock.sample;
    const index = chunkIndexAt(this.layout, start);
    const stems = await loader.loadChunk(index, index);
    if (!this.#isActive) {
      return { reason: "stopped", sample: start };
    }
    if (loader.allFailed) {
      return { reason: "failed", sample: start };
    }
    clock.start(delay, this.layout.samples);
    mixer.fadeIn(clock.contextTime(start));
    this.#schedule(index, stems);
    if (clock.hasStarted) {
      return { reason: "late", sample: start };
    }
    onStart();
    return this.#keepAhead();
  }

  /** @returns {Promise<RunEnd>} */
  async #keepAhead() {
    while (this.#isActive) {
      const { sample } = this.clock;
      if (sample >= this.layout.samples) {
        return { reason: "finished", sample: 0 };
      }
      if (sample >= this.#scheduledTo) {
        return { reason: "starved", sample: this.#scheduledTo };
      }
      const hasNext = this.#nextChunk < chunkCount(this.layout);
      if (hasNext && !this.#isLoading && this.#scheduledTo - sample < LOOKAHEAD) {
        this.#loadNext();
      }
      await new Promise((resolve) => setTimeout(resolve, CHECK_INTERVAL_MS));
    }
    return { reason: "stopped", sample: this.clock.sample };
  }

  /** Give up what is being loaded. */
  stop() {
    this.#isActive = false;
  }

  /** A chunk that comes too late is not scheduled: the run is about to end as starved. */
  async #loadNext() {
    const index = this.#nextChunk;
    this.#isLoading = true;
    const stems = await this.loader.loadChunk(index, chunkIndexAt(this.layout, this.clock.sample));
    this.#isLoading = false;
    if (this.#isActive && this.clock.sample < this.#scheduledTo) {
      this.#schedule(index, stems);
    }
  }

  /**
   * Schedule a chunk of all stems. What lies before the start of the run is skipped.
   * @param {number} index
   * @param {StemChunk[]} stems
   */
  #schedule(index, stems) {
    const { start, length } = chunkSampleRange(this.layout, index);
    const skipped = Math.max(0, this.clock.startSample - start);
    const when = this.clock.contextTime(start + skipped);
    for (const [name, buffer] of stems) {
      if (buffer) {
        this.sources.schedule(name, buffer, when, skipped / SAMPLE_RATE);
      }
    }
    this.#scheduledTo = start + length;
    this.#nextChunk = index + 1;
  }
}

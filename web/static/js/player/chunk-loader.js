// Loads the same chunk of all stems together. A stem that fails to load is reported and left out.

/** @import { Mp3Layout } from "./mp3-frames.js" */
/** @import { StemSource } from "./stem-source.js" */

/** @typedef {[name: string, buffer: AudioBuffer | null]} StemChunk a chunk of a stem, null if it failed to load */

const KEEP_BEHIND = 2; // chunks kept for seeking back

export class ChunkLoader {
  /** @type {Set<string>} names of the stems that failed to load */
  #failed = new Set();

  /**
   * @param {Map<string, StemSource>} sources by the name of the stem
   * @param {(name: string) => void} onFailure called with the name of a stem that failed to load
   */
  constructor(sources, onFailure) {
    this.sources = sources;
    this.onFailure = onFailure;
  }

  /** Whether every stem has failed, so that there is nothing to play. */
  get allFailed() {
    return this.#failed.size === this.sources.size;
  }

  /**
   * Let a stem that failed be loaded again.
   * @param {string} name
   */
  retry(name) {
    this.#failed.delete(name);
  }

  /**
   * The layout that all stems share.
   * @returns {Promise<Mp3Layout | null>} null if no stem loads
   */
  async loadLayout() {
    const loading = [...this.sources].map(([name, source]) => source.layout().catch(() => this.#fail(name)));
    const layouts = await Promise.all(loading);
    return layouts.find((layout) => layout !== null) ?? null;
  }

  /**
   * @param {number} index of the chunk to load
   * @param {number} current index of the chunk that plays: chunks well before it are dropped
   * @returns {Promise<StemChunk[]>} one of each stem
   */
  loadChunk(index, current) {
    const loading = [...this.sources].map(([name, source]) => {
      source.keepOnly(current - KEEP_BEHIND, index + 1);
      return this.#loadStem(name, source, index);
    });
    return Promise.all(loading);
  }

  /**
   * @param {string} name
   * @param {StemSource} source
   * @param {number} index
   * @returns {Promise<StemChunk>}
   */
  async #loadStem(name, source, index) {
    if (this.#failed.has(name)) {
      return [name, null];
    }
    return [name, await source.chunk(index).catch(() => this.#fail(name))];
  }

  /**
   * @param {string} name
   * @returns {null}
   */
  #fail(name) {
    this.#failed.add(name);
    this.onFailure(name);
    return null;
  }
}

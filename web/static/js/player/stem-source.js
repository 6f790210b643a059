// The sound of one stem in chunks. A chunk is fetched by byte range, decoded, and kept while it is near the playhead.

import { assembleChunk, chunkByteRange, chunkSampleRange } from "./mp3-chunks.js";
import { HEAD_BYTES, SAMPLE_RATE, parseLayout } from "./mp3-frames.js";

/** @import { Bytes, Mp3Layout } from "./mp3-frames.js" */

const RETRY_DELAYS = [400, 1500]; // ms before the second and the third attempt

export class StemSource {
  /** @type {Map<number, Promise<AudioBuffer>>} by the index of the chunk */
  #chunks = new Map();

  /** @type {Promise<Mp3Layout> | undefined} */
  #layout;

  /**
   * @param {string} url of the MP3 file
   * @param {BaseAudioContext} decoder at SAMPLE_RATE
   */
  constructor(url, decoder) {
    this.url = url;
    this.decoder = decoder;
  }

  /**
   * The layout of the file. After a failure the next call fetches it again.
   * @returns {Promise<Mp3Layout>}
   */
  layout() {
    this.#layout ??= this.#loadLayout();
    return this.#layout;
  }

  /**
   * Exactly the samples that `chunkSampleRange` names. After a failure the next call loads the chunk again.
   * @param {number} index
   * @returns {Promise<AudioBuffer>}
   */
  chunk(index) {
    const known = this.#chunks.get(index);
    if (known) {
      return known;
    }
    const loading = this.#loadChunk(index);
    this.#chunks.set(index, loading);
    loading.catch(() => this.#chunks.delete(index));
    return loading;
  }

  /**
   * Drop all chunks outside a range.
   * @param {number} first index
   * @param {number} last index, included
   */
  keepOnly(first, last) {
    for (const index of this.#chunks.keys()) {
      if (index < first || index > last) {
        this.#chunks.delete(index);
      }
    }
  }

  async #loadLayout() {
    try {
      return parseLayout(await this.#fetch(0, HEAD_BYTES));
    } catch (error) {
      this.#layout = undefined;
      throw error;
    }
  }

  /** @param {number} index */
  async #loadChunk(index) {
    const layout = await this.layout();
    const { start, end } = chunkByteRange(layout, index);
    const frames = assembleChunk(layout, index, await this.#fetch(start, end));
    const decoded = await this.decoder.decodeAudioData(frames.buffer);
    const { drop, length } = chunkSampleRange(layout, index);
    return trim(decoded, drop, length);
  }

  /**
   * Fetch bytes `start` to `end`, which is not included, in three attempts.
   * @param {number} start
   * @param {number} end
   */
  async #fetch(start, end) {
    for (const delay of RETRY_DELAYS) {
      try {
        return await fetchRange(this.url, start, end);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
    return fetchRange(this.url, start, end);
  }
}

/**
 * @param {string} url
 * @param {number} start
 * @param {number} end not included
 * @returns {Promise<Bytes>}
 */
async function fetchRange(url, start, end) {
  const response = await fetch(url, { headers: { Range: `bytes=${start}-${end - 1}` } });
  if (!response.ok) {
    throw new Error(`${url}: ${response.status}`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  return response.status === 206 ? bytes : bytes.slice(start, end); // a proxy may ignore ranges
}

/**
 * @param {AudioBuffer} decoded
 * @param {number} drop samples at the start
 * @param {number} length samples to keep
 * @returns {AudioBuffer}
 */
function trim(decoded, drop, length) {
  const { numberOfChannels } = decoded;
  const buffer = new AudioBuffer({ length: Math.max(1, length), numberOfChannels, sampleRate: SAMPLE_RATE });
  for (let channel = 0; channel < numberOfChannels; channel++) {
    buffer.copyToChannel(decoded.getChannelData(channel).subarray(drop, drop + length), channel);
  }
  return buffer;
}

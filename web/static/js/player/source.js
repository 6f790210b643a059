// One stem's sound, a chunk at a time: fetched by byte range, decoded, kept while it is near.

import { HEAD_BYTES, RATE, bytesOf, decodable, layoutOf, samplesOf } from "./frames.js";

const PAUSES = [400, 1500]; // ms before the second and the third try

export class StemSource {
  /** `url` of the MP3; `decoder` a BaseAudioContext at RATE. */
  constructor(url, decoder) {
    this.url = url;
    this.decoder = decoder;
    this.chunks = new Map(); // index to a promise of an AudioBuffer
  }

  /** The layout of the file. A failure is not remembered: asking again tries again. */
  layout() {
    this.opened ??= this.#fetch(0, HEAD_BYTES).then(layoutOf).catch((error) => {
      this.opened = undefined;
      throw error;
    });
    return this.opened;
  }

  /** A promise of exactly the samples that `samplesOf` names. */
  chunk(index) {
    if (!this.chunks.has(index)) {
      const loading = this.#load(index);
      this.chunks.set(index, loading);
      loading.catch(() => this.chunks.delete(index));
    }
    return this.chunks.get(index);
  }

  /** Let go of all chunks outside `first` to `last`. */
  keepOnly(first, last) {
    for (const index of this.chunks.keys()) {
      if (index < first || index > last) this.chunks.delete(index);
    }
  }

  async #load(index) {
    const layout = await this.layout();
    const { start, end } = bytesOf(layout, index);
    const run = decodable(layout, index, await this.#fetch(start, end));
    return trimmed(await this.decoder.decodeAudioData(run.buffer), samplesOf(layout, index));
  }

  async #fetch(start, end) {
    for (const pause of PAUSES) {
      try {
        return await fetchRange(this.url, start, end);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    return fetchRange(this.url, start, end);
  }
}

async function fetchRange(url, start, end) {
  const answer = await fetch(url, { headers: { Range: `bytes=${start}-${end - 1}` } });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return answer.status === 206 ? bytes : bytes.slice(start, end); // a proxy may ignore ranges
}

function trimmed(decoded, { length, drop }) {
  const buffer = new AudioBuffer({ length: Math.max(1, length), numberOfChannels: decoded.numberOfChannels, sampleRate: RATE });
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    buffer.copyToChannel(decoded.getChannelData(channel).subarray(drop, drop + length), channel);
  }
  return buffer;
}

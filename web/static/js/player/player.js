// The player without its view: stem sources, mixer and transport.

import { defaultMix, settingsOf } from "./mix.js";
import { Mixer } from "./mixer.js";
import { chunkIndexAt } from "./mp3-chunks.js";
import { SAMPLE_RATE } from "./mp3-frames.js";
import { StemSource } from "./stem-source.js";
import { Transport } from "./transport.js";

/** @import { TrackSettings } from "./mix.js" */
/** @import { TransportState } from "./transport.js" */

/**
 * What the song page gives to the player.
 * @typedef {object} PlayerData
 * @property {number} duration seconds
 * @property {number} gain that all stems were multiplied by when they were written
 * @property {StemData[]} stems
 * @property {string} plays_url address that counts a play
 */

/**
 * @typedef {object} StemData
 * @property {string} name
 * @property {string} mp3 address of the sound
 * @property {string} peaks address of the peaks for the waveform
 */

const END_MARGIN = 0.25; // seconds before the end that a seek goes to at most

/** Fires "change", "ended" and "failed" like Transport. */
export class Player extends EventTarget {
  /** @type {Mixer | null} */
  #mixer = null;

  /** @type {Transport | null} */
  #transport = null;

  #start = 0; // seconds: where to begin, until there is a transport

  /** @param {PlayerData} data */
  constructor(data) {
    super();
    this.data = data;
    /** Seconds. */
    this.duration = data.duration;
    this.mix = defaultMix(data.stems.map((stem) => stem.name));
    // An OfflineAudioContext decodes before any gesture; an AudioContext may not.
    const decoder = new OfflineAudioContext(2, 1, SAMPLE_RATE);
    this.sources = new Map(data.stems.map((stem) => [stem.name, new StemSource(stem.mp3, decoder)]));
  }

  /** @returns {TransportState} */
  get state() {
    return this.#transport?.state ?? "paused";
  }

  /** Seconds into the song. */
  get position() {
    return this.#transport?.position ?? this.#start;
  }

  /** Load the first chunk of all stems, so that playback begins without delay. A failure is reported when it begins. */
  async prepare() {
    const loading = [...this.sources.values()].map(async (source) => {
      const layout = await source.layout();
      await source.chunk(chunkIndexAt(layout, this.#start * SAMPLE_RATE));
    });
    await Promise.allSettled(loading);
  }

  /** Play or pause. Call it during a gesture, because browsers allow no sound before one. */
  toggle() {
    const transport = this.#openTransport();
    if (transport.state === "paused") {
      transport.play();
    } else {
      transport.pause();
    }
  }

  /** @param {number} seconds into the song, limited to its length */
  seek(seconds) {
    const target = Math.min(Math.max(0, seconds), Math.max(0, this.duration - END_MARGIN));
    if (this.#transport) {
      this.#transport.seek(target);
    } else {
      this.#start = target;
    }
  }

  /**
   * Change some settings of a stem.
   * @param {string} name
   * @param {Partial<TrackSettings>} change
   */
  set(name, change) {
    Object.assign(settingsOf(this.mix, name), change);
    this.#mixer?.update();
  }

  /**
   * Load a stem again that failed.
   * @param {string} name
   */
  retry(name) {
    this.#transport?.retry(name);
  }

  /** The transport, which is made when sound is wanted for the first time. */
  #openTransport() {
    if (this.#transport) {
      return this.#transport;
    }
    playWithRingerOff();
    const context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: "playback" });
    this.#mixer = new Mixer(context, this.mix, this.data.gain);
    this.#transport = new Transport(context, this.sources, this.#mixer);
    this.#transport.seek(this.#start);
    for (const type of ["change", "ended", "failed"]) {
      this.#transport.addEventListener(type, (event) => this.#forward(event));
    }
    return this.#transport;
  }

  /** @param {Event} event of the transport */
  #forward(event) {
    const detail = event instanceof CustomEvent ? event.detail : null;
    this.dispatchEvent(new CustomEvent(event.type, { detail }));
  }
}

/** iPhones play media with the ringer off, but other sounds not. TypeScript does not know this part of Navigator. */
function playWithRingerOff() {
  const { audioSession } = /** @type {Navigator & { audioSession?: { type: string } }} */ (navigator);
  if (audioSession) {
    audioSession.type = "playback";
  }
}

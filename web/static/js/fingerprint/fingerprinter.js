// Makes the fingerprints of files, one after the other, as long as that is faster than sending the files.

import { decodeFile } from "./decode.js";

/** @import { DecodedAudio } from "./decode.js" */
/** @import { FingerprintResult } from "./worker.js" */

const TIMEOUT_MS = 10_000; // for one file; a device that needs longer is not asked again

export class Fingerprinter {
  /** @type {Promise<FingerprintResult | null>} the last file of the queue */
  #last = Promise.resolve(null);

  /** @type {Worker | null} */
  #worker = null;

  #isTooSlow = false;

  /**
   * @param {string} workerUrl
   * @param {number} maxSeconds longer files get no fingerprint
   */
  constructor(workerUrl, maxSeconds) {
    this.workerUrl = workerUrl;
    this.maxSeconds = maxSeconds;
  }

  /**
   * The fingerprint of a file, when those before it are done. Never rejects.
   * @param {File} file
   * @param {AbortSignal} signal cancels it while it waits
   * @returns {Promise<FingerprintResult | null>} null if there is none
   */
  fingerprint(file, signal) {
    this.#last = this.#last
      .then(() => (signal.aborted || this.#isTooSlow ? null : this.#fingerprintInTime(file)))
      .catch(() => null);
    return this.#last;
  }

  /**
   * @param {File} file
   * @returns {Promise<FingerprintResult | null>}
   */
  #fingerprintInTime(file) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @type {Promise<null>} */
    const timeout = new Promise((resolve) => {
      timer = setTimeout(() => resolve(this.#giveUp()), TIMEOUT_MS);
    });
    return Promise.race([this.#decodeAndFingerprint(file), timeout]).finally(() => clearTimeout(timer));
  }

  /**
   * @param {File} file
   * @returns {Promise<FingerprintResult | null>}
   */
  async #decodeAndFingerprint(file) {
    const audio = await decodeFile(file, this.maxSeconds);
    return audio && !this.#isTooSlow ? this.#runWorker(audio) : null;
  }

  /**
   * @param {DecodedAudio} audio its memory is handed over, not copied
   * @returns {Promise<FingerprintResult | null>}
   */
  #runWorker(audio) {
    const worker = (this.#worker ??= new Worker(this.workerUrl, { type: "module" }));
    return new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = () => resolve(this.#giveUp()); // the worker failed to start
      worker.postMessage(audio, audio.channels.map((channel) => channel.buffer));
    });
  }

  /** @returns {null} */
  #giveUp() {
    this.#isTooSlow = true;
    this.#worker?.terminate();
    return null;
  }
}

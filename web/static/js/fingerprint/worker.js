// The worker: it gets decoded audio and answers with a fingerprint, or with null if there is none.

import { computeFingerprint } from "./chromaprint.js";
import { downmix } from "./downmix.js";

/** @import { DecodedAudio } from "./decode.js" */

/**
 * @typedef {object} FingerprintResult
 * @property {Uint32Array} fingerprint
 * @property {Uint32Array} shifted the half-hop variant: the fingerprint without the first half hop
 * @property {number} duration seconds
 */

const HALF_HOP = 683; // samples; a recording that was cut there matches by the half-hop variant

addEventListener("message", async (event) => {
  postMessage(await fingerprintAudio(/** @type {MessageEvent<DecodedAudio>} */ (event).data));
});

/**
 * @param {DecodedAudio} audio
 * @returns {Promise<FingerprintResult | null>}
 */
async function fingerprintAudio({ channels, rate }) {
  try {
    const samples = downmix(channels);
    const fingerprint = await computeFingerprint(samples, rate);
    const shifted = await computeFingerprint(samples.subarray(HALF_HOP), rate);
    return { fingerprint, shifted, duration: samples.length / rate };
  } catch {
    return null;
  }
}

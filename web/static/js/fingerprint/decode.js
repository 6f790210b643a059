// Decodes an audio file with the browser's own decoder, which works outside the thread of the page.

const SAMPLE_RATE = 11_025; // Hz, at which Chromaprint works: a quarter of the memory
const MAX_SECONDS = 20 * 60; // more does not fit into the memory of a phone

/**
 * @typedef {object} DecodedAudio
 * @property {Float32Array<ArrayBuffer>[]} channels full scale is 1
 * @property {number} rate Hz
 */

/**
 * Decode a file. Throws if this browser cannot decode it.
 * @param {File} file
 * @param {number} maxSeconds
 * @returns {Promise<DecodedAudio | null>} null if it is longer than `maxSeconds`, or of unknown length
 */
export async function decodeFile(file, maxSeconds) {
  const duration = await readDuration(file);
  if (Number.isNaN(duration) || duration > Math.min(maxSeconds, MAX_SECONDS)) {
    return null;
  }
  const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
  const audio = await context.decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: audio.numberOfChannels }, (_, index) => audio.getChannelData(index));
  return { channels, rate: SAMPLE_RATE };
}

/**
 * The duration that the head of a file gives. Decoding a file of ten hours to find its duration would take all memory.
 * @param {File} file
 * @returns {Promise<number>} seconds
 */
function readDuration(file) {
  const audio = new Audio();
  const url = URL.createObjectURL(file);
  return new Promise((resolve, reject) => {
    audio.onloadedmetadata = () => resolve(audio.duration);
    audio.onerror = reject;
    audio.preload = "metadata";
    audio.src = url;
  }).finally(() => {
    audio.removeAttribute("src"); // the number of media players in a page is limited
    audio.load();
    URL.revokeObjectURL(url);
  });
}

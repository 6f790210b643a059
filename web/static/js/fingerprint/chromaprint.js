// Chromaprint on WebAssembly: the fingerprint of a whole song, as the server makes it in demixer/audio.

import loadChromaprint from "../../packages/chromaprint/dist/chromaprint.js";

/** @import { MainModule } from "../../packages/chromaprint/dist/chromaprint.js" */

const ALGORITHM_TEST2 = 1; // the default of Chromaprint
const BLOCK_SAMPLES = 1 << 16; // given to Chromaprint at a time
const BYTES_PER_SAMPLE = 2;
const BYTES_PER_POINTER = 4;

// Awaited where it is used: a worker loses messages that come while its module awaits something.
const loading = loadChromaprint();

/**
 * Make the fingerprint of a song. Throws if Chromaprint makes none.
 * @param {Int16Array} samples of one channel
 * @param {number} rate Hz
 * @returns {Promise<Uint32Array>} an item for each 0.1238 s
 */
export async function computeFingerprint(samples, rate) {
  const library = await loading;
  const context = library._chromaprint_new(ALGORITHM_TEST2);
  const memory = library._malloc(BYTES_PER_SAMPLE * BLOCK_SAMPLES);
  try {
    requireSuccess(library._chromaprint_start(context, rate, 1));
    for (let start = 0; start < samples.length; start += BLOCK_SAMPLES) {
      feed(library, context, memory, samples.subarray(start, start + BLOCK_SAMPLES));
    }
    requireSuccess(library._chromaprint_finish(context));
    return readFingerprint(library, context, memory);
  } finally {
    library._free(memory);
    library._chromaprint_free(context);
  }
}

/**
 * @param {MainModule} library
 * @param {number} context address of Chromaprint's state
 * @param {number} memory address of a buffer of BLOCK_SAMPLES
 * @param {Int16Array} block
 */
function feed(library, context, memory, block) {
  // HEAP16 is read anew each time, because it is another array after the memory has grown.
  library.HEAP16.set(block, memory / BYTES_PER_SAMPLE);
  requireSuccess(library._chromaprint_feed(context, memory, block.length));
}

/**
 * Read the fingerprint as unsigned numbers, and free Chromaprint's copy.
 * @param {MainModule} library
 * @param {number} context address of Chromaprint's state
 * @param {number} memory address of a buffer for two pointers
 * @returns {Uint32Array}
 */
function readFingerprint(library, context, memory) {
  requireSuccess(library._chromaprint_get_raw_fingerprint(context, memory, memory + BYTES_PER_POINTER));
  const heap = /** @type {Int32Array} */ (library.HEAP32);
  const address = heap[memory / BYTES_PER_POINTER];
  const count = heap[memory / BYTES_PER_POINTER + 1];
  const copy = new Uint32Array(heap.buffer, address, count).slice();
  library._free(address);
  return copy;
}

/** @param {number} status of a function of Chromaprint, 0 on failure */
function requireSuccess(status) {
  if (!status) {
    throw new Error("Chromaprint made no fingerprint");
  }
}

// Chromaprint on WebAssembly: the fingerprint of a whole song, as the server makes it (demixer/recognition/decoding.py).

import load from "../../packages/chromaprint/dist/chromaprint.js";

const TEST2 = 1; // Chromaprint's default algorithm
const BLOCK = 1 << 16; // samples it is given at a time

const loading = load(); // awaited where it is used: a worker loses messages that come while its module waits

/** `samples`: Int16Array of one channel. Returns Uint32Array, an item each 0.1238 s. Throws when there is none. */
export async function fingerprint(samples, rate) {
  const library = await loading;
  const context = library._chromaprint_new(TEST2);
  const memory = library._malloc(2 * BLOCK);
  try {
    must(library._chromaprint_start(context, rate, 1));
    for (let at = 0; at < samples.length; at += BLOCK) feed(library, context, memory, samples.subarray(at, at + BLOCK));
    must(library._chromaprint_finish(context));
    return items(library, context, memory);
  } finally {
    library._free(memory);
    library._chromaprint_free(context);
  }
}

function feed(library, context, memory, block) {
  library.HEAP16.set(block, memory / 2); // asked for each time: it is another one after the memory grew
  must(library._chromaprint_feed(context, memory, block.length));
}

/** Unsigned, as Chromaprint means them. */
function items(library, context, memory) {
  must(library._chromaprint_get_raw_fingerprint(context, memory, memory + 4));
  const [address, count] = library.HEAP32.subarray(memory / 4, memory / 4 + 2);
  const copy = new Uint32Array(library.HEAP32.buffer, address, count).slice();
  library._free(address);
  return copy;
}

function must(done) {
  if (!done) throw new Error("no fingerprint");
}

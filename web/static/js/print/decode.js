// A file to samples, by the browser's own decoder, which works beside the page's thread.

const RATE = 11_025; // Hz, at which Chromaprint works: a quarter of the memory
const MOST_SECONDS = 20 * 60; // more would not fit into the memory of a phone

/** `{ channels, rate }`, null for what is longer than `maxSeconds`. Throws for what this browser cannot decode. */
export async function decoded(file, maxSeconds) {
  if (!((await secondsOf(file)) <= Math.min(maxSeconds, MOST_SECONDS))) return null;
  const audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: audio.numberOfChannels }, (_, index) => audio.getChannelData(index));
  return { channels, rate: RATE };
}

/** What the head of the file says: decoding ten hours to find that they are too many would take all memory. */
function secondsOf(file) {
  const audio = new Audio();
  const url = URL.createObjectURL(file);
  return new Promise((resolve, reject) => {
    audio.onloadedmetadata = () => resolve(audio.duration);
    audio.onerror = reject;
    audio.preload = "metadata";
    audio.src = url;
  }).finally(() => {
    audio.removeAttribute("src"); // a page may hold only so many players
    audio.load();
    URL.revokeObjectURL(url);
  });
}

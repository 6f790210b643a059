// Volume, mute and solo of each stem, remembered for this song on this device. Private windows may refuse: then nothing is.

const PREFIX = "demixer:mix:";

export function recall(song) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + song)) ?? {};
  } catch {
    return {};
  }
}

/** `settings`: Map of stem name to {volume, muted, solo}. */
export function remember(song, settings) {
  try {
    localStorage.setItem(PREFIX + song, JSON.stringify(Object.fromEntries(settings)));
  } catch {
    // full or forbidden: the mix lasts as long as the page
  }
}

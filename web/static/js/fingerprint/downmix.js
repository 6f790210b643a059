// Downmix to mono, with the weights of the server's ffmpeg.

// By the number of channels. Six are left, right, centre, bass, back left and back right.
/** @type {Record<number, number[]>} */
const WEIGHTS = { 1: [1], 2: [0.5, 0.5], 6: [0.207, 0.207, 0.293, 0, 0.146, 0.146] };
const FULL_SCALE = 32768;

/**
 * Mix all channels into one. Throws for numbers of channels other than 1, 2 and 6.
 * @param {Float32Array[]} channels of equal length, full scale is 1
 * @returns {Int16Array<ArrayBuffer>}
 */
export function downmix(channels) {
  const weights = WEIGHTS[channels.length];
  if (!weights) {
    throw new Error(`no weights for ${channels.length} channels`);
  }
  const mixed = new Int16Array(channels[0].length);
  for (let index = 0; index < mixed.length; index++) {
    let sum = 0;
    for (let channel = 0; channel < weights.length; channel++) {
      sum += weights[channel] * channels[channel][index];
    }
    mixed[index] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(sum * FULL_SCALE)));
  }
  return mixed;
}

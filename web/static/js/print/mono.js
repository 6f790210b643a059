// Channels to one, with the weights of the server's ffmpeg: surround is left, right, centre, bass, and two at the back.

const WEIGHTS = { 1: [1], 2: [0.5, 0.5], 6: [0.207, 0.207, 0.293, 0, 0.146, 0.146] };

/** `channels`: Float32Arrays of one length, full scale 1. Returns Int16Array. Throws for any other number of channels. */
export function mono(channels) {
  const weights = WEIGHTS[channels.length];
  const mixed = new Int16Array(channels[0].length);
  for (let at = 0; at < mixed.length; at++) {
    let sum = 0;
    for (let channel = 0; channel < weights.length; channel++) sum += weights[channel] * channels[channel][at];
    mixed[at] = Math.max(-32768, Math.min(32767, Math.round(sum * 32768)));
  }
  return mixed;
}

// The frames of a stem's MP3 file: what the head of the file says about them, and how to find and copy them.
//
// demixer/audio/encode.py writes 192 kbit/s CBR at 44.1 kHz without a bit reservoir. Frame k therefore starts within a
// byte or two of k * 144 * 192000 / 44100. To decode exactly it needs only the frame before it, for the overlap of the
// transform.

export const SAMPLE_RATE = 44100; // Hz
export const FRAME_SAMPLES = 1152;
export const FRAME_BYTES = (144 * 192000) / SAMPLE_RATE; // mean; a frame has the whole bytes of it, or one more
export const HEAD_BYTES = 8192; // hold the ID3 tag, the Info frame and the first frame

const WHOLE_FRAME_BYTES = Math.floor(FRAME_BYTES);
const DECODER_DELAY = 529; // samples that every MP3 decoder adds: 528 + 1, as LAME counts

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * @typedef {object} Mp3Layout
 * @property {number} firstFrame byte offset of the first frame with sound
 * @property {Bytes} header the four bytes that every frame begins with
 * @property {number} frames how many frames with sound there are
 * @property {number} delay samples that a decoder gives before the song begins
 * @property {number} samples length of the song
 */

/**
 * Read the layout of a file. Throws if it was not written by this service.
 * @param {Bytes} head the first HEAD_BYTES of the file
 * @returns {Mp3Layout}
 */
export function parseLayout(head) {
  const infoFrame = id3Length(head);
  if (!hasSync(head, infoFrame)) {
    throw new Error("no MP3 frame after the ID3 tag");
  }
  const firstFrame = infoFrame + frameLength(head, infoFrame);
  const header = head.slice(firstFrame, firstFrame + 4);
  return { firstFrame, header, ...parseInfoFrame(head, infoFrame) };
}

/**
 * The offset in `bytes` of a frame that is computed to be at `guess`. Throws if there is none within three bytes.
 * @param {Mp3Layout} layout
 * @param {Bytes} bytes
 * @param {number} guess
 * @returns {number}
 */
export function findFrame(layout, bytes, guess) {
  for (const step of [0, 1, -1, 2, -2, 3, -3]) {
    const offset = guess + step;
    if (offset >= 0 && isFrame(layout, bytes, offset)) {
      const next = offset + frameLength(bytes, offset);
      if (next + 4 > bytes.length || isFrame(layout, bytes, next)) {
        return offset;
      }
    }
  }
  throw new Error("no frame at its computed offset");
}

/**
 * The offset in `bytes` after `count` frames from `start` on. Throws if one of them is missing.
 * @param {Mp3Layout} layout
 * @param {Bytes} bytes
 * @param {number} start
 * @param {number} count
 * @returns {number}
 */
export function skipFrames(layout, bytes, start, count) {
  let offset = start;
  for (let index = 0; index < count; index++) {
    if (!isFrame(layout, bytes, offset)) {
      throw new Error(`frame ${index} is missing`);
    }
    offset += frameLength(bytes, offset);
  }
  return offset;
}

/**
 * Frames that decode to silence: a header and nothing but zeros.
 * @param {Mp3Layout} layout
 * @param {number} count
 * @returns {Bytes[]}
 */
export function silentFrames(layout, count) {
  const frame = new Uint8Array(WHOLE_FRAME_BYTES);
  frame.set(layout.header);
  frame[2] &= 0xfd; // no padding byte
  return Array.from({ length: count }, () => frame);
}

/**
 * The bytes before the first frame.
 * @param {Bytes} head
 * @returns {number}
 */
function id3Length(head) {
  if (ascii(head, 0, 3) !== "ID3") {
    return 0;
  }
  return 10 + ((head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]);
}

/**
 * The Info frame counts the frames after it, and the samples that the encoder put before and after the song.
 * @param {Bytes} head
 * @param {number} frame byte offset of the Info frame
 * @returns {{ frames: number, delay: number, samples: number }}
 */
function parseInfoFrame(head, frame) {
  const isMono = head[frame + 3] >> 6 === 3;
  const offset = frame + 4 + (isMono ? 17 : 32);
  const name = ascii(head, offset, 4);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if ((name !== "Info" && name !== "Xing") || view.getUint32(offset + 4) !== 15) {
    throw new Error("no Info frame");
  }
  const frames = view.getUint32(offset + 8);
  const [high, middle, low] = head.subarray(offset + 141, offset + 144); // 12 bits each: samples before, samples after
  const delay = ((high << 4) | (middle >> 4)) + DECODER_DELAY;
  const padding = Math.max(0, (((middle & 15) << 8) | low) - DECODER_DELAY);
  return { frames, delay, samples: frames * FRAME_SAMPLES - delay - padding };
}

/** @type {(bytes: Bytes, start: number, length: number) => string} */
const ascii = (bytes, start, length) => String.fromCharCode(...bytes.subarray(start, start + length));

/** @type {(bytes: Bytes, offset: number) => boolean} */
const hasSync = (bytes, offset) => bytes[offset] === 0xff && (bytes[offset + 1] & 0xe0) === 0xe0;

/** @type {(bytes: Bytes, offset: number) => number} */
const frameLength = (bytes, offset) => WHOLE_FRAME_BYTES + ((bytes[offset + 2] >> 1) & 1); // the padding bit

/**
 * Whether a frame of this file starts at `offset`. Headers differ only in the padding bit.
 * @type {(layout: Mp3Layout, bytes: Bytes, offset: number) => boolean}
 */
const isFrame = ({ header }, bytes, offset) =>
  offset + 4 <= bytes.length &&
  bytes[offset] === 0xff && bytes[offset + 1] === header[1] && (bytes[offset + 2] & 0xfd) === (header[2] & 0xfd);

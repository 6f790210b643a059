// Chunks of a stem: which bytes to fetch for a chunk, what to give to the decoder, and which samples come out.

import { FRAME_BYTES, FRAME_SAMPLES, findFrame, silentFrames, skipFrames } from "./mp3-frames.js";

/** @import { Bytes, Mp3Layout } from "./mp3-frames.js" */

const CHUNK_FRAMES = 200; // 5.2 s: short enough to start soon, long enough for few requests
const CHUNK_SAMPLES = CHUNK_FRAMES * FRAME_SAMPLES;
const LEAD_FRAMES = 2; // decoded before a chunk and dropped: one is enough, two are safe
const MARGIN = 4; // bytes that a frame may be beside its computed offset

/**
 * The bytes of the file to fetch for a chunk.
 * @param {Mp3Layout} layout
 * @param {number} chunk index
 * @returns {{ start: number, end: number }} `end` is not included
 */
export function chunkByteRange(layout, chunk) {
  const { from, to } = chunkFrames(layout, chunk);
  const start = Math.max(layout.firstFrame, frameOffset(layout, from) - MARGIN);
  return { start, end: frameOffset(layout, to) + MARGIN };
}

/**
 * What the decoder needs for a chunk: whole frames. Silent frames stand for those before the start of the song.
 * @param {Mp3Layout} layout
 * @param {number} chunk index
 * @param {Bytes} bytes of the range that `chunkByteRange` gives
 * @returns {Bytes}
 */
export function assembleChunk(layout, chunk, bytes) {
  const { from, to, missing } = chunkFrames(layout, chunk);
  const start = findFrame(layout, bytes, frameOffset(layout, from) - chunkByteRange(layout, chunk).start);
  const end = skipFrames(layout, bytes, start, to - from);
  return concatenate([...silentFrames(layout, missing), bytes.subarray(start, end), ...silentFrames(layout, 1)]);
}

/**
 * The samples that a chunk holds.
 * @param {Mp3Layout} layout
 * @param {number} chunk index
 * @returns {{ start: number, length: number, drop: number }} `start` in the song; `drop`: decoded samples before it
 */
export function chunkSampleRange(layout, chunk) {
  const start = Math.max(0, chunk * CHUNK_SAMPLES - layout.delay);
  const end = Math.min(layout.samples, (chunk + 1) * CHUNK_SAMPLES - layout.delay);
  const drop = LEAD_FRAMES * FRAME_SAMPLES + (chunk === 0 ? layout.delay : 0);
  return { start, length: Math.max(0, end - start), drop };
}

/**
 * The index of the chunk that holds a sample of the song.
 * @param {Mp3Layout} layout
 * @param {number} sample
 * @returns {number}
 */
export function chunkIndexAt(layout, sample) {
  return Math.floor((sample + layout.delay) / CHUNK_SAMPLES);
}

/**
 * @param {Mp3Layout} layout
 * @returns {number}
 */
export function chunkCount(layout) {
  return chunkIndexAt(layout, layout.samples - 1) + 1;
}

/**
 * The frames to decode for a chunk, with those before and after it that the overlap needs.
 * @param {Mp3Layout} layout
 * @param {number} chunk index
 * @returns {{ from: number, to: number, missing: number }} `to` is not included; `missing`: frames before the first
 */
function chunkFrames(layout, chunk) {
  const wanted = chunk * CHUNK_FRAMES - LEAD_FRAMES;
  const from = Math.max(0, wanted);
  return { from, to: Math.min(layout.frames, (chunk + 1) * CHUNK_FRAMES + 1), missing: from - wanted };
}

/**
 * The computed byte offset of a frame in the file.
 * @param {Mp3Layout} layout
 * @param {number} frame index
 * @returns {number}
 */
function frameOffset(layout, frame) {
  return layout.firstFrame + Math.floor(frame * FRAME_BYTES);
}

/**
 * @param {Bytes[]} parts
 * @returns {Bytes}
 */
function concatenate(parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

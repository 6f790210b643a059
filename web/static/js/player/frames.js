// Where the frames of a stem's MP3 lie, so that any part of it can be fetched and decoded alone.
//
// demixer/audio/encode.py writes CBR 192 kbit/s at 44.1 kHz without bit reservoir: frame k starts within a byte or two of
// k * 144 * 192000 / 44100, and needs nothing but the frame before it (the overlap of the transform) to decode exactly.

export const RATE = 44100;
export const FRAME = 1152; // samples
export const CHUNK_FRAMES = 200; // 5.2 s: small enough to start soon, large enough to ask rarely
export const CHUNK = CHUNK_FRAMES * FRAME; // samples
export const HEAD_BYTES = 8192; // holds the ID3 tag, the Info frame and the first frame

const FRAME_BYTES = (144 * 192000) / RATE;
const LEAD = 2; // frames decoded before a chunk and thrown away: one is enough, two are safe
const SLACK = 4; // bytes a frame may lie beside its computed place
const DECODER_DELAY = 529; // samples every MP3 decoder adds: 528 + 1, as LAME counts

/** What there is to know of a file, from its first HEAD_BYTES. Throws where it is not one of ours. */
export function layoutOf(head) {
  const start = afterId3(head);
  if (!isSync(head, start)) throw new Error("no MP3 frame where one must be");
  const info = infoAt(head, start);
  if (!info) throw new Error("no Info frame");
  const first = start + frameLength(head, start);
  return { first, header: head.slice(first, first + 4), ...info };
}

/** The bytes to fetch for a chunk: `end` is not included. */
export function bytesOf(layout, chunk) {
  const { from, to } = framesOf(layout, chunk);
  const at = (frame) => layout.first + Math.floor(frame * FRAME_BYTES);
  return { start: Math.max(layout.first, at(from) - SLACK), end: at(to) + SLACK };
}

/** From fetched bytes to what a decoder takes: whole frames, with silent ones where the song has no frames before. */
export function decodable(layout, chunk, bytes) {
  const { from, to, silent } = framesOf(layout, chunk);
  const start = syncNear(layout, bytes, layout.first + Math.floor(from * FRAME_BYTES) - bytesOf(layout, chunk).start);
  let end = start;
  for (let frame = from; frame < to; frame++) {
    if (!isOurs(layout, bytes, end)) throw new Error(`frame ${frame} is not where it should be`);
    end += frameLength(bytes, end);
  }
  return joined([...silentFrames(layout, silent), bytes.subarray(start, end), ...silentFrames(layout, 1)]);
}

/** Which samples of the song a chunk holds, and how many decoded ones to drop before them. */
export function samplesOf(layout, chunk) {
  const start = Math.max(0, chunk * CHUNK - layout.delay);
  const end = Math.min(layout.samples, (chunk + 1) * CHUNK - layout.delay);
  return { start, length: Math.max(0, end - start), drop: LEAD * FRAME + (chunk === 0 ? layout.delay : 0) };
}

export function chunkAt(layout, sample) {
  return Math.floor((sample + layout.delay) / CHUNK);
}

export function chunkCount(layout) {
  return chunkAt(layout, layout.samples - 1) + 1;
}

function framesOf(layout, chunk) {
  const wanted = chunk * CHUNK_FRAMES - LEAD;
  const from = Math.max(0, wanted);
  return { from, to: Math.min(layout.frames, (chunk + 1) * CHUNK_FRAMES + 1), silent: from - wanted };
}

function afterId3(head) {
  if (String.fromCharCode(...head.subarray(0, 3)) !== "ID3") return 0;
  return 10 + ((head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]);
}

/** The Info frame counts the frames after it, and the samples that the encoder put before and after the song. */
function infoAt(head, frame) {
  const mono = head[frame + 3] >> 6 === 3;
  const at = frame + 4 + (mono ? 17 : 32);
  const mark = String.fromCharCode(...head.subarray(at, at + 4));
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if ((mark !== "Info" && mark !== "Xing") || view.getUint32(at + 4) !== 15) return null;
  const frames = view.getUint32(at + 8);
  const [high, middle, low] = head.subarray(at + 141, at + 144); // 12 bits before, 12 bits after, past "LAME…"
  const delay = ((high << 4) | (middle >> 4)) + DECODER_DELAY;
  const padding = Math.max(0, (((middle & 15) << 8) | low) - DECODER_DELAY);
  return { frames, delay, samples: frames * FRAME - delay - padding };
}

function syncNear(layout, bytes, guess) {
  for (const step of [0, 1, -1, 2, -2, 3, -3]) {
    const at = guess + step;
    if (at >= 0 && isOurs(layout, bytes, at) && isOurs(layout, bytes, at + frameLength(bytes, at), true)) return at;
  }
  throw new Error("no frame near its place");
}

function isSync(bytes, at) {
  return bytes[at] === 0xff && (bytes[at + 1] & 0xe0) === 0xe0;
}

function isOurs(layout, bytes, at, orEnd = false) {
  if (at + 4 > bytes.length) return orEnd;
  return bytes[at] === 0xff && bytes[at + 1] === layout.header[1] && (bytes[at + 2] & 0xfd) === (layout.header[2] & 0xfd);
}

function frameLength(bytes, at) {
  return Math.floor(FRAME_BYTES) + ((bytes[at + 2] >> 1) & 1); // the padding bit
}

/** A header with nothing after it but zeros decodes to silence. */
function silentFrames(layout, count) {
  const frame = new Uint8Array(Math.floor(FRAME_BYTES));
  frame.set(layout.header);
  frame[2] &= 0xfd;
  return Array.from({ length: count }, () => frame);
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

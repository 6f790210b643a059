// The waveform of a stem: bars from its peaks, drawn once for each size. CSS uncovers the part that was played.

const BAR_WIDTH = 3; // CSS pixels
const GAP = 1; // CSS pixels
const MIN_BAR_HEIGHT = 2; // CSS pixels
const MIN_FULL_SCALE = 64; // a quiet stem fills its track, a nearly silent one does not

/**
 * Draw into all canvases in `element`, and again whenever its size or the colour scheme changes.
 * @param {HTMLElement} element
 * @param {number[]} points peaks of equal parts of the song, 0 to 255
 */
export function showWaveform(element, points) {
  const draw = () => element.querySelectorAll("canvas").forEach((canvas) => drawBars(canvas, points));
  new ResizeObserver(draw).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} points
 */
function drawBars(canvas, points) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const drawing = clearedDrawing(canvas, width, height);
  const bars = Math.floor((width + GAP) / (BAR_WIDTH + GAP));
  const fullScale = Math.max(MIN_FULL_SCALE, ...points);
  for (let bar = 0; bar < bars; bar++) {
    const level = maximum(points, bar / bars, (bar + 1) / bars) / fullScale;
    const barHeight = Math.max(MIN_BAR_HEIGHT, Math.pow(level, 0.8) * (height - 2));
    drawing.roundRect(bar * (BAR_WIDTH + GAP), (height - barHeight) / 2, BAR_WIDTH, barHeight, BAR_WIDTH / 2);
  }
  drawing.fill();
}

/**
 * An empty drawing in CSS pixels, with a path begun in the colour of the canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width CSS pixels
 * @param {number} height CSS pixels
 * @returns {CanvasRenderingContext2D}
 */
function clearedDrawing(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const drawing = canvas.getContext("2d");
  if (!drawing) {
    throw new Error("the canvas has no 2D context");
  }
  drawing.scale(scale, scale);
  drawing.fillStyle = getComputedStyle(canvas).color;
  drawing.beginPath();
  return drawing;
}

/**
 * The largest of the points from one fraction of the song to another.
 * @param {number[]} points
 * @param {number} from 0 to 1
 * @param {number} to 0 to 1
 * @returns {number}
 */
function maximum(points, from, to) {
  const first = Math.floor(from * points.length);
  const last = Math.max(first + 1, Math.ceil(to * points.length));
  return Math.max(0, ...points.slice(first, last));
}

// A stem's waveform: bars from its peaks, drawn once per size; what was played is the same picture, uncovered by CSS.

const BAR = 3; // CSS pixels
const GAP = 1;

/** Draws into all canvases below `element`, again whenever its size or the colour scheme changes. */
export function showWaveform(element, points) {
  const draw = () => element.querySelectorAll("canvas").forEach((canvas) => drawBars(canvas, points));
  new ResizeObserver(draw).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function drawBars(canvas, points) {
  const { width, height, pen } = prepared(canvas);
  const bars = Math.floor((width + GAP) / (BAR + GAP));
  const loudest = Math.max(64, ...points); // a quiet stem fills its lane, a silent one does not
  for (let bar = 0; bar < bars; bar++) {
    const level = loudestOf(points, bar / bars, (bar + 1) / bars) / loudest;
    const tall = Math.max(2, Math.pow(level, 0.8) * (height - 2));
    pen.roundRect(bar * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
  }
  pen.fill();
}

function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = getComputedStyle(canvas).color;
  pen.beginPath();
  return { width, height, pen };
}

function loudestOf(points, from, to) {
  const first = Math.floor(from * points.length);
  const last = Math.max(first + 1, Math.ceil(to * points.length));
  let loudest = 0;
  for (let index = first; index < last && index < points.length; index++) loudest = Math.max(loudest, points[index]);
  return loudest;
}

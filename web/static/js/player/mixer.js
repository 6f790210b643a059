// From stems to the loudspeaker: a gain per stem, a gate for all, the loudness of the original, and a soft ceiling.

const RAMP = 0.015; // s: long enough not to click, short enough to feel immediate
const HEADROOM = 8; // the ceiling takes sums up to this, linear
const KNEE = 0.95; // below this it changes nothing

export class Mixer {
  /** `gain`: what all stems were multiplied by when written so that none clips (Separation.gain). */
  constructor(context, names, gain) {
    this.context = context;
    this.stems = new Map(names.map((name) => [name, { volume: 1, muted: false, solo: false, node: context.createGain() }]));
    this.gate = new GainNode(context, { gain: 0 });
    const loudness = new GainNode(context, { gain: 1 / gain / HEADROOM });
    const ceiling = new WaveShaperNode(context, { curve: ceilingCurve() });
    for (const { node } of this.stems.values()) node.connect(this.gate);
    this.gate.connect(loudness).connect(ceiling).connect(context.destination);
  }

  input(name) {
    return this.stems.get(name).node;
  }

  /** `change`: any of volume (0 to 1.5), muted, solo. */
  set(name, change) {
    Object.assign(this.stems.get(name), change);
    for (const [each, { node, volume }] of this.stems) this.#ramp(node.gain, this.hears(each) ? loudnessOf(volume) : 0);
  }

  /** Any solo silences all that are not; a muted stem is silent, solo or not. */
  hears(name) {
    const { muted, solo } = this.stems.get(name);
    const anySolo = [...this.stems.values()].some((stem) => stem.solo);
    return !muted && (solo || !anySolo);
  }

  /** Let sound through from `time` on, faded in. What `close` began just before may still be fading out. */
  open(time) {
    this.gate.gain.setValueAtTime(0, time);
    this.gate.gain.linearRampToValueAtTime(1, time + RAMP);
  }

  /** Fade out now. Returns when it is silent, on the context's clock. */
  close() {
    this.#ramp(this.gate.gain, 0);
    return this.context.currentTime + RAMP;
  }

  #ramp(param, value) {
    const now = this.context.currentTime;
    param.cancelScheduledValues(now);
    param.setValueAtTime(param.value, now);
    param.linearRampToValueAtTime(value, now + RAMP);
  }
}

/** Faders feel even when the gain grows with the square. */
function loudnessOf(volume) {
  return volume * volume;
}

/** Straight up to KNEE, then bending towards 1: stems turned up beyond full scale get denser instead of crackling. */
function ceilingCurve() {
  const points = 16 * 1024 + 1;
  return Float32Array.from({ length: points }, (_, index) => bent(((2 * index) / (points - 1) - 1) * HEADROOM));
}

function bent(value) {
  const size = Math.abs(value);
  if (size <= KNEE) return value;
  return Math.sign(value) * (KNEE + (1 - KNEE) * Math.tanh((size - KNEE) / (1 - KNEE)));
}

// The signal path from the stems to the loudspeaker: a gain for each stem, a fade for all, the level of the original,
// and a soft limiter.

import { isAudible } from "./mix.js";

/** @import { Mix } from "./mix.js" */

const RAMP_SECONDS = 0.015; // long enough not to click, short enough to feel immediate
const LIMITER_RANGE = 8; // the limiter takes sums up to this, linear
const LIMITER_KNEE = 0.95; // below this the limiter changes nothing
const LIMITER_POINTS = 16 * 1024 + 1; // of its curve

export class Mixer {
  /**
   * @param {AudioContext} context
   * @param {Mix} mix the settings to apply; call `update` after changes
   * @param {number} gain that all stems were multiplied by when they were written, so that none clips
   */
  constructor(context, mix, gain) {
    this.context = context;
    this.mix = mix;
    this.inputs = new Map([...mix.keys()].map((name) => [name, context.createGain()]));
    this.fade = new GainNode(context, { gain: 0 });
    const level = new GainNode(context, { gain: 1 / gain / LIMITER_RANGE });
    const limiter = new WaveShaperNode(context, { curve: limiterCurve() });
    for (const input of this.inputs.values()) {
      input.connect(this.fade);
    }
    this.fade.connect(level).connect(limiter).connect(context.destination);
    this.update();
  }

  /**
   * The node that takes the sound of a stem. Throws if there is no such stem.
   * @param {string} name
   * @returns {GainNode}
   */
  input(name) {
    const input = this.inputs.get(name);
    if (!input) {
      throw new Error(`no stem ${name}`);
    }
    return input;
  }

  /** Apply the settings of the mix. */
  update() {
    for (const [name, { volume }] of this.mix) {
      this.#ramp(this.input(name).gain, isAudible(this.mix, name) ? gainOf(volume) : 0);
    }
  }

  /**
   * Fade in. A fade-out that has just begun may still be going on until `time`.
   * @param {number} time seconds on the clock of the context
   */
  fadeIn(time) {
    this.fade.gain.setValueAtTime(0, time);
    this.fade.gain.linearRampToValueAtTime(1, time + RAMP_SECONDS);
  }

  /**
   * Fade out now.
   * @returns {number} when it is silent, seconds on the clock of the context
   */
  fadeOut() {
    this.#ramp(this.fade.gain, 0);
    return this.context.currentTime + RAMP_SECONDS;
  }

  /**
   * @param {AudioParam} param
   * @param {number} value
   */
  #ramp(param, value) {
    const now = this.context.currentTime;
    param.cancelScheduledValues(now);
    param.setValueAtTime(param.value, now);
    param.linearRampToValueAtTime(value, now + RAMP_SECONDS);
  }
}

/**
 * The gain grows with the square of the volume, so that the steps of a fader sound even.
 * @param {number} volume
 * @returns {number}
 */
function gainOf(volume) {
  return volume * volume;
}

/**
 * The curve of the limiter over -LIMITER_RANGE to LIMITER_RANGE.
 * @returns {Float32Array<ArrayBuffer>}
 */
function limiterCurve() {
  return Float32Array.from({ length: LIMITER_POINTS }, (_, index) => {
    const position = (2 * index) / (LIMITER_POINTS - 1) - 1; // -1 to 1
    return limit(position * LIMITER_RANGE);
  });
}

/**
 * Linear up to the knee, then bending towards 1: loud sums are compressed instead of clipped.
 * @param {number} value
 * @returns {number}
 */
function limit(value) {
  const size = Math.abs(value);
  if (size <= LIMITER_KNEE) {
    return value;
  }
  const room = 1 - LIMITER_KNEE;
  return Math.sign(value) * (LIMITER_KNEE + room * Math.tanh((size - LIMITER_KNEE) / room));
}

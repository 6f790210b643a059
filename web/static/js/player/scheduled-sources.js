// The buffer sources that are playing or scheduled: one for each chunk of each stem.

/** @import { Mixer } from "./mixer.js" */

export class ScheduledSources {
  /** @type {Set<AudioBufferSourceNode>} */
  #nodes = new Set();

  /**
   * @param {AudioContext} context
   * @param {Mixer} mixer its inputs take the sound of the stems
   */
  constructor(context, mixer) {
    this.context = context;
    this.mixer = mixer;
  }

  /**
   * @param {string} name of the stem
   * @param {AudioBuffer} buffer
   * @param {number} when to start, seconds on the clock of the context, on a whole sample
   * @param {number} offset into the buffer, seconds, on a whole sample
   */
  schedule(name, buffer, when, offset) {
    const node = new AudioBufferSourceNode(this.context, { buffer });
    node.connect(this.mixer.input(name));
    node.onended = () => this.#nodes.delete(node);
    node.start(when, offset);
    this.#nodes.add(node);
  }

  /** @param {number} when to stop all, seconds on the clock of the context */
  stopAll(when) {
    for (const node of this.#nodes) {
      node.stop(when);
    }
    this.#nodes.clear();
  }
}

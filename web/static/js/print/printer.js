// Makes fingerprints of files, one after the other, and only as long as that is quicker than sending them.

import { decoded } from "./decode.js";

const PATIENCE = 10_000; // ms a file may take; a device that needs more is asked for no other

export class Printer {
  #turn = Promise.resolve();
  #worker = null;
  #tooSlow = false;

  constructor(url, maxSeconds) {
    Object.assign(this, { url, maxSeconds });
  }

  /** `{ fingerprint, shifted, duration }`, null where there is none or it is no longer wanted when its turn comes. */
  print(file, signal) {
    this.#turn = this.#turn.then(() => (signal.aborted || this.#tooSlow ? null : this.#inTime(file))).catch(() => null);
    return this.#turn;
  }

  #inTime(file) {
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(() => resolve(this.#giveUp()), PATIENCE)));
    return Promise.race([this.#print(file), late]).finally(() => clearTimeout(timer));
  }

  #giveUp() {
    this.#tooSlow = true;
    this.#worker?.terminate();
    return null;
  }

  async #print(file) {
    const audio = await decoded(file, this.maxSeconds);
    return audio && !this.#tooSlow ? this.#ask(audio) : null;
  }

  #ask(audio) {
    const worker = (this.#worker ??= new Worker(this.url, { type: "module" }));
    return new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = () => resolve(this.#giveUp()); // it could not even start
      worker.postMessage(audio, audio.channels.map((channel) => channel.buffer)); // handed over, not copied
    });
  }
}

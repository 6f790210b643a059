// Plays all stems on one clock. Everything is counted in whole samples, so chunks join exactly and stems cannot drift.

import { RATE, chunkAt, chunkCount, samplesOf } from "./frames.js";
import { Loader } from "./loader.js";
import { Voices } from "./voices.js";

const AHEAD = 24 * RATE; // samples scheduled ahead: survives a tunnel
const TICK = 200; // ms
const LEAD_TIME = 0.05; // s between deciding to play and the first sample, doubled where that was too short

/** Fires "change" when `state` changes: "paused", "loading" or "playing"; "ended"; and "failed" with the stem's name. */
export class Transport extends EventTarget {
  /** `sources`: Map of name to StemSource; `mixer` a Mixer. */
  constructor({ context, sources, mixer }) {
    super();
    const failed = (name) => this.dispatchEvent(new CustomEvent("failed", { detail: name }));
    Object.assign(this, { context, mixer, loader: new Loader(sources, failed), voices: new Voices(context, mixer) });
    Object.assign(this, { state: "paused", run: 0, at: 0, lead: LEAD_TIME });
    context.addEventListener("statechange", () => context.state !== "running" && this.state === "playing" && this.pause());
  }

  /** Seconds into the song. */
  get position() {
    return this.#sample() / RATE;
  }

  /** Resolves when playing has begun, or was given up. */
  async play() {
    if (this.state !== "paused") return;
    const run = ++this.run;
    this.#enter("loading");
    await this.context.resume();
    if (run === this.run) await this.#begin();
  }

  pause() {
    if (this.state !== "paused") this.#halt("paused");
  }

  async seek(seconds) {
    const going = this.state !== "paused";
    this.#halt(going ? "loading" : "paused");
    this.at = Math.max(0, Math.round(seconds * RATE));
    if (going) await this.#begin();
  }

  /** Try a stem again that did not load. */
  retry(name) {
    this.loader.failed.delete(name);
    return this.seek(this.position);
  }

  async #begin() {
    const run = ++this.run;
    this.layout ??= await this.loader.layout();
    if (run !== this.run) return;
    if (!this.layout) return this.#halt("paused");
    if (this.at >= this.layout.samples) this.at = 0;
    this.next = chunkAt(this.layout, this.at);
    const first = await this.#load(this.next);
    if (run !== this.run) return;
    if (this.loader.hopeless) this.#halt("paused");
    else this.#start(first, run);
  }

  #start(first, run) {
    this.anchor = { frame: Math.ceil((this.context.currentTime + this.lead) * RATE), sample: this.at };
    this.mixer.open(this.anchor.frame / RATE);
    this.#schedule(first);
    if (this.context.currentTime * RATE >= this.anchor.frame) return this.#startAgain();
    this.#enter("playing");
    this.#keepAhead(run);
  }

  /** The device was too busy: stems told after the moment they should begin would begin apart. */
  #startAgain() {
    const { sample } = this.anchor;
    this.lead = Math.min(0.8, this.lead * 2);
    this.#halt("loading");
    this.at = sample;
    return this.#begin();
  }

  /** The loop of one run: ends when another run begins. */
  async #keepAhead(run) {
    while (run === this.run) {
      if (this.#sample() >= this.layout.samples) return this.#finish();
      if (this.#sample() >= this.scheduledTo) return this.#wait();
      if (this.busy !== run && this.#wantsMore()) this.#extend(run);
      await new Promise((resolve) => setTimeout(resolve, TICK));
    }
  }

  #wantsMore() {
    return this.next < chunkCount(this.layout) && this.scheduledTo - this.#sample() < AHEAD;
  }

  async #extend(run) {
    this.busy = run;
    const chunks = await this.#load(this.next);
    this.busy = null;
    if (run === this.run && this.#sample() < this.scheduledTo) this.#schedule(chunks);
  }

  /** What comes next is not here yet: stand still where the sound stopped, and go on when it is. */
  #wait() {
    const stopped = this.scheduledTo;
    this.#halt("loading");
    this.at = stopped;
    return this.#begin();
  }

  #finish() {
    this.#halt("paused");
    this.at = 0;
    this.dispatchEvent(new Event("ended"));
  }

  #halt(state) {
    this.at = this.#sample();
    this.anchor = null;
    this.run++;
    this.voices.stop(this.mixer.close());
    this.#enter(state);
  }

  #sample() {
    if (!this.anchor) return this.at;
    const played = Math.round(this.context.currentTime * RATE) - this.anchor.frame;
    return Math.min(this.layout.samples, this.anchor.sample + Math.max(0, played));
  }

  async #load(index) {
    return { index, buffers: await this.loader.chunk(index, chunkAt(this.layout, this.#sample())) };
  }

  #schedule({ index, buffers }) {
    const { start, length } = samplesOf(this.layout, index);
    const skip = Math.max(0, this.anchor.sample - start);
    const when = (this.anchor.frame + start + skip - this.anchor.sample) / RATE;
    for (const [name, buffer] of buffers) if (buffer) this.voices.play(name, buffer, when, skip / RATE);
    this.scheduledTo = start + length;
    this.next = index + 1;
  }

  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

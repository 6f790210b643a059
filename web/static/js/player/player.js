// The player without its looks: sources, mixer and transport, wired when a person first wants sound.

import { RATE, chunkAt } from "./frames.js";
import { Mixer } from "./mixer.js";
import { StemSource } from "./source.js";
import { Transport } from "./transport.js";

/** Fires "change", "ended" and "failed" like Transport. */
export class Player extends EventTarget {
  /** `data`: {duration, gain, stems: [{name, mp3, ...}]}, as the song page gives it. */
  constructor(data) {
    super();
    this.data = data;
    this.duration = data.duration;
    const decoder = new OfflineAudioContext(2, 1, RATE); // decodes before any gesture, which an AudioContext may not
    this.sources = new Map(data.stems.map((stem) => [stem.name, new StemSource(stem.mp3, decoder)]));
    this.settings = new Map(data.stems.map((stem) => [stem.name, { volume: 1, muted: false, solo: false }]));
    this.start = 0; // where to begin, s, until there is a transport
  }

  get state() {
    return this.transport ? this.transport.state : "paused";
  }

  get position() {
    return this.transport ? this.transport.position : this.start;
  }

  /** Have the beginning ready, so that the first press of play is heard at once. */
  async prepare() {
    const sources = [...this.sources.values()];
    await Promise.allSettled(
      sources.map(async (source) => source.chunk(chunkAt(await source.layout(), this.start * RATE))),
    );
  }

  /** Call from within a gesture: browsers let nothing sound before one. */
  toggle() {
    this.#open();
    if (this.state === "paused") this.transport.play();
    else this.transport.pause();
  }

  seek(seconds) {
    const target = Math.min(Math.max(0, seconds), Math.max(0, this.duration - 0.25));
    if (this.transport) this.transport.seek(target);
    else this.start = target;
  }

  set(name, change) {
    Object.assign(this.settings.get(name), change);
    this.mixer?.set(name, change);
  }

  retry(name) {
    this.transport?.retry(name);
  }

  #open() {
    if (this.transport) return;
    if (navigator.audioSession) navigator.audioSession.type = "playback"; // iPhones: sound with the ringer off
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "playback" });
    this.mixer = new Mixer(context, [...this.sources.keys()], this.data.gain);
    for (const [name, settings] of this.settings) this.mixer.set(name, settings);
    this.transport = new Transport({ context, sources: this.sources, mixer: this.mixer });
    this.transport.seek(this.start);
    for (const type of ["change", "ended", "failed"]) this.#pass(type);
  }

  #pass(type) {
    this.transport.addEventListener(type, ({ detail }) => this.dispatchEvent(new CustomEvent(type, { detail })));
  }
}

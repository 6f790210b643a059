// The same chunk of all stems at once. A stem that cannot be had is left out, and said so.

const BEHIND = 2; // chunks kept for seeking back

export class Loader {
  /** `sources`: Map of name to StemSource; `failed(name)` is told of a stem that did not load. */
  constructor(sources, failed) {
    Object.assign(this, { sources, tell: failed, failed: new Set() });
  }

  /** Whether there is nothing left to play. */
  get hopeless() {
    return this.failed.size === this.sources.size;
  }

  /** The layout that all stems share, null where none of them loads. */
  async layout() {
    const tries = [...this.sources].map(([name, source]) => source.layout().catch(() => this.#fail(name)));
    return (await Promise.all(tries)).find((layout) => layout) ?? null;
  }

  /** [name, AudioBuffer or null] of each stem. Chunks well before `current` are let go. */
  chunk(index, current) {
    return Promise.all([...this.sources].map(([name, source]) => this.#one(name, source, index, current)));
  }

  async #one(name, source, index, current) {
    source.keepOnly(current - BEHIND, index + 1);
    const buffer = this.failed.has(name) ? null : await source.chunk(index).catch(() => this.#fail(name));
    return [name, buffer];
  }

  #fail(name) {
    this.failed.add(name);
    this.tell(name);
    return null;
  }
}

// The buffers that sound, or will: one node each.

export class Voices {
  /** `mixer.input(name)` is where a stem's buffers play into. */
  constructor(context, mixer) {
    Object.assign(this, { context, mixer, nodes: new Set() });
  }

  /** `when` on the context's clock, `offset` into the buffer, both s and both on whole samples. */
  play(name, buffer, when, offset) {
    const node = new AudioBufferSourceNode(this.context, { buffer });
    node.connect(this.mixer.input(name));
    node.onended = () => this.nodes.delete(node);
    node.start(when, offset);
    this.nodes.add(node);
  }

  stop(when) {
    for (const node of this.nodes) node.stop(when);
    this.nodes.clear();
  }
}

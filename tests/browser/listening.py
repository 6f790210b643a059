"""Ears for browser tests: what goes to the loudspeaker, tapped from outside the product's code."""

import base64

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.browser.browsing import TONES

# Whatever connects to the destination goes through an analyser, and on request through a recorder, on its way.
TAP = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...more) {
  if (target instanceof AudioDestinationNode) {
    const analyser = new AnalyserNode(this.context, { fftSize: 16384, smoothingTimeConstant: 0 });
    window.tapped = { analyser, context: this.context, node: this };
    connect.call(this, analyser);
  }
  return connect.call(this, target, ...more);
};
"""
LEVELS = """
(frequencies) => {
  const { analyser, context } = window.tapped;
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const width = context.sampleRate / analyser.fftSize;
  return frequencies.map((each) => Math.max(...bins.subarray(each / width - 3, each / width + 4)));
}
"""
RECORD = """
async () => {
  const code = `registerProcessor("recorder", class extends AudioWorkletProcessor {
    process([[channel]]) {
      this.port.postMessage({ frame: currentFrame, block: channel ? channel.slice() : new Float32Array(128) });
      return true;
    }
  });`;
  const { context, node } = window.tapped;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const recorder = new AudioWorkletNode(context, "recorder", { channelCount: 1 });
  window.recorded = [];
  recorder.port.onmessage = ({ data }) => window.recorded.push(data);
  node.connect(recorder);
}
"""
RECORDING = """
() => {
  const first = window.recorded[0].frame;
  const last = window.recorded.at(-1).frame;
  const samples = new Float32Array(last - first + 128).fill(NaN);
  for (const { frame, block } of window.recorded) samples.set(block, frame - first);
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
"""
HEARD = -60.0  # dB: the tones of the test songs come at about -20


def stems_heard(page: Page) -> set[str]:
    """The stems whose tone is in what sounds now."""
    levels = page.evaluate(LEVELS, list(TONES.values()))
    return {name for name, level in zip(TONES, levels, strict=True) if level is not None and level > HEARD}


def wait_until_heard(page: Page, stems: set[str]) -> None:
    wanted = [name in stems for name in TONES]
    page.wait_for_function(
        f"([wanted, frequencies]) => ({LEVELS})(frequencies).every((level, i) => (level > {HEARD}) === wanted[i])",
        arg=[wanted, list(TONES.values())],
    )


def recording(page: Page) -> NDArray[np.float32]:
    """What was heard since `RECORD`, shape (frames,). Not a number where a busy machine left the recorder out."""
    return np.frombuffer(base64.b64decode(page.evaluate(RECORDING)), dtype=np.float32)

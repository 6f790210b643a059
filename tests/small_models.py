"""Small Demucs networks with seeded random weights, saved as the product's own loader reads them from `MODELS_DIR`.

They separate nothing, but everything around them is real: classes, files, chunks, stems. Used by the tests of
separation, the end-to-end test and the benchmarks.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
import yaml
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import save_with_checksum

FOUR = ["drums", "bass", "other", "vocals"]


def small_htdemucs(seed: int = 1, *, segment: Fraction = Fraction(1), sources: Sequence[str] = FOUR) -> Any:
    """A HTDemucs of a quarter of a million parameters; runs some hundred times faster than the released one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _htdemucs(segment, sources)


def small_hdemucs(seed: int = 2, *, segment: float = 2.5) -> Any:
    """A hybrid Demucs, which takes chunks of any length."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HDemucs(sources=FOUR, channels=8, depth=6, nfft=4096, dconv_depth=1, segment=segment).eval()


def _htdemucs(segment: Fraction, sources: Sequence[str]) -> Any:
    return HTDemucs(
        sources=list(sources),
        channels=8,
        depth=4,
        t_layers=1,
        t_heads=2,
        t_hidden_scale=1.0,
        bottom_channels=16,
        nfft=2048,
        dconv_depth=1,
        segment=segment,
    ).eval()


def save_bag(
    folder: Path,
    name: str,
    networks: Sequence[Any],
    *,
    weights: Sequence[Sequence[float]] | None = None,
    segment: float | None = None,
) -> None:
    """Write `<name>.yaml` and a `<signature>-<checksum>.th` for each network into `folder`, a demucs `LocalRepo`."""
    folder.mkdir(parents=True, exist_ok=True)
    signatures = [f"{name}{number}".replace("-", "") for number, _ in enumerate(networks)]
    for signature, network in zip(signatures, networks, strict=True):
        save_with_checksum(package(network), folder / f"{signature}.th")  # type: ignore[no-untyped-call]
    bag = {"models": signatures, "weights": weights, "segment": segment}
    filled = {key: value for key, value in bag.items() if value is not None}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(filled))


def package(network: Any) -> dict[str, Any]:
    """As `demucs.states.serialize_model` makes it, without the settings of a training that never was."""
    args, kwargs = network._init_args_kwargs
    state = network.state_dict()
    # In full precision, so that what is loaded equals `network` to the last bit.
    return {"klass": type(network), "args": args, "kwargs": kwargs, "state": state, "training_args": {}}


def model() -> Any:
    """What `save` saves."""
    return small_htdemucs()


def save(folder: Path, name: str = "htdemucs") -> Path:
    """Make `folder` a `MODELS_DIR` in which `name` is the one small HTDemucs of `model`."""
    save_bag(folder, name, [model()])
    return folder

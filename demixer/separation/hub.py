"""The two places on the net that hold the released weights: the Hugging Face hub, and the older server of demucs.

Both are asked whether they are there before anything is fetched, with one bounded wait and once per process: the hub's
own client would try for half a minute on a machine without a way out.
"""

import functools
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.utils.tqdm import tqdm

from demixer.domain.errors import ModelUnavailable
from demixer.separation import weights
from demixer.separation.weights import Bag, Weights

PATIENCE = 4.0  # seconds to wait for a sign of life
LEGACY_ROOT = "https://dl.fbaipublicfiles.com/demucs/"  # demucs.pretrained.ROOT_URL
LOG_EVERY = 2.0  # seconds between two lines about a download

log = logging.getLogger(__name__)


@functools.cache
def reachable(name: str) -> bool:
    """Whether the weights of the released model `name` could be fetched. Asked once per process, waits `PATIENCE`.

    In threads of their own: looking up a host name cannot be given a time limit.
    """
    if constants.HF_HUB_OFFLINE:
        return False
    answers: queue.Queue[bool] = queue.Queue()
    for ask in (_ask_hub, _ask_legacy):
        threading.Thread(target=lambda ask=ask: answers.put(_says_yes(ask, name)), daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    try:
        return any(answers.get(timeout=max(0.0, deadline - time.monotonic())) for _ in range(2))
    except queue.Empty:
        return False


def fetch(bag: Bag, models_dir: Path | None) -> Weights:
    """Fetch what is missing of `bag` into the caches of this machine, with progress in the log.

    Raises `ModelUnavailable` when neither place can be reached or gives the file.
    """
    if not reachable(bag.name):
        raise ModelUnavailable(model=bag.name, reason=weights.MISSING)
    for signature in bag.signatures:
        if weights.find_file(bag.name, signature, models_dir) is None:
            _fetch_one(bag.name, signature)
    found = weights.find(bag.name, models_dir)
    if found is None:
        raise ModelUnavailable(model=bag.name, reason=weights.MISSING)
    return found


def legacy_url(signature: str) -> str:
    return LEGACY_ROOT + weights.release_files()[signature]


def _says_yes(ask: Callable[[str], None], name: str) -> bool:
    try:
        ask(name)
    except Exception as error:  # any failure, of whatever library, means: not from here
        log.debug("%s for %s: %s", ask.__name__, name, error)
        return False
    return True


def _ask_hub(name: str) -> None:
    get_hf_file_metadata(hf_hub_url(weights.repository(name), f"{name}.yaml"), timeout=PATIENCE)


def _ask_legacy(name: str) -> None:
    for signature in weights.definition(name, None).signatures:
        request = urllib.request.Request(legacy_url(signature), method="HEAD")  # noqa: S310 - a fixed https address
        urllib.request.urlopen(request, timeout=PATIENCE).close()  # noqa: S310


def _fetch_one(name: str, signature: str) -> None:
    try:
        hf_hub_download(weights.repository(name), f"{signature}.safetensors", tqdm_class=LoggedProgress)
    except Exception as error:  # the client raises errors of several libraries; the older server is tried after any
        log.warning("the hub did not give %s (%s), trying the older server", signature, error)
        _fetch_legacy(name, signature)


def _fetch_legacy(name: str, signature: str) -> None:
    from torch.hub import download_url_to_file

    target = weights.torch_cache() / Path(weights.release_files().get(signature, "")).name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(legacy_url(signature), str(target), hash_prefix=target.stem.split("-")[1], progress=False)
    except (KeyError, OSError, RuntimeError, urllib.error.URLError) as error:
        raise ModelUnavailable(model=name, reason=weights.MISSING) from error


class LoggedProgress(tqdm):
    """A download's progress as lines of the log, for a process without a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "mininterval": LOG_EVERY, "disable": False})  # type: ignore[no-untyped-call]

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        log.info("fetching %s: %d of %s bytes", self.desc, self.n, self.total)

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """For networks this small a second thread only waits, all the more where test processes share the cores."""
    torch.set_num_threads(1)

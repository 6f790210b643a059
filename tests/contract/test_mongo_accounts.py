import functools

import pytest

from demixer.adapters.mongo.accounts import MongoAccounts
from tests.contract.accounts import AccountsContract, Opener
from tests.servers import Engine
from tests.wired import CHEAP


class TestMongoAccounts(AccountsContract):
    @pytest.fixture
    def open_accounts(self, mongodb: Engine) -> Opener:
        return functools.partial(MongoAccounts, mongodb.fresh(), hasher=CHEAP)

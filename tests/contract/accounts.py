"""What local accounts must do, whatever the engine. A subclass gives the fixture `open_accounts`."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from demixer.domain.errors import NotFound, Refused
from demixer.ports import Accounts

Opener = Callable[[], Accounts]  # opens the same accounts every time

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "correct horse"


class AccountsContract:
    @pytest.fixture
    def open_accounts(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def accounts(self, open_accounts: Opener) -> Iterator[Accounts]:
        accounts = open_accounts()
        yield accounts
        accounts.close()

    def test_a_person_signs_in_with_the_right_password_only(self, accounts: Accounts) -> None:
        ana = accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        assert (ana.email, ana.name, ana.created_at) == ("ana@example.com", "Ana", NOON)
        assert accounts.authenticate("ana@example.com", PASSWORD) == ana
        assert accounts.authenticate("ana@example.com", PASSWORD + " ") is None
        assert accounts.authenticate("ana@example.com", "") is None
        assert accounts.authenticate("ben@example.com", PASSWORD) is None
        assert accounts.authenticate("no address", PASSWORD) is None

    def test_emails_are_compared_without_case_and_spaces_around(self, accounts: Accounts) -> None:
        ana = accounts.create(" Ana.Ñ@Example.COM ", PASSWORD, "", NOON)
        assert ana.email == "ana.ñ@example.com"
        assert accounts.authenticate("ANA.ñ@example.com", PASSWORD) == ana
        with pytest.raises(Refused) as caught:
            accounts.create("ana.ñ@EXAMPLE.com", PASSWORD, "", NOON)
        assert caught.value.code == "email-taken"

    def test_a_person_without_a_name_is_called_by_the_address(self, accounts: Accounts) -> None:
        assert accounts.create("ana@example.com", PASSWORD, "  ", NOON).name == "ana"

    @pytest.mark.parametrize(
        "email", ["", "ana", "ana@", "@example.com", "ana@example", "a b@example.com", "ana@exa mple.com", "a@b@c.org"]
    )
    def test_a_bad_email_address_is_refused(self, accounts: Accounts, email: str) -> None:
        with pytest.raises(Refused) as caught:
            accounts.create(email, PASSWORD, "Ana", NOON)
        assert caught.value.code == "email-invalid"

    @pytest.mark.parametrize("email", ["ana@localhost", "ana@studio.local", "ana@demixer.test", "ana+x@例え.jp"])
    def test_private_and_international_addresses_are_welcome(self, accounts: Accounts, email: str) -> None:
        assert accounts.create(email, PASSWORD, "", NOON).email == email

    def test_a_short_password_is_refused_with_the_needed_length(self, accounts: Accounts) -> None:
        with pytest.raises(Refused) as caught:
            accounts.create("ana@example.com", "123456789", "", NOON)
        assert (caught.value.code, caught.value.params) == ("password-short", {"length": 10})
        assert accounts.authenticate("ana@example.com", "123456789") is None
        accounts.create("ana@example.com", "ñ" * 10, "", NOON)

    def test_the_same_password_from_another_keyboard_is_the_same(self, accounts: Accounts) -> None:
        accounts.create("ana@example.com", "contraseña mía", "", NOON)
        assert accounts.authenticate("ana@example.com", "contrasen\u0303a mi\u0301a") is not None

    def test_people_are_found_by_id(self, accounts: Accounts) -> None:
        ana = accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        ben = accounts.create("ben@example.com", PASSWORD, "Ben", NOON)
        assert ana.id != ben.id
        assert accounts.get(ana.id) == ana
        assert accounts.get("nobody") is None

    def test_a_token_stands_for_its_person(self, accounts: Accounts) -> None:
        ana = accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        ben = accounts.create("ben@example.com", PASSWORD, "Ben", NOON)
        tokens = [accounts.create_token("ANA@example.com", NOON), accounts.create_token("ana@example.com", NOON)]
        assert len({*tokens, accounts.create_token("ben@example.com", NOON)}) == 3
        assert [accounts.by_token(token) for token in tokens] == [ana, ana]
        assert accounts.by_token(accounts.create_token(ben.email, NOON)) == ben

    @pytest.mark.parametrize("token", ["", "dmx_", "dmx_wrong", "ñ", "\x00"])
    def test_an_unknown_token_is_nobody(self, accounts: Accounts, token: str) -> None:
        accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        accounts.create_token("ana@example.com", NOON)
        assert accounts.by_token(token) is None

    def test_revoking_ends_all_tokens_of_one_person(self, accounts: Accounts) -> None:
        ana = accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        ben = accounts.create("ben@example.com", PASSWORD, "Ben", NOON)
        anas = [accounts.create_token(ana.email, NOON), accounts.create_token(ana.email, NOON)]
        bens = accounts.create_token(ben.email, NOON)
        accounts.revoke_tokens(ana.id)
        assert [accounts.by_token(token) for token in anas] == [None, None]
        assert accounts.by_token(bens) == ben
        assert accounts.by_token(accounts.create_token(ana.email, NOON)) == ana

    def test_revoking_where_there_is_no_token_changes_nothing(self, accounts: Accounts) -> None:
        accounts.revoke_tokens("nobody")
        ana = accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        accounts.revoke_tokens(ana.id)
        assert accounts.authenticate(ana.email, PASSWORD) == ana

    def test_a_token_needs_an_account(self, accounts: Accounts) -> None:
        with pytest.raises(NotFound) as caught:
            accounts.create_token("nobody@example.com", NOON)
        assert caught.value.code == "no-such-account"

    def test_of_many_who_create_the_same_account_at_once_one_does(self, accounts: Accounts) -> None:
        created: list[str] = []
        refused: list[str] = []

        def create(n: int) -> None:
            try:
                created.append(accounts.create("ana@example.com", f"password {n:03}", "", NOON).id)
            except Refused as error:
                refused.append(error.code)

        threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(created), refused) == (1, ["email-taken"] * 7)

    def test_reopening_keeps_people_and_tokens(self, accounts: Accounts, open_accounts: Opener) -> None:
        ana = accounts.create("ana@example.com", PASSWORD, "Ana", NOON)
        token = accounts.create_token("ana@example.com", NOON)
        accounts.close()
        again = open_accounts()
        assert again.authenticate("ana@example.com", PASSWORD) == ana
        assert again.by_token(token) == ana
        again.close()

    def test_close_may_be_called_twice(self, accounts: Accounts) -> None:
        accounts.close()
        accounts.close()

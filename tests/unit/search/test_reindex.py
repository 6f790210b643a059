from pathlib import Path

from demixer.wiring import reindex
from search.sqlite.search_index import SqliteSearch
from tests.unit.search.test_documents import Listing, catalogue_of, many


def test_reindexing_makes_the_index_equal_to_the_catalogue(tmp_path: Path) -> None:
    index = SqliteSearch(tmp_path / "search.db")
    assert reindex(catalogue_of(Listing(many(3, titled="Song"))), index) == 3
    assert [document.id for document in index.search("song", limit=9).songs] == ["00000", "00001", "00002"]
    index.close()

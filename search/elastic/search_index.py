"""The search index for many machines: Elasticsearch 9."""

from collections.abc import Iterable, Sequence

from elasticsearch import NotFoundError

from demixer.ports import SearchPage, SongDocument
from search.elastic import queries
from search.elastic.client import client_and_prefix, explained
from search.elastic.index import SongsIndex, document_of
from search.elastic.rebuild import Rebuild
from search.highlights import marks_of
from search.queries import Word, words

COUNTED = 1001  # hits are counted up to here, which stands for "more"
REACH = 10_000  # hits that can be paged to: the standard of `index.max_result_window`
FEW = 20  # with fewer hits than this, typos are forgiven too
SECONDS = 2.0  # for one question of a search: somebody waits


class ElasticSearch:
    """`demixer.ports.SearchIndex` on a server. What is put is found at once; an index that is missing is made, empty.

    A search asks once, or twice where few hits come without typos. It raises `Transient` within about two seconds of
    silence, at once where nobody listens.
    """

    def __init__(self, url: str) -> None:
        self._client, prefix = client_and_prefix(url)
        self._asking = self._client.options(request_timeout=SECONDS)
        self._songs = SongsIndex(self._client, prefix)

    def put(self, documents: Sequence[SongDocument]) -> None:
        with explained():
            self._songs.put(documents)

    def remove(self, song_ids: Sequence[str]) -> None:
        with explained():
            self._songs.bury(song_ids)

    def search(self, query: str, *, limit: int, offset: int = 0) -> SearchPage:
        asked = words(query)
        if not asked:
            return SearchPage((), 0)
        with explained():
            return self._page(asked, max(0, limit), max(0, offset))

    def rebuild(self, documents: Iterable[SongDocument]) -> int:
        """Raises `Conflict` when another rebuild began meanwhile; that one goes on."""
        with explained():
            return Rebuild(self._client, self._songs).run(documents)

    def close(self) -> None:
        self._client.close()

    def _page(self, asked: Sequence[Word], limit: int, offset: int) -> SearchPage:
        page = self._hits(asked, queries.exact(asked), limit, offset)
        if page.total < FEW and any(word.tolerance for word in asked):
            return self._hits(asked, queries.forgiving(asked), limit, offset)
        return page

    def _hits(self, asked: Sequence[Word], query: queries.Query, limit: int, offset: int) -> SearchPage:
        try:
            return self._answer(asked, query, limit, offset)
        except NotFoundError:  # never made, lost with its server, or swapped for another one just now
            self._songs.make()
            return self._answer(asked, query, limit, offset)

    def _answer(self, asked: Sequence[Word], query: queries.Query, limit: int, offset: int) -> SearchPage:
        start = min(offset, REACH)
        answer = self._asking.search(
            index=self._songs.alias,
            query=query,
            sort=queries.ORDER,
            from_=start,
            size=min(limit, REACH - start),
            track_total_hits=COUNTED,
            allow_partial_search_results=False,
            source_excludes=["whole", "names", "terms", "heads"],
        )["hits"]
        songs = tuple(document_of(hit["_source"]) for hit in answer["hits"])
        return SearchPage(songs, min(answer["total"]["value"], COUNTED), marks_of(asked, songs))

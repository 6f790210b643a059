"""The search index on a server: Elasticsearch 9."""

from collections.abc import Iterable, Sequence

from elasticsearch import NotFoundError

from demixer.ports import SearchPage, SongDocument
from search.elastic import queries
from search.elastic.client import client_and_prefix, translated
from search.elastic.index import SongsIndex, document_of
from search.elastic.rebuild import Rebuild
from search.highlights import highlights_of
from search.queries import Word, words

COUNTED = 1001  # hits are counted up to here, which means more than 1,000
MAX_HITS = 10_000  # that can be paged to: the default of `index.max_result_window`
FEW_HITS = 20  # with fewer than this, typos are forgiven too
SECONDS = 2.0  # for one request of a search: a person waits


class ElasticSearch:
    """`demixer.ports.SearchIndex` on a server. What is put is found at once. A missing index is created, empty.

    A search sends one request, or two where few hits have no typos. It raises `Transient` after about two seconds
    without an answer, at once where nothing listens.
    """

    def __init__(self, url: str) -> None:
        self._client, prefix = client_and_prefix(url)
        self._searching = self._client.options(request_timeout=SECONDS)
        self._songs = SongsIndex(self._client, prefix)

    def put(self, documents: Sequence[SongDocument]) -> None:
        with translated():
            self._songs.put(documents)

    def remove(self, song_ids: Sequence[str]) -> None:
        with translated():
            self._songs.write_tombstones(song_ids)

    def search(self, query: str, *, limit: int, offset: int = 0) -> SearchPage:
        asked = words(query)
        if not asked:
            return SearchPage((), 0)
        with translated():
            return self._page(asked, max(0, limit), max(0, offset))

    def rebuild(self, documents: Iterable[SongDocument]) -> int:
        """Raises `Conflict` when another rebuild began meanwhile; that one goes on."""
        with translated():
            return Rebuild(self._client, self._songs).run(documents)

    def close(self) -> None:
        self._client.close()

    def _page(self, asked: Sequence[Word], limit: int, offset: int) -> SearchPage:
        page = self._hits(asked, queries.exact(asked), limit, offset)
        if page.total < FEW_HITS and any(word.tolerance for word in asked):
            return self._hits(asked, queries.forgiving(asked), limit, offset)
        return page

    def _hits(self, asked: Sequence[Word], query: queries.Query, limit: int, offset: int) -> SearchPage:
        try:
            return self._answer(asked, query, limit, offset)
        except NotFoundError:  # never created, lost with its server, or just replaced by a rebuild
            self._songs.create_if_missing()
            return self._answer(asked, query, limit, offset)

    def _answer(self, asked: Sequence[Word], query: queries.Query, limit: int, offset: int) -> SearchPage:
        start = min(offset, MAX_HITS)
        answer = self._searching.search(
            index=self._songs.alias,
            query=query,
            sort=queries.ORDER,
            from_=start,
            size=min(limit, MAX_HITS - start),
            track_total_hits=COUNTED,
            allow_partial_search_results=False,
            source_excludes=["whole", "names", "terms", "heads"],
        )["hits"]
        songs = tuple(document_of(hit["_source"]) for hit in answer["hits"])
        return SearchPage(songs, min(answer["total"]["value"], COUNTED), highlights_of(asked, songs))

import itertools

from demixer.separation.pace import Pace


def test_it_moves_before_the_first_report() -> None:
    pace = Pace(now=100.0)
    assert 0 < pace.fraction(102.0) < pace.fraction(104.0)


def test_it_moves_between_reports_but_never_past_the_next() -> None:
    pace = Pace(now=0.0)
    pace.reached(0.1, 1.0)
    pace.reached(0.2, 11.0)
    seen = [pace.fraction(11.0 + second) for second in range(60)]
    assert seen == sorted(seen)
    assert seen[5] > seen[0] == 0.2
    assert max(seen) < 0.3


def test_it_never_goes_back_and_never_reaches_the_end() -> None:
    pace = Pace(now=0.0)
    seen = []
    for second, fraction in enumerate([0.03, 0.5, 0.51, 0.52, 1.0, 1.0]):
        pace.reached(fraction, float(second))
        seen += [pace.fraction(second + 0.9)]
    assert all(one <= other for one, other in itertools.pairwise(seen))
    assert seen[-1] < 1.0


def test_the_time_left_follows_from_the_pace_without_the_decoding() -> None:
    pace = Pace(now=0.0)
    assert pace.seconds_left(1.0) is None
    pace.reached(0.1, 30.0)  # loading and decoding took long
    assert pace.seconds_left(30.0) is None
    pace.reached(0.2, 40.0)
    assert round(pace.seconds_left(40.0) or 0) == 80
    assert round(pace.seconds_left(45.0) or 0) == 75

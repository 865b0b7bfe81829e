import numpy as np
import pytest

from broker_assets.tom.survey.reconstruction import histories


def counted(curves, source, **options):
    found = histories(curves, np.array([source]), **options)
    return int(found.end_source[0] - found.first_source[0]), int(found.end_forced[0] - found.first_forced[0])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("source", "options", "points"),
    [
        (155218500031, {}, (22, 31)),
        (155218500005, {}, (5, 0)),
        (155218500013, {}, (13, 13)),  # points of the same night included
        (172671000100, {}, (49, 100)),
        (172671000100, {"days": 30}, (2, 31)),
        (172671000100, {"most_forced": 10}, (49, 10)),
        (172671000100, {"days": 30, "most_forced": 4}, (2, 4)),
    ],
)
def test_the_pinned_alerts_of_the_shared_simulation(simulated_curves, source, options, points):
    assert counted(simulated_curves, source, **options) == points


def test_the_first_detection_has_no_history(small_curves):
    assert counted(small_curves, 700003) == (0, 0)


def test_forced_photometry_begins_half_a_day_after_the_first_detection(small_curves):
    assert counted(small_curves, 700004) == (1, 0)
    # 30 days before the first detection: the point of 60270.1, and not that of 60200.
    assert counted(small_curves, 700005) == (2, 4)


def test_points_older_than_the_history_are_left_out(small_curves):
    assert counted(small_curves, 700007) == (0, 0)
    assert counted(small_curves, 700007, days=400) == (3, 4)


def test_a_detection_at_the_same_time_is_not_an_earlier_one(small_curves):
    assert counted(small_curves, 800001) == counted(small_curves, 800000) == (0, 0)
    assert counted(small_curves, 800002) == (2, 2)


def test_an_unknown_detection_is_named(small_curves):
    with pytest.raises(LookupError, match="there is no detection 5"):
        histories(small_curves, np.array([700003, 5]))


def test_a_missing_object_is_named(small_curves):
    curves = type(small_curves)(small_curves.objects.slice(0, 1), small_curves.sources, small_curves.forced)
    with pytest.raises(LookupError, match="there is no object 8"):
        histories(curves, np.array([800000]))


def test_no_alerts_have_no_histories(small_curves):
    assert len(histories(small_curves, np.array([], np.int64)).source) == 0

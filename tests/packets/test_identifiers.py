import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.identifiers import ZTF_ID_BASE, is_ztf_object_id, point_id, ztf_object_id, ztf_object_name

names = st.from_regex(r"ZTF[0-9]{2}[a-z]{7}", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=50))
def test_names_survive_the_way_there_and_back(given_names):
    identifiers = ztf_object_id(pa.array(given_names))
    assert ztf_object_name(identifiers).tolist() == given_names
    assert is_ztf_object_id(identifiers).all()
    assert (identifiers >= ZTF_ID_BASE).all()


def test_order_of_names_is_order_of_identifiers():
    assert ztf_object_id(["ZTF00aaaaaaa", "ZTF00aaaaaab", "ZTF01aaaaaaa"]).tolist() == [
        ZTF_ID_BASE,
        ZTF_ID_BASE + 1,
        ZTF_ID_BASE + 26**7,
    ]


@pytest.mark.parametrize(
    "name", ["", "ZTF18abc", "ZTF18ABCDEFG", "ZTF1xabcdefg", "ztf18abcdefg", "ZTF18abcdefgh", None]
)
def test_what_is_no_name_is_refused_with_its_row(name):
    with pytest.raises(ValueError, match="row 1"):
        ztf_object_id(["ZTF18abcdefg", name])


@pytest.mark.parametrize("identifier", [0, 7912941781254298, -1, ZTF_ID_BASE - 1, ZTF_ID_BASE + 100 * 26**7])
def test_identifiers_of_other_surveys_have_no_ztf_name(identifier):
    assert not is_ztf_object_id([identifier])[0]
    with pytest.raises(ValueError, match=str(identifier)):
        ztf_object_name([identifier])


def test_point_ids_depend_on_every_field_and_on_their_order():
    one, two = np.arange(100_000), np.arange(100_000)[::-1].copy()
    ids = point_id(one, two)
    assert len(np.unique(ids)) == len(ids)
    assert (ids >= 0).all()
    assert not np.intersect1d(ids, point_id(two + 1, one)).size
    assert (point_id(one, two) == ids).all()

"""The HTML itself: its bound, that nothing in it is more than text and pictures, and how values are written."""

import datetime as dt
import decimal
import io
import os
import uuid
from html.parser import HTMLParser

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from PIL import Image

import pxt_flight as pf
from pxt_flight.client.display import MAX_BYTES, fault_html, preview_html
from pxt_flight.client.preview import Preview
from pxt_flight.client.values import MAX_TEXT, size_text, value_text
from pxt_flight.errors import error

TAGS = {"div", "style", "table", "thead", "tbody", "tr", "th", "td", "br", "b", "i", "small", "span", "img"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;</style></table>\u202e\x00\U0001f600"
THUMBNAIL = {"pxt:type": "Image", "pxt:media": "thumbnail:96"}


class Page(HTMLParser):
    """The tags of a page; fails on one that a display has no use for."""

    def __init__(self, html):
        super().__init__()
        self.open, self.cells, self.pictures, self.texts = [], 0, 0, []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS
        for name, value in attributes:
            assert name in ("class", "title") or (tag == "img" and name in ("alt", "src"))
            assert name != "src" or value.startswith("data:image/jpeg;base64,")
        self.cells += tag == "td"
        self.pictures += tag == "img"
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            assert "url(" not in data
            assert "@import" not in data
        else:
            self.texts.append(data)


def jpeg(size=96):
    """A thumbnail that does not compress."""
    out = io.BytesIO()
    Image.frombytes("RGB", (size, size), os.urandom(3 * size * size)).save(out, "JPEG", quality=80)
    return out.getvalue()


def checked(rows, **about):
    html = preview_html(Preview(rows, **about))
    assert len(html.encode()) <= MAX_BYTES
    return html, Page(html)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.just(HOSTILE)
TEXTS = NAMES | st.sampled_from([HOSTILE, HOSTILE * 40, "\"'" * 3000, "\U0001f600" * 3000, "&" * 3000, "x" * 100_000])
COLUMNS = st.sampled_from(["text", "json", "list", "picture", "broken picture", "url", "struct", "binary"])


def column(kind, name, text, pixels):
    picture = pa.field(name, pa.binary(), metadata=THUMBNAIL | {"pxt:type": text[:60]})
    return {
        "text": (pa.field(name, pa.utf8()), text),
        "json": (pa.field(name, pa.utf8(), metadata={"pxt:type": "Json"}), text),
        "list": (pa.field(name, pa.list_(pa.utf8())), [text] * 3),
        "picture": (picture, pixels),
        "broken picture": (picture, text.encode()),
        "url": (pa.field(name, pa.utf8(), metadata={"pxt:type": "Video", "pxt:media": "url"}), text),
        "struct": (pa.field(name, pa.struct({name: pa.utf8()})), {name: text}),
        "binary": (pa.field(name, pa.binary()), pixels),
    }[kind]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(COLUMNS, NAMES, TEXTS), min_size=1, max_size=40), st.integers(0, 22), NAMES)
@example([("text", HOSTILE, "\"'" * 3000)] * 40, 20, HOSTILE)
@example([("json", '"' * 300, '"' * 3000)] * 15 + [("picture", '"' * 300, '"' * 60)] * 15, 20, '"' * 300)
def test_any_content_is_bounded_and_escaped(columns, count, name):
    pixels = jpeg()
    made = [column(kind, name, text, pixels) for kind, name, text in columns]
    rows = pa.table([pa.array([value] * count, field.type) for field, value in made], pa.schema([field for field, _ in made]))
    _, page = checked(rows, name=name, version=3)
    assert page.cells == min(count, 20) * (min(len(columns), 30) + (len(columns) > 30))


def test_pictures_that_find_no_room_are_badges():
    field = pa.field("photo", pa.binary(), metadata=THUMBNAIL)
    large = [jpeg() for _ in range(60)]
    rows = pa.table([pa.array(large[i : i + 20]) for i in (0, 20, 40)], pa.schema([field] * 3))
    html, page = checked(rows)
    assert 10 < page.pictures < 60
    assert page.pictures + html.count('<span class="pxt-badge">Image</span>') == 60
    assert len(html.encode()) > MAX_BYTES * 0.9
    few = pa.table([pa.array(large[:5])], pa.schema([field]))
    assert checked(few)[1].pictures == 5


def test_long_texts_leave_room_for_pictures():
    rows = pa.table(
        [pa.array(["é" * 3000] * 20)] * 25 + [pa.array([jpeg(48)] * 20)],
        pa.schema([pa.field(f"text{i}", pa.utf8()) for i in range(25)] + [pa.field("photo", pa.binary(), metadata=THUMBNAIL)]),
    )
    assert checked(rows)[1].pictures == 20


def test_only_a_jpeg_is_a_picture():
    for content in (b"<svg onload=alert(1)>", b"", b"\x89PNG\r\n", b"\xff\xd8\xff" + bytes(MAX_BYTES)):
        rows = pa.table([pa.array([content])], pa.schema([pa.field("photo", pa.binary(), metadata=THUMBNAIL)]))
        assert checked(rows)[1].pictures == 0


@pytest.mark.parametrize("kind", ["Image", "Video", "Audio", "Document"])
def test_media_is_never_text(kind):
    """A URL holds a grant, and a notebook is saved."""
    url = "https://host/api/v1/media/cells/secret/1.2"
    for values, arrow, mode, badge in (
        ([url], pa.utf8(), "url", kind),
        ([{"url": url}], pa.struct({"url": pa.utf8()}), "url", kind),
        ([url.encode()], pa.binary(), "bytes", f"{kind} {len(url)} B"),
        ([url.encode()], pa.binary(), "thumbnail:96", kind),
        ([None], pa.binary(), "thumbnail:96", kind),
    ):
        rows = pa.table([pa.array(values, arrow)], pa.schema([pa.field("m", arrow, metadata={"pxt:type": kind, "pxt:media": mode})]))
        html, page = checked(rows)
        assert "secret" not in html
        assert f'<span class="pxt-badge">{badge}</span>' in html
        assert page.pictures == 0


def test_wide_tables_end_with_a_count():
    html, page = checked(pa.table([pa.array([1, 2])] * 33, names=[f"c{i}" for i in range(33)]))
    assert "<th><small>and 3 more</small></th>" in html
    assert page.cells == 2 * 31
    assert ">first 2 rows, 33 columns<" in html


def test_marks_of_a_column():
    schema = pa.schema(
        [
            pa.field("at", pa.timestamp("us", "UTC"), metadata={"pxt:type": "Timestamp"}),
            pa.field("score", pa.float64(), metadata={"pxt:type": "Float", "pxt:computed": "true"}),
            pa.field("plain", pa.int32(), metadata={"pxt:computed": "false"}),
        ]
    )
    html, _ = checked(schema.empty_table())
    assert "<th>at<br><small>Timestamp · UTC</small></th>" in html
    assert '<th class="pxt-number">score<br><small>Float · computed</small></th>' in html
    assert '<th class="pxt-number">plain<br><small>int32</small></th>' in html


def test_no_columns_at_all():
    checked(pa.table({}))


def test_a_long_text_is_cut_and_whole_in_the_tooltip():
    html, _ = checked(pa.table({"text": ["word " * 100, "short"]}))
    assert f'<div title="{("word " * 100).strip()}">{("word " * 100)[:199].rstrip()}…</div>' in html
    assert "<div>short</div>" in html


def test_a_fault_is_escaped():
    html = fault_html(error("INVALID_ARGUMENT", HOSTILE, hint=HOSTILE), HOSTILE)
    Page(html)
    assert "Hint: &lt;script&gt;" in html
    Page(fault_html(pf.PxtFlightError("<b>" * 9000, "no hint")))
    assert len(fault_html(pf.PxtFlightError("<b>" * 9000, "x" * 9000, hint="y" * 9000)).encode()) < MAX_BYTES


# Values

UTC = dt.UTC


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, pa.int64(), "null"),
        (12345678, pa.int64(), "12345678"),
        (2**63 - 1, pa.int64(), "9223372036854775807"),
        (1 / 3, pa.float64(), "0.3333"),
        (5.0, pa.float64(), "5.0"),
        (0.0, pa.float64(), "0.0"),
        (-0.000012345, pa.float64(), "-1.234e-05"),
        (6187.9, pa.float64(), "6187.9"),
        (1e12, pa.float64(), "1e+12"),
        (float("nan"), pa.float64(), "NaN"),
        (float("-inf"), pa.float32(), "-inf"),
        (1.5, pa.float16(), "1.5"),
        (decimal.Decimal("4.850000"), pa.decimal128(38, 6), "4.85"),
        (decimal.Decimal(400), pa.decimal128(38, 0), "400"),
        (True, pa.bool_(), "true"),
        (False, pa.bool_(), "false"),
        ("two\n  lines\t", pa.utf8(), "two lines"),
        ("view", pa.string_view(), "view"),
        ("large", pa.large_utf8(), "large"),
        (b"x" * 1234, pa.binary(), "1.2 KB"),
        (b"x" * 3, pa.binary(3), "3 B"),
        (dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), pa.timestamp("us", "UTC"), "2024-01-02 03:04:05"),
        (dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), pa.timestamp("us", "Asia/Tokyo"), "2024-01-02 03:04:05"),
        (dt.datetime(2024, 1, 2, 3, 4, 5, 120000, UTC).replace(tzinfo=None), pa.timestamp("us"), "2024-01-02 03:04:05.12"),
        (253402300800 * 30, pa.timestamp("s", "UTC"), "7602069024000 s since 1970"),
        (-62135596801, pa.timestamp("s"), "-62135596801 s since 1970"),
        (dt.date(2024, 1, 2), pa.date32(), "2024-01-02"),
        (dt.date(2024, 1, 2), pa.date64(), "2024-01-02"),
        (2**31 - 1, pa.date32(), "2147483647 days since 1970"),
        (dt.time(3, 4, 5), pa.time64("us"), "03:04:05"),
        (dt.timedelta(days=-2, seconds=1, microseconds=20), pa.duration("us"), "-1 d 23:59:58.99998"),
        (dt.timedelta(seconds=61), pa.duration("s"), "00:01:01"),
        (uuid.UUID(int=5), pa.uuid(), "00000000-0000-0000-0000-000000000005"),
        ('{"a":  1}', pa.json_(), '{"a": 1}'),
        ([1, None, 3], pa.list_(pa.int64()), "[1, null, 3]"),
        (list(range(9)), pa.list_(pa.int64()), "[0, 1, 2, 3, 4, 5, …]"),
        ([[[[1]]]], pa.list_(pa.list_(pa.list_(pa.list_(pa.int64())))), "[[[…]]]"),
        ({"a": 1, "b": ["x"]}, pa.struct({"a": pa.int64(), "b": pa.list_(pa.utf8())}), "{a: 1, b: [x]}"),
        (
            {"data": [1.0, 2.5], "shape": [1, 2]},
            pa.struct({"data": pa.list_(pa.float32()), "shape": pa.list_(pa.int32(), 2)}),
            "(1, 2) 1.0, 2.5",
        ),
        ([[1, 2], [3, 4]], pa.list_(pa.list_(pa.int32(), 2), 2), "(2, 2) 1, 2, 3, 4"),
        ([("k", 1)], pa.map_(pa.utf8(), pa.int64()), "[{key: k, value: 1}]"),
    ],
)
def test_values(value, kind, text):
    assert value_text(pa.array([value], kind)[0]) == text


def test_a_tensor_is_its_shape_and_first_values():
    kind = pa.fixed_shape_tensor(pa.float32(), (2, 4))
    tensors = pa.ExtensionArray.from_storage(kind, pa.array([[i / 2 for i in range(8)]], pa.list_(pa.float32(), 8)))
    assert value_text(tensors[0]) == "(2, 4) 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, …"
    assert value_text(pa.array(["a"]).dictionary_encode()[0]) == "a"


def test_only_the_beginning_of_a_large_value_is_looked_at():
    assert len(value_text(pa.scalar("ü" * 1_000_000))) <= MAX_TEXT + 1
    assert len(value_text(pa.scalar([["x" * 9000] * 30] * 30))) <= MAX_TEXT + 2


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (45_600, "46 KB"), (3_400_000_000, "3.4 GB")])
def test_sizes(size, text):
    assert size_text(size) == text

from __future__ import annotations

import pytest

from mrcnn.data.formats.voc.voc_xml import read_voc_xml

BOMB = """<?xml version="1.0"?>
<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<annotation><object><name>&b;</name></object></annotation>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>
<annotation><object><name>&e;</name></object></annotation>"""


def write(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_text(text)
    return path


def test_size_and_objects_are_read(tmp_path):
    image = read_voc_xml(
        write(
            tmp_path,
            "<annotation><size><width>10</width><height>8.0</height></size><object>"
            "<name> person </name><pose>Left</pose><truncated>1</truncated>"
            "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
            "<bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax>"
            "</bndbox></object></annotation>",
        )
    )
    assert (image.height, image.width) == (8, 10)
    (person,) = image.objects  # its head is no object
    assert person.name == "person"
    assert person.box == (1, 0.5, 6, 4)
    assert person.extra == {"pose": "Left", "truncated": 1, "box": person.box}


def test_size_may_be_missing_and_box_too(tmp_path):
    text = "<annotation><object><name>x</name></object></annotation>"
    image = read_voc_xml(write(tmp_path, text))
    assert (image.height, image.width) == (None, None)
    assert image.objects[0].box is None


@pytest.mark.parametrize("text", [BOMB, OUTSIDE], ids=["bomb", "file"])
def test_entities_are_refused(tmp_path, text):
    with pytest.raises(ValueError, match="declares a document type"):
        read_voc_xml(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotation><object></annotation>", "mismatched tag"),
        ("", "no element found"),
        ("<html/>", "its root is <html>"),
        ("<annotation><object/></annotation>", "has no <name>"),
        ('<?xml version="1.0" encoding="x"?><annotation/>', "encoding 'x', which"),
        (
            "<annotation><size><width>w</width><height>1</height></size></annotation>",
            "<size>: width is 'w'",
        ),
    ],
)
def test_damaged_file_is_named_with_the_reason(tmp_path, text, reason):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=reason) as caught:
        read_voc_xml(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("sides", "reason"),
    [
        ("<xmin>1</xmin>", "ymin is missing"),
        ("<xmin>1</xmin><ymin>nan</ymin><xmax>4</xmax><ymax>6</ymax>", "ymin is 'nan'"),
        ("<xmin>1</xmin><ymin>2</ymin><xmax>inf</xmax><ymax>6</ymax>", "xmax is 'inf'"),
        ("<xmin>1</xmin><ymin>2</ymin><xmax>x</xmax><ymax>6</ymax>", "xmax is 'x'"),
        ("<xmin>1</xmin><ymin>2</ymin><xmax/><ymax>6</ymax>", "xmax is missing"),
    ],
)
def test_box_without_four_numbers_is_named_and_the_rest_is_read(
    tmp_path, sides, reason
):
    text = "<annotation><size><width>8</width><height>9</height></size>"
    for inner in (f"<bndbox>{sides}</bndbox><truncated>1</truncated>", ""):
        text += f"<object><name>x</name>{inner}</object>"
    path = write(tmp_path, text + "</annotation>")
    image = read_voc_xml(path)
    assert (image.height, image.width, len(image.objects)) == (9, 8, 2)
    damaged = image.objects[0]
    assert damaged.box is None and damaged.extra == {"truncated": 1}
    for part in (str(path), "object 1 ('x'): <bndbox>", reason):
        assert part in damaged.damage


@pytest.mark.parametrize(
    ("text", "flag"),
    [("1", 1), ("0", 0), ("1.0", 1), ("true", 1), ("False", 0), ("", None)]
    + [(text, None) for text in ("2", "nan", "inf", "-1", "Unspecified")],
)
def test_flags_are_0_and_1_or_words_of_them(tmp_path, text, flag):
    path = write(
        tmp_path,
        f"<annotation><object><name>x</name><difficult>{text}</difficult></object>"
        "</annotation>",
    )
    image = read_voc_xml(path)
    assert image.objects[0].extra == ({} if flag is None else {"difficult": flag})
    assert bool(image.unread) == (flag is None and text != "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encoding_is_that_of_the_mark_or_of_the_first_line(tmp_path, encoding):
    text = "<annotation><object><name>Zähne</name></object></annotation>"
    path = tmp_path / "a.xml"
    path.write_text(text, encoding=encoding)
    if encoding == "cp1252":
        with pytest.raises(ValueError, match=r"a\.xml: byte 0xe4 in line 1 .*as UTF-8"):
            read_voc_xml(path)
        head = '<?xml version="1.0" encoding="windows-1252"?>'
        path.write_text(head + text, encoding=encoding)
    assert read_voc_xml(path).objects[0].name == "Zähne"


def test_flags_that_are_words_are_left_out_and_told(tmp_path):
    text = (
        "<annotation><object><name>x</name><difficult>Unspecified</difficult>"
        "<truncated>1</truncated></object></annotation>"
    )
    image = read_voc_xml(write(tmp_path, text))
    assert image.objects[0].extra == {"truncated": 1}
    assert image.unread == ("<difficult>Unspecified",)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_voc_xml(tmp_path / "a.xml")

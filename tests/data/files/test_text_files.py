from __future__ import annotations

import pytest

from mrcnn.data.files.text_files import EncodingError, read_text

TEXT = '{"label": "Zelle ü 細胞"}\n'
XML = '<?xml version="1.0" encoding="{}"?>\n<name>Zelle ü</name>'


@pytest.mark.parametrize(
    "encoding",
    [
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
        *("utf-32", "utf-32-le", "utf-32-be"),
    ],
)
def test_encodings_that_the_first_bytes_show(tmp_path, encoding):
    path = tmp_path / "a.json"
    path.write_bytes(TEXT.encode(encoding))
    assert read_text(path, "read()") == TEXT


def test_encoding_that_an_xml_file_declares(tmp_path):
    path = tmp_path / "a.xml"
    for encoding in ("iso-8859-1", "cp1252", "UTF-8"):
        path.write_bytes(XML.format(encoding).encode(encoding))
        assert read_text(str(path), "read()") == XML.format(encoding)
    path.write_bytes(XML.format("klingon").encode())
    with pytest.raises(EncodingError, match=r"read\(\): .*encoding 'klingon'"):
        read_text(path, "read()")


@pytest.mark.parametrize(("text", "line"), [("{}\nü", 2), (XML.format("utf-8"), 2)])
def test_code_page_is_named_with_the_way_to_write_the_file_anew(tmp_path, text, line):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("cp1252"))
    with pytest.raises(EncodingError, match=rf"0xfc in line {line} is not UTF-8.*cp12"):
        read_text(path, "read()")
    path.write_bytes(b"")
    assert read_text(path, "read()") == ""


def test_text_cut_off_within_a_letter_is_told(tmp_path):
    path = tmp_path / "a.json"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes(TEXT.strip('}"\n').encode(encoding)[:-1])
        with pytest.raises(EncodingError, match=rf"line 1 is not {encoding.upper()}"):
            read_text(path, "read()")

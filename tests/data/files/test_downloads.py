"""Downloads from a server of this machine: whole and checked, or not there."""

from __future__ import annotations

import hashlib
import http.server
import threading
import types

import pytest

from mrcnn.data.files import downloads
from mrcnn.data.files.downloads import (
    COCO_MODEL_URL,
    DownloadError,
    cache_dir,
    cache_path,
    download,
    find_fault,
)

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 20
MD5 = hashlib.md5(HDF5).hexdigest()
SHA256 = hashlib.sha256(HDF5).hexdigest()
PAGE = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path; `asked` of the server counts."""

    answers = {
        "/weights.h5": (200, HDF5, len(HDF5)),
        "/other/weights.h5": (200, HDF5 + b"!", len(HDF5) + 1),
        "/cut.h5": (200, HDF5[:1000], len(HDF5)),
        "/unannounced.h5": (200, HDF5, None),
        "/login.h5": (200, PAGE, len(PAGE)),
        "/login?id=3": (200, PAGE, len(PAGE)),
        "/page.html": (200, PAGE, len(PAGE)),
        "/denied": (200, b"<?xml version='1.0'?><Error/>", 29),
        "/na%C3%AFve%20weights.h5": (200, HDF5, len(HDF5)),
        "/pickle.h5": (200, b"\x80\x04abc", 5),
        "/empty.h5": (200, b"", 0),
    }

    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.path)
        code, body, length = self.answers.get(self.path, (404, b"gone", 4))
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keeps the test's output clean."""


@pytest.fixture(scope="module")
def running():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def web(running, tmp_path, monkeypatch):
    """A server, an empty cache folder, and no proxy between them."""
    running.asked = []
    monkeypatch.setenv("MRCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    address = f"http://127.0.0.1:{running.server_address[1]}"
    return types.SimpleNamespace(
        url=lambda path: address + path, asked=running.asked, cache=tmp_path / "cache"
    )


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_and_kept_whole(web):
    path = download(web.url("/weights.h5"), verbose=0)
    assert path.read_bytes() == HDF5
    assert web.cache in path.parents
    assert download(web.url("/weights.h5"), verbose=0) == path
    assert web.asked == ["/weights.h5"]
    assert files_in(web.cache) == ["weights.h5"]  # nothing temporary


def test_files_of_one_name_and_two_addresses_are_two_files(web):
    first = download(web.url("/weights.h5"), verbose=0)
    second = download(web.url("/other/weights.h5"), verbose=0)
    assert first.name == second.name and first != second
    assert second.read_bytes() == HDF5 + b"!"


def test_a_path_of_the_users_is_made_and_filled(web, tmp_path):
    wanted = tmp_path / "new" / "folder" / "mine.h5"
    assert download(web.url("/weights.h5"), str(wanted), verbose=0) == wanted
    assert wanted.read_bytes() == HDF5
    assert not web.cache.exists()


def test_a_file_of_unannounced_length_is_fetched(web):
    assert download(web.url("/unannounced.h5"), verbose=0).read_bytes() == HDF5


def test_file_addresses_work(web, tmp_path):
    source = tmp_path / "with blank.h5"
    source.write_bytes(HDF5)
    path = download(source.as_uri(), verbose=0)
    assert path != source and path.name == source.name
    assert path.read_bytes() == HDF5


@pytest.mark.parametrize(
    "right", [{"size": len(HDF5)}, {"sha256": SHA256.upper()}, {"md5": MD5}]
)
def test_what_is_right_passes_each_check(web, right):
    assert download(web.url("/weights.h5"), verbose=0, **right).exists()


@pytest.mark.parametrize(
    ("source", "checks", "reason"),
    [
        ("/cut.h5", {}, "ended after 1000 of 5128 bytes"),
        ("/weights.h5", {"size": 9}, "has 5128 bytes instead of 9"),
        ("/weights.h5", {"sha256": "0" * 64}, f"sha256 checksum {SHA256} instead"),
        ("/weights.h5", {"md5": "0" * 32}, f"md5 checksum {MD5} instead of 000"),
        ("/nowhere.h5", {}, "the server answers 404"),
        ("/login.h5", {}, "is a web page"),
        ("/login?id=3", {}, "is a web page"),
        ("/denied", {}, "is a web page"),
        ("/pickle.h5", {}, "is no HDF5 file; it begins with"),
        ("/empty.h5", {}, "is empty"),
    ],
)
def test_a_wrong_answer_leaves_nothing_and_says_what_to_do(
    web, tmp_path, source, checks, reason
):
    wanted = tmp_path / "here" / "wanted.h5"
    with pytest.raises(DownloadError) as error:
        download(web.url(source), wanted, verbose=0, **checks)
    text = str(error.value)
    assert reason in text
    assert web.url(source) in text and str(wanted) in text and "by hand" in text
    assert files_in(tmp_path) == []


def test_addresses_may_hold_blanks_and_any_letters(web):
    path = download(web.url("/na\u00efve weights.h5"), verbose=0)
    assert path.read_bytes() == HDF5
    assert path.name == "na\u00efve weights.h5"


def test_pages_may_be_wanted(web):
    assert download(web.url("/page.html"), verbose=0).read_bytes() == PAGE


def test_no_server_is_an_error_with_the_address(web):
    url = "http://127.0.0.1:9/weights.h5"  # nobody listens on the discard port
    with pytest.raises(DownloadError, match="no connection.*by hand") as error:
        download(url, verbose=0)
    assert url in str(error.value) and str(cache_path(url)) in str(error.value)
    assert isinstance(error.value, OSError)


def test_an_interrupted_download_leaves_no_half_file(web, tmp_path, monkeypatch):
    def copy_and_interrupt(source, file, length):
        """Copies a part; then the user presses Ctrl-C."""
        file.write(source.read(1000))
        assert files_in(tmp_path) != []  # part of it lies there now
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.shutil, "copyfileobj", copy_and_interrupt)
    wanted = tmp_path / "wanted.h5"
    with pytest.raises(KeyboardInterrupt):
        download(web.url("/weights.h5"), wanted)
    assert files_in(tmp_path) == []


def test_a_wrong_file_in_the_cache_is_replaced_with_a_warning(web):
    path = web.cache / "weights.h5"
    path.parent.mkdir()
    path.write_bytes(HDF5[:100])
    with pytest.warns(UserWarning, match="has 100 bytes instead of 5128; fetching"):
        download(web.url("/weights.h5"), path, size=len(HDF5), verbose=0)
    assert path.read_bytes() == HDF5


def test_a_file_of_the_users_is_never_replaced(web, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="has 4 bytes instead of 5128.*left alone"):
        download(web.url("/weights.h5"), path, size=len(HDF5), verbose=0)
    assert path.read_bytes() == b"mine" and web.asked == []


def test_a_wrong_file_stays_while_nothing_better_comes(web):
    path = web.cache / "weights.h5"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.warns(UserWarning, match="fetching"), pytest.raises(DownloadError):
        download(web.url("/nowhere.h5"), path, size=len(HDF5), verbose=0)
    assert path.read_bytes() == b"mine"


def test_a_file_without_known_checks_is_trusted(web, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"mine")
    assert download(web.url("/weights.h5"), path, verbose=0) == path
    assert path.read_bytes() == b"mine" and web.asked == []


def test_known_files_are_checked_unasked_and_lie_in_the_cache_itself(web, monkeypatch):
    url = web.url("/weights.h5")
    monkeypatch.setitem(downloads.KNOWN_FILES, url, {"size": len(HDF5), "md5": MD5})
    assert download(url, verbose=0) == web.cache / "weights.h5"
    url = web.url("/other/weights.h5")
    monkeypatch.setitem(downloads.KNOWN_FILES, url, {"md5": MD5})
    with pytest.raises(DownloadError, match="md5 checksum"):
        download(url, web.cache / "third.h5", verbose=0)


def test_the_coco_file_is_known_by_size_and_checksum(web):
    assert downloads.KNOWN_FILES[COCO_MODEL_URL]["size"] == 257_557_808
    assert len(downloads.KNOWN_FILES[COCO_MODEL_URL]["md5"]) == 32
    assert cache_path(COCO_MODEL_URL) == web.cache / "mask_rcnn_coco.h5"


@pytest.mark.parametrize("url", ["weights.h5", "ftp://a/b.h5", "C:\\weights.h5", ""])
def test_what_is_no_address_is_an_error(web, url):
    with pytest.raises(ValueError, match="not an address"):
        download(url)


def test_a_folder_is_no_place_for_a_file(web, tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        download(web.url("/weights.h5"), tmp_path)


def test_the_bar_shows_the_name_and_silence_is_silent(web, capsys):
    download(web.url("/weights.h5"), verbose=0)
    assert capsys.readouterr() == ("", "")
    download(web.url("/other/weights.h5"), verbose=1)
    assert "weights.h5: 100%" in capsys.readouterr().err


def test_the_cache_is_below_home_unless_the_variable_says_otherwise(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("MRCNN_CACHE", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "mrcnn"
    monkeypatch.setenv("MRCNN_CACHE", "~/elsewhere")
    assert cache_dir() == tmp_path / "elsewhere"


def test_find_fault_of_a_right_file_is_none(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(HDF5)
    assert find_fault(path) is None
    assert find_fault(path, size=len(HDF5), md5=MD5, sha256=SHA256) is None
    path.write_bytes(b"")
    assert find_fault(path) == "is empty"

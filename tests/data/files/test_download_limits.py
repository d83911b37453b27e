"""Servers that cut, stretch, redirect or never end what they send; killed downloads."""

from __future__ import annotations

import hashlib
import http.client
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
import types

import h5py
import pytest

from mrcnn.data.files import downloads
from mrcnn.data.files.atomic import STALE_SECONDS, remove_leftovers
from mrcnn.data.files.downloads import DownloadError, cache_path, download
from tests.conftest import ROOT

PAGE = b"x" * 5000


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path; `ended` of the server counts answers that were not read."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        try:
            getattr(self, self.path.split("/")[1].split(".")[0])()
        except OSError:
            self.server.ended.append(self.path)
        self.close_connection = True

    def start(self, *headers, code=200):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def plain(self):
        """Until the connection ends, without a length."""
        self.start()
        self.wfile.write(self.server.body)

    def cut(self):
        self.start()
        self.wfile.write(self.server.body[: len(self.server.body) // 2])

    def chunked(self, end=b"0\r\n\r\n"):
        self.start(("Transfer-Encoding", "chunked"))
        self.wfile.write(b"%x\r\n%s\r\n" % (len(PAGE), PAGE) + end)

    def chunkless(self):
        """The mark of the end is missing."""
        self.chunked(end=b"")

    def halfchunk(self):
        self.chunked(end=b"ff\r\nabc")

    def endless(self):
        self.start()
        while True:
            self.wfile.write(PAGE)

    def slow(self):
        """A byte now and then, so that the server is never silent for long."""
        self.start(("Content-Length", "100000"))
        while True:
            self.wfile.write(b"x")
            time.sleep(0.02)

    def garbage(self):
        self.start(("Content-Length", "many"))
        self.wfile.write(b"x")

    def redirect(self):
        port = self.server.server_address[1]
        self.start(("Location", f"http://127.0.0.1:{port}/plain"), code=302)

    def tofile(self):
        self.start(("Location", "file:///etc/hostname"), code=302)

    def nothing(self):
        """No answer at all."""

    def around(self):
        self.start(("Location", "/around"), code=302)

    def log_message(self, *args):
        """Keeps the test's output clean."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    path = tmp_path_factory.mktemp("body") / "w.h5"
    with h5py.File(path, "w") as file:
        file["x"] = list(range(5000))
    server.body = path.read_bytes()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(running, tmp_path, monkeypatch):
    running.ended = []
    monkeypatch.setenv("MRCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    place = f"127.0.0.1:{running.server_address[1]}"
    return types.SimpleNamespace(
        url=lambda path, scheme="http": f"{scheme}://{place}{path}",
        cache=tmp_path / "cache",
        body=running.body,
        ended=running.ended,
    )


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def assert_refused(web, url, *parts, **expected):
    with pytest.raises(DownloadError) as error:
        download(url, verbose=0, **expected)
    for part in (url, "by hand", *parts):
        assert part in str(error.value)
    assert files_in(web.cache) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/cut.h5", "is cut off"),
        ("/chunkless", "ended before the file did"),
        ("/halfchunk", "ended before the file did"),
        ("/garbage", "many"),
        ("/tofile", "file:///etc/hostname"),
        ("/around", "redirect"),
        ("/nothing", "closed connection"),
    ],
)
def test_wrong_answers_leave_nothing_and_say_what_to_do(web, path, reason):
    assert_refused(web, web.url(path), reason)


@pytest.mark.parametrize("expected", [{"size": 99999}, {"md5": "0" * 32}])
def test_a_cut_answer_without_length_is_told_by_what_is_known(web, expected):
    assert_refused(web, web.url("/cut.bin"), "instead of", **expected)


def test_whole_answers_without_length_are_fetched(web, recwarn):
    assert download(web.url("/plain.h5"), verbose=0).read_bytes() == web.body
    assert download(web.url("/chunked"), verbose=0).read_bytes() == PAGE
    digest = hashlib.sha256(web.body).hexdigest()
    download(web.url("/plain.bin"), verbose=0, sha256=digest)
    assert not recwarn.list


def test_what_nobody_can_tell_to_be_whole_is_warned_of(web, running):
    with pytest.warns(UserWarning, match="does not say how long"):
        running.body, kept = PAGE, running.body
        try:
            download(web.url("/plain"), verbose=0)
        finally:
            running.body = kept


def test_an_endless_answer_ends_at_the_known_size(web):
    reason = "more than 20,000 bytes"
    assert_refused(web, web.url("/endless"), reason, size=20_000)
    assert cache_path(web.url("/endless")).parent.exists()


def test_an_endless_answer_of_unknown_size_ends_as_well(web, monkeypatch):
    monkeypatch.setattr(downloads, "_MOST_BYTES", 100_000)
    assert_refused(web, web.url("/endless"), "more than 100,000 bytes")


def test_a_slow_server_has_only_so_much_time(web, monkeypatch):
    monkeypatch.setattr(downloads, "_TOTAL_SECONDS", 0.5)
    begin = time.monotonic()
    assert_refused(web, web.url("/slow"), "bytes came in 0.5 seconds")
    assert time.monotonic() - begin < 10


def test_https_never_becomes_http(web, monkeypatch):
    def without_encryption(host, context=None, **kwargs):
        return http.client.HTTPConnection(host, timeout=kwargs["timeout"])

    monkeypatch.setattr(http.client, "HTTPSConnection", without_encryption)
    assert_refused(web, web.url("/redirect.h5", "https"), "isn't safe", "http://")
    path = download(web.url("/redirect.h5"), verbose=0)  # was http from the start
    assert path.read_bytes() == web.body


@pytest.mark.parametrize(
    "url",
    [
        "http://a..b/x.h5",
        "http://[bad/x.h5",
        "http://host:port/x.h5",
        "http:///x.h5",
        "http://127.0.0.1:9/" + "long" * 100 + ".h5",
        "http://127.0.0.1:9/null%00.h5",
        "http://127.0.0.1:9/%2e%2e",
        "http://127.0.0.1:9/a%0ab.h5",
        "file:///no/such/file.h5",
        "file:///",
        "https://" + "a" * 300 + ".example/x",
    ],
)
def test_every_failure_is_one_kind_of_error(web, url):
    with pytest.raises(DownloadError, match=r"download\(url="):
        download(url, verbose=0)
    assert files_in(web.cache) == []


def test_a_folder_that_cannot_be_written_is_a_download_error(web, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="download"):
        download(web.url("/plain.h5"), tmp_path / "file" / "w.h5", verbose=0)


# What killed downloads leave


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_what_a_killed_download_left_goes_with_the_next_one(web):
    code = "import sys; from mrcnn.data import download; download(sys.argv[1])"
    child = subprocess.Popen([sys.executable, "-c", code, web.url("/slow")], cwd=ROOT)
    try:
        end = time.monotonic() + 60
        while not files_in(web.cache) and time.monotonic() < end:
            time.sleep(0.05)
        (left,) = files_in(web.cache)
        download(web.url("/plain.h5"), verbose=0)
        assert files_in(web.cache) == [left, "plain.h5"]  # it is being written
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    download(web.url("/chunked"), verbose=0)
    assert files_in(web.cache) == ["chunked", "plain.h5"]


def test_only_what_is_old_and_named_as_ours_goes(tmp_path):
    old = [".w.h5.123.456.tmp", ".w.h5.0123abcd.123.456.tmp"]
    stay = ["w.h5.123.456.tmp", ".notes.tmp", ".w.h5.7.tmp", ".w.h5.tmp", "w.h5"]
    fresh = [".v.h5.123.456.tmp", ".v.h5.0123abcd.123.456.tmp"]
    for name in old + stay + fresh:
        (tmp_path / name).touch()
    for name in old + stay:
        past = time.time() - STALE_SECONDS - 60
        os.utime(tmp_path / name, (past, past))
    remove_leftovers(tmp_path, "other")
    assert len(files_in(tmp_path)) == len(old + stay + fresh)
    remove_leftovers(tmp_path, "w.h5")
    assert files_in(tmp_path) == sorted(stay + fresh)
    remove_leftovers(tmp_path)
    assert files_in(tmp_path) == sorted(stay + fresh)

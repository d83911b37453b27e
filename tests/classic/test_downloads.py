"""The old way to fetch weights goes through the one downloader."""

from __future__ import annotations

import pytest

from mrcnn import utils
from mrcnn.classic import downloads


@pytest.mark.parametrize("verbose", [0, 1])
def test_download_trained_weights_fetches_the_old_release(
    monkeypatch, tmp_path, verbose
):
    calls = []

    def fake(url, path=None, **options):
        calls.append((url, path, options))
        return path

    monkeypatch.setattr(downloads, "download", fake)
    path = str(tmp_path / "mask_rcnn_coco.h5")
    assert utils.download_trained_weights(path, verbose=verbose) == path
    assert calls == [(utils.COCO_MODEL_URL, path, {"verbose": verbose})]

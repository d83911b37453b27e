"""What scripts of other people detect in, and what they do with the answer.

The numbers are those of the list of such habits: 4, 10 and 12 of twelve.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

import mrcnn.model as modellib
from mrcnn.utils import Dataset
from tests.scripts.small import assert_same, picture

# 4. Images as they come


def test_4_a_list_and_a_4d_array_are_the_same(model):
    stack = np.stack([picture(seed=1), picture(seed=2)])
    from_list, from_array = model.detect(list(stack)), model.detect(stack)
    for first, second in zip(from_list, from_array, strict=True):
        assert_same(first, second)


def test_4_grey_palette_and_rgba_are_seen_as_rgb(model, tmp_path):
    grey = picture()[..., :1]
    expected = model.detect([np.repeat(grey, 3, axis=2)])[0]
    assert_same(model.detect([grey])[0], expected)

    rgba = np.dstack([picture(), np.full([48, 64], 128, np.uint8)])
    palette = Image.fromarray(picture()).quantize(16)
    colors = np.asarray(palette.convert("RGB"))
    palette.save(tmp_path / "palette.png")
    assert_same(model.detect([rgba])[0], model.detect([picture()])[0])
    assert_same(model.detect([palette])[0], model.detect([colors])[0])
    assert_same(
        model.detect([str(tmp_path / "palette.png")])[0], model.detect([colors])[0]
    )


def test_4_data_sets_read_palette_and_rgba_files_as_rgb(tmp_path):
    palette = Image.fromarray(picture()).quantize(16)
    rgba = Image.fromarray(np.dstack([picture(), np.full([48, 64], 9, np.uint8)]))
    palette.save(tmp_path / "palette.png")
    rgba.save(tmp_path / "rgba.png")
    dataset = folder_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.load_image(0), palette.convert("RGB"))
    np.testing.assert_array_equal(dataset.load_image(1), picture())


def folder_dataset(folder):
    dataset = Dataset()
    for path in sorted(folder.glob("*.png")):
        dataset.add_image("files", image_id=path.name, path=str(path))
    dataset.prepare()
    return dataset


def test_4_a_molded_image_is_taken_as_it_is_with_a_warning(model):
    molded = modellib.mold_image(picture(64, 64), model.config)
    with pytest.warns(UserWarning, match="molded already.*detect_molded"):
        twice = model.detect([molded])[0]
    # Not guessed: the mean is subtracted once more, as it was asked for.
    meta = modellib.compose_image_meta(
        0, molded.shape, molded.shape, (0, 0, 64, 64), 1, np.zeros(3, int)
    )
    mean = model.config.MEAN_PIXEL.astype(np.float32)
    as_given = model.detect_molded((molded - mean)[np.newaxis], meta[np.newaxis])[0]
    assert_same(twice, as_given)


def test_4_threads_of_a_server_share_one_model(model):
    images = [picture(40 + 4 * i, 60, seed=i) for i in range(4)]
    expected = [model.detect([image])[0] for image in images]
    model.keras_model._make_predict_function()  # what servers called beforehand
    answers = [None] * 4

    def serve(i):
        answers[i] = model.detect([images[i]], verbose=0)[0]

    threads = [threading.Thread(target=serve, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer, wanted in zip(answers, expected, strict=True):
        assert_same(answer, wanted)


# 10. Video loops


def test_10_every_frame_is_detected_and_drawn_with_opencv(model, tmp_path):
    cv2 = pytest.importorskip("cv2")
    names = ["BG", "box", "bar"]
    colors = [(0, 0, 0), (0, 200, 0), (0, 0, 200)]
    drawn = []
    for i in range(3):
        frame = picture(seed=i)  # of cv2.VideoCapture: BGR
        r = model.detect([frame[..., ::-1]], verbose=0)[0]
        output = frame.copy()
        for j in range(r["rois"].shape[0]):
            y1, x1, y2, x2 = r["rois"][j]
            class_id = r["class_ids"][j]
            mask = r["masks"][:, :, j]
            blend = 0.5 * output[mask] + 0.5 * np.array(colors[class_id])
            output[mask] = blend.astype(np.uint8)
            cv2.rectangle(output, (x1, y1), (x2, y2), colors[class_id], 2)
            label = f"{names[class_id]} {r['scores'][j]:.2f}"
            cv2.putText(output, label, (x1, y1), 0, 0.4, (255, 255, 255))
        assert r["rois"].shape[0] and (output != frame).any()
        drawn.append(output)
    assert len(drawn) == 3


# 12. Seven outputs


def test_12_the_seven_outputs_come_by_position(model):
    config = model.config
    molded_images, image_metas, windows = model.mold_inputs([picture()])
    anchors = model.get_anchors(molded_images[0].shape)
    anchors = np.broadcast_to(anchors, (1, *anchors.shape))
    with pytest.warns(UserWarning, match="anchors given as an input"):
        outputs = model.keras_model.predict(
            [molded_images, image_metas, anchors], verbose=0
        )
    detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rois, rpn_class, rpn_bbox = outputs
    count = config.POST_NMS_ROIS_INFERENCE
    assert detections.shape == (1, config.DETECTION_MAX_INSTANCES, 6)
    assert mrcnn_class.shape == (1, count, 3)
    assert mrcnn_bbox.shape == (1, count, 3, 4)
    assert mrcnn_mask.shape == (1, config.DETECTION_MAX_INSTANCES, 28, 28, 3)
    assert rois.shape == (1, count, 4)
    assert rpn_class.shape == (1, anchors.shape[1], 2)
    assert rpn_bbox.shape == (1, anchors.shape[1], 4)

    final_rois, class_ids, scores, masks = model.unmold_detections(
        detections[0],
        mrcnn_mask[0],
        picture().shape,
        molded_images[0].shape,
        windows[0],
    )
    found = dict(rois=final_rois, class_ids=class_ids, scores=scores, masks=masks)
    assert_same(found, model.detect([picture()])[0])

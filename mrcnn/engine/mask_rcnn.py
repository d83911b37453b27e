"""MaskRCNN: the one object that trains and detects."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

import keras
import numpy as np

from mrcnn.engine.config_changes import ConfigChanges
from mrcnn.engine.detection.molding import mold_images
from mrcnn.engine.detection.run_detection import Detector, own_masks, unmold_detections
from mrcnn.engine.detection.tiling import detect_in_tiles
from mrcnn.engine.graph import build_model
from mrcnn.engine.inspection import Inspectable, log
from mrcnn.engine.network import Network
from mrcnn.engine.training.run_training import Trainable
from mrcnn.engine.training.training_model import TrainingModel
from mrcnn.engine.weights import checkpoints, imagenet, weight_loading
from mrcnn.engine.weights.model_weights import WeightsReport


class MaskRCNN(Trainable, Inspectable):
    """Mask R-CNN (He et al., arXiv:1703.06870) for one configuration.

    Attributes:
        keras_model: the Keras model of the mode.
        config: the Config it was built from.
        mode: "training" or "inference".
        model_dir: folder of the runs.
        log_dir: folder of the present run: checkpoints, config.json (Config and class
            names), history.jsonl (see `visualize.plot_training`), TensorBoard logs.
        epoch: number of epochs the loaded weights have been trained for in this run.
        anchors: float64 [A, 4], px, of the last molded image that was detected, or that
            `get_anchors` was called for; None before.
        network_class: class of `keras_model` for inference, for subclasses to change.
        training_model_class: class of `keras_model` for training, likewise.
    """

    network_class: type[Network] = Network
    training_model_class: type[TrainingModel] = TrainingModel

    def __init__(self, mode: str, config, model_dir: str | os.PathLike):
        """Builds the model.

        Args:
            mode: "training" or "inference".
            config: an instance of a Config subclass.
            model_dir: where runs are written; created when the first file is.

        Raises:
            ValueError: an unknown mode or impossible values in the config.
        """
        super().__init__()
        self.mode = mode
        self.config = config
        self.model_dir = model_dir
        self.epoch = 0
        self._lock = threading.Lock()
        self._made_detector: Detector | None = None
        self._config_changes = ConfigChanges(mode, config)
        self.keras_model = self.build(mode=mode, config=config)
        self.set_log_dir()

    def build(self, mode: str, config) -> keras.Model:
        """Returns the Keras model of a mode; see `engine.graph.build_model`."""
        return build_model(mode, config, self.network_class, self.training_model_class)

    # Files

    def set_log_dir(self, model_path: str | os.PathLike | None = None) -> None:
        """Sets `log_dir`, `checkpoint_path` (fill in `epoch`) and `epoch`.

        Args:
            model_path: a checkpoint of an earlier run of the same NAME, whose folder
                and epoch are continued; any other path, or None, starts a new run.
        """
        name = self.config.NAME
        found = checkpoints.parse_checkpoint(model_path or "", name)
        if found is None:
            run_dir, self.epoch = checkpoints.new_run_dir(self.model_dir, name), 0
        else:
            run_dir, self.epoch = found
        self.log_dir = str(run_dir)
        template = f"mask_rcnn_{name.lower()}_{{epoch:04d}}.h5"
        self.checkpoint_path = os.path.join(self.log_dir, template)

    def find_last(self) -> str:
        """Returns the path of the newest checkpoint of this configuration's runs.

        Raises:
            FileNotFoundError: there is none in `model_dir`.
        """
        return str(checkpoints.find_last(self.model_dir, self.config.NAME))

    def load_weights(
        self,
        filepath: str | os.PathLike,
        by_name: bool = False,
        exclude: Iterable[str] | None = None,
        strict: bool | None = None,
    ) -> WeightsReport:
        """Loads weights, all or nothing, and continues their run if they have one.

        Args:
            filepath: a weight file of this or of the old package, its address
                (https://...), "coco" (the file of the old package), "imagenet" (the
                backbone only, from keras.applications), "nucleus" (comes with the
                package, see `mrcnn.pretrained`) or "last" (the newest checkpoint).
                What is fetched stays in `mrcnn.data.cache_dir()`.
            by_name: accepted for old scripts; weights are always matched by name.
            exclude: names of layers that keep their present weights.
            strict: False loads what fits; otherwise a missing or mis-shaped tensor is
                an error.

        Returns:
            What was loaded, left out, missing, unexpected, mismatched and adapted.

        Raises:
            FileNotFoundError: there is no such file.
            DownloadError: it could not be fetched.
            ValueError: the file can't be read or doesn't fit; nothing was changed.
        """
        report, path = weight_loading.load(self, filepath, exclude, strict)
        self.set_log_dir(path)
        return report

    def get_imagenet_weights(self) -> str:
        """Returns the path of the ImageNet weights of the backbone, fetched if need be.

        Raises:
            ValueError: there are none for this backbone.
            DownloadError: the file could not be fetched.
        """
        imagenet.check_config(self.config)
        return str(imagenet.imagenet_file(self.config.BACKBONE))

    # Inference

    def detect(
        self,
        images,
        verbose: int = 0,
        masks: str | None = "full",
        *,
        tile: int | None = None,
        overlap: int | None = None,
        on_tiles: Callable[[int, int], None] | None = None,
        min_confidence: float | None = None,
    ) -> list[dict]:
        """Returns the objects found in each image.

        With `tile` each image is detected in square parts that overlap, each of which
        goes through the model as an image of its own; an object that several parts
        show is counted once. So images of any size fit, at their full resolution:

            found = model.detect([slide], masks="crop", tile=512)[0]

        Args:
            images: a list of images (or [B, H, W, channels]), any sizes: arrays with
                values in 0..255, or paths of image files. With `tile`, one image may
                be passed without a list.
            verbose: 1 prints the number of images and of detections.
            masks: "full": bool [H0, W0, n]; "crop": a list of bool [y2-y1, x2-x1];
                "rle": a list of COCO run-length dicts, fit for json; None: no masks.
            tile: side of a tile, px of the image, such that objects come out as large
                as those the model was trained on; None for the whole image at once.
            overlap: px that neighboring tiles share at least, best more than the size
                of an object; None for a quarter of `tile`.
            on_tiles: called with (tiles done, tiles in all) of the present image.
            min_confidence: least score of this call, probability; None for
                DETECTION_MIN_CONFIDENCE of the Config, as it is now.

        Returns:
            A list of dicts: rois int32 [n, (y1, x1, y2, x2)], orig; class_ids int32
            [n]; scores float32 [n], falling; masks. With `tile` also full_tiles int32
            [k, (y1, x1, y2, x2)], orig: tiles with as many detections as the model
            gives at most, where more may have been. An empty list gives [].

        Raises:
            ValueError: mode isn't inference, an image of another shape, an unknown
                form of masks, an overlap of more than half a tile.

        Warns of what was changed in the Config after the model was built, other than
        thresholds (DETECTION_MIN_CONFIDENCE, DETECTION_NMS_THRESHOLD,
        DETECTION_CLASS_RULE, RPN_NMS_THRESHOLD), which are followed.
        """
        self._need("inference", "detect")
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise ValueError(
                f"detect(min_confidence={min_confidence!r}): must be a probability, "
                "from 0 to 1."
            )
        self.follow_config()
        if tile is not None:
            results = detect_in_tiles(
                self, images, masks, tile, overlap, on_tiles, min_confidence
            )
        elif overlap is not None or on_tiles is not None:
            raise ValueError("detect(overlap, on_tiles): for tiles; pass tile=512 too.")
        else:
            detector = self._detector()
            results = detector.detect(images, self.config, masks, min_confidence)
            self._see(detector.last_shape)
        if verbose:
            count = sum(len(result["rois"]) for result in results)
            log(f"{len(results)} images, {count} detections")
        return results

    def detect_molded(self, molded_images, image_metas, verbose: int = 0):
        """Returns the objects found in images that are molded already, in px.

        Args:
            molded_images: float32 [B, H, W, channels], see `mold_inputs`.
            image_metas: float32 [B, 12 + C].
            verbose: 1 prints shapes and ranges of the arrays.

        Returns:
            As `detect` does; boxes and masks in the frame of the molded images.
        """
        self._need("inference", "detect_molded")
        if verbose:
            log("molded_images", molded_images)
            log("image_metas", image_metas)
        self.follow_config("detect_molded")
        detector = self._detector()
        results = detector.detect_molded(molded_images, image_metas)
        self._see(detector.last_shape)
        return results

    def mold_inputs(self, images):
        """Returns images as the network takes them.

        Args:
            images: a list of images as in `detect`, which resize to one shape.

        Returns:
            molded_images float32 [B, H, W, channels], image_metas float32
            [B, 12 + C], windows int32 [B, 4], px.
        """
        return mold_images(images, self.config)

    def unmold_detections(
        self, detections, mrcnn_mask, original_image_shape, image_shape, window
    ):
        """Returns (boxes, class_ids, scores, masks) of one image in orig.

        Args:
            detections: float32 [D, (y1, x1, y2, x2, class_id, score)], norm.
            mrcnn_mask: float32 [D, h, w, C], box; rows for padding may be missing, as
                in the output of the layer of this name.
            original_image_shape: (H0, W0, ...).
            image_shape: (H, W, ...) of the molded image.
            window: (y1, x1, y2, x2), px.

        Raises:
            ValueError: masks that don't go with the detections.
        """
        detections = np.asarray(detections)
        masks = own_masks(mrcnn_mask, detections[:, 4].astype(np.int32))
        result = unmold_detections(
            detections, masks, original_image_shape, image_shape, window
        )
        return tuple(result[k] for k in ("rois", "class_ids", "scores", "masks"))

    def follow_config(self, function: str = "detect") -> None:
        """Takes over thresholds that were changed in the Config since the last call.

        `detect`, `train` and `mrcnn.evaluation.evaluate` call it. Warns of other
        changes to what the graph was built with.

        Args:
            function: named in the warning.
        """
        self._config_changes.apply(self.config, self.keras_model, function)

    def _detector(self) -> Detector:
        """Returns the detector of the present keras_model, made at its first use."""
        with self._lock:
            detector = self._made_detector
            if detector is None or detector.keras_model is not self.keras_model:
                detector = Detector(self.keras_model)
                self._made_detector = detector
        return detector

    def _need(self, mode: str, method: str) -> None:
        if self.mode != mode:
            raise ValueError(
                f"{method}(): this model was made for mode={self.mode!r}; build one "
                f"with MaskRCNN(mode={mode!r}, config=..., model_dir=...)."
            )

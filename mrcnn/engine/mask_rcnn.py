"""MaskRCNN: the one object that trains and detects."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable

import keras
import numpy as np

from mrcnn.data.generator import feature_shapes
from mrcnn.engine import checkpoints, inference, inspection, layers
from mrcnn.engine.graph import build_model
from mrcnn.engine.training import run_training
from mrcnn.engine.weights import WeightsReport, load_weights
from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.coordinates import norm_boxes

logger = logging.getLogger("mrcnn")


class MaskRCNN:
    """Mask R-CNN (He et al., arXiv:1703.06870) for one configuration.

    Attributes:
        keras_model: the Keras model of the mode.
        config: the Config it was built from.
        mode: "training" or "inference".
        model_dir: folder of the runs.
        log_dir: folder of the present run: checkpoints and TensorBoard logs.
        epoch: number of epochs the loaded weights have been trained for in this run.
        anchors: float32 [A, 4], px, of the last `get_anchors` call; or None.
    """

    def __init__(self, mode: str, config, model_dir: str | os.PathLike):
        """Builds the model.

        Args:
            mode: "training" or "inference".
            config: an instance of a Config subclass.
            model_dir: where runs are written; created when the first file is.

        Raises:
            ValueError: an unknown mode or impossible values in the config.
        """
        self.mode = mode
        self.config = config
        self.model_dir = model_dir
        self.anchors: np.ndarray | None = None
        self.epoch = 0
        self._lock = threading.Lock()
        self._made_detector: inference.Detector | None = None
        self.keras_model = self.build(mode=mode, config=config)
        self.set_log_dir()

    def build(self, mode: str, config) -> keras.Model:
        """Returns the Keras model of a mode; see `engine.graph.build_model`."""
        return build_model(mode, config)

    # Files

    def set_log_dir(self, model_path: str | os.PathLike | None = None) -> None:
        """Sets `log_dir`, `checkpoint_path` and `epoch`.

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
        template = f"mask_rcnn_{name.lower()}_*epoch*.h5"
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
        """Loads a weight file, all or nothing, and continues its run if it has one.

        Args:
            filepath: an HDF5 file written by this or by the old package.
            by_name: accepted for old scripts; weights are always matched by name.
            exclude: names of layers that keep their present weights.
            strict: False loads what fits; otherwise a missing or mis-shaped tensor is
                an error.

        Returns:
            What was loaded, left out, missing, unexpected and mismatched.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file can't be read or doesn't fit; nothing was changed.
        """
        report = load_weights(
            self.keras_model,
            filepath,
            exclude=exclude or (),
            strict=strict is not False,
        )
        logger.info("%s: %s", filepath, report.summary())
        self.set_log_dir(filepath)
        return report

    # Training

    def set_trainable(self, layer_regex: str, keras_model=None, verbose: int = 1):
        """Makes the layers whose full name matches trainable, all others not.

        Args:
            layer_regex: "heads", "3+", "4+", "5+", "all" or a regular expression.
            keras_model: another model than this one's.
            verbose: 1 prints the names.

        Returns:
            The names of the layers that train from the next `train` on.
        """
        names = layers.set_trainable(keras_model or self.keras_model, layer_regex)
        if verbose:
            inspection.log(f"Trainable layers: {', '.join(names)}")
        return names

    def train(
        self,
        train_dataset,
        val_dataset,
        learning_rate,
        epochs: int,
        layers: str,
        augmentation=None,
        custom_callbacks=None,
        no_augmentation_sources=None,
        *,
        resume: bool = False,
        optimizer: keras.optimizers.Optimizer | None = None,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 1,
    ) -> keras.callbacks.History:
        """Trains up to a total number of epochs and returns the History.

        May be called several times, each call with its own layers and rate: heads to
        epoch 20, then all to epoch 40.

        Args:
            train_dataset: a prepared Dataset.
            val_dataset: a prepared Dataset, or None for no validation.
            learning_rate: a number, which Config's LEARNING_RATE_* shape; None for
                LEARNING_RATE; or a Keras LearningRateSchedule.
            epochs: the total, counted from the first epoch of the run.
            layers: "heads", "3+" (ResNet stage 3 and up), "4+", "5+", "all" or a
                regular expression for full layer names.
            augmentation: an imgaug augmenter, an albumentations transform, or a
                callable (image, mask, rng) -> (image, mask); see
                `mrcnn.data.augmentation.augment`.
            custom_callbacks: Keras callbacks; at the end of an epoch they find its
                checkpoint written.
            no_augmentation_sources: sources whose images are not augmented.
            resume: continue the newest run in `model_dir` after its last complete
                epoch, with optimizer, learning rate and data order; a new run where
                there is none.
            optimizer: any Keras optimizer, which goes without `learning_rate`; None
                is the one Config's OPTIMIZER names, with its clipping and schedule.
            workers: threads or processes that load training batches; 0 loads each one
                when it is wanted. Validation has one thread of its own.
            use_multiprocessing: whether the workers are processes.
            verbose: 0 silent, 1 progress bar, 2 a line an epoch.

        Returns:
            The History: the five losses and `loss`, plain and `val_`; and
            `weighted_` ones when LOSS_WEIGHTS differ from 1.

        Raises:
            ValueError: mode isn't training, or data set and Config don't fit.
            NonFiniteLossError: the loss became infinite or NaN; names the images.
            Exception: whatever a worker raised, with the image's id and path added.
        """
        self._need("training", "train")
        return run_training(
            self,
            train_dataset,
            val_dataset,
            learning_rate,
            epochs,
            layers,
            augmentation=augmentation,
            custom_callbacks=custom_callbacks,
            no_augmentation_sources=no_augmentation_sources,
            resume=resume,
            optimizer=optimizer,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            verbose=verbose,
        )

    # Inference

    def detect(self, images, verbose: int = 0, masks: str | None = "full"):
        """Returns the objects found in each image.

        Args:
            images: a list of images (or [B, H, W, channels]), any sizes: arrays with
                values in 0..255, or paths of image files.
            verbose: 1 prints the number of images and of detections.
            masks: "full": bool [H0, W0, n]; "crop": a list of bool [y2-y1, x2-x1];
                "rle": a list of COCO run-length dicts, fit for json; None: no masks.

        Returns:
            A list of dicts: rois int32 [n, (y1, x1, y2, x2)], orig; class_ids int32
            [n]; scores float32 [n], falling; masks. An empty list gives [].

        Raises:
            ValueError: mode isn't inference, an image of another shape, an unknown
                form of masks.
        """
        self._need("inference", "detect")
        results = self._detector().detect(images, self.config, masks)
        if verbose:
            count = sum(len(result["rois"]) for result in results)
            inspection.log(f"{len(results)} images, {count} detections")
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
            inspection.log("molded_images", molded_images)
            inspection.log("image_metas", image_metas)
        detections, masks = self._detector().run(molded_images, image_metas)
        shape = np.shape(molded_images)[1:]
        full_window = (0, 0, *shape[:2])
        return [
            inference.unmold_detections(d, m, shape, shape, full_window)
            for d, m in zip(detections, masks, strict=True)
        ]

    def mold_inputs(self, images):
        """Returns images as the network takes them.

        Args:
            images: a list of images as in `detect`, which resize to one shape.

        Returns:
            molded_images float32 [B, H, W, channels], image_metas float32
            [B, 12 + C], windows int32 [B, 4], px.
        """
        channels = self.config.IMAGE_CHANNEL_COUNT
        molded = [
            inference.mold_image(inference.as_image(image, channels), self.config)
            for image in images
        ]
        return tuple(np.stack(part) for part in zip(*molded, strict=True))

    def unmold_detections(
        self, detections, mrcnn_mask, original_image_shape, image_shape, window
    ):
        """Returns (boxes, class_ids, scores, masks) of one image in orig.

        Args:
            detections: float32 [D, (y1, x1, y2, x2, class_id, score)], norm.
            mrcnn_mask: float32 [D, h, w, C], box.
            original_image_shape: (H0, W0, ...).
            image_shape: (H, W, ...) of the molded image.
            window: (y1, x1, y2, x2), px.
        """
        class_ids = np.asarray(detections)[:, 4].astype(np.int32)
        own_masks = np.asarray(mrcnn_mask)[np.arange(len(class_ids)), ..., class_ids]
        result = inference.unmold_detections(
            np.asarray(detections), own_masks, original_image_shape, image_shape, window
        )
        return tuple(result[k] for k in ("rois", "class_ids", "scores", "masks"))

    def _detector(self) -> inference.Detector:
        """Returns the detector of the present keras_model, made at its first use."""
        with self._lock:
            detector = self._made_detector
            if detector is None or detector.keras_model is not self.keras_model:
                detector = inference.Detector(self.keras_model)
                self._made_detector = detector
        return detector

    # Looking inside

    def get_anchors(self, image_shape) -> np.ndarray:
        """Returns the anchors of an image, float32 [A, 4], norm.

        They are those of the layer inside the graph, for notebooks. Keeps the same
        anchors in px in `self.anchors`.

        Args:
            image_shape: (H, W, ...) of a molded image.
        """
        config = self.config
        shapes = feature_shapes(config, image_shape)
        self.anchors = generate_pyramid_anchors(
            config.RPN_ANCHOR_SCALES,
            config.RPN_ANCHOR_RATIOS,
            shapes,
            config.BACKBONE_STRIDES,
            config.RPN_ANCHOR_STRIDE,
        )
        return norm_boxes(self.anchors, image_shape[:2])

    def run_graph(self, images, outputs, image_metas=None):
        """Returns the values that tensors inside the model take on images.

        Args:
            images: a list of images as in `detect`; molded ones when image_metas are
                given.
            outputs: pairs (name, tensor), tensor = `get_layer(name).output` of
                `keras_model` or the name of a layer.
            image_metas: float32 [B, 12 + C] that go with molded images.

        Returns:
            An OrderedDict of arrays by name; each is printed as well.
        """
        if image_metas is None:
            images, image_metas, _ = self.mold_inputs(images)
        inputs = [np.asarray(images, np.float32), np.asarray(image_metas, np.float32)]
        values = inspection.run_to(self.keras_model, outputs, inputs)
        for name, value in values.items():
            inspection.log(name, value)
        return values

    def get_trainable_layers(self) -> list[keras.layers.Layer]:
        """Returns the layers that have weights, nested ones included."""
        return layers.weighted_layers(self.keras_model)

    def _need(self, mode: str, method: str) -> None:
        if self.mode != mode:
            raise ValueError(
                f"{method}(): this model was made for mode={self.mode!r}; build one "
                f"with MaskRCNN(mode={mode!r}, config=..., model_dir=...)."
            )

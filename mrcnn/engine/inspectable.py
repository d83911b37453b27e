"""The part of MaskRCNN that looks inside: anchors, layers, tensors."""

from __future__ import annotations

import keras
import numpy as np

from mrcnn.engine import inspection, layer_groups
from mrcnn.geometry.coordinates import norm_boxes


class Inspectable:
    """What notebooks ask a MaskRCNN for; it sets `config` and `keras_model`."""

    config: object
    keras_model: keras.Model

    def __init__(self):
        """Starts with no anchors made."""
        self._anchor_cache: dict[tuple[int, ...], np.ndarray] = {}  # norm, by shape
        self._seen: tuple[tuple[int, ...] | None, np.ndarray | None] = (None, None)

    def set_trainable(
        self, layer_regex: str, keras_model=None, indent: int = 0, verbose: int = 1
    ) -> list[str]:
        """Makes the layers whose full name matches trainable, all others not.

        Args:
            layer_regex: "heads", "3+", "4+", "5+", "all" or a regular expression.
            keras_model: another model than this one's.
            indent: spaces before what is printed.
            verbose: 1 prints the names.

        Returns:
            The names of the layers that train from the next `train` on.
        """
        names = layer_groups.set_trainable(keras_model or self.keras_model, layer_regex)
        if verbose:
            inspection.log(f"{' ' * indent}Trainable layers: {', '.join(names)}")
        return names

    @property
    def anchors(self) -> np.ndarray | None:
        """Returns the anchors of the last molded image, float64 [A, 4], px, or None."""
        shape, anchors = self._seen
        if anchors is None and shape is not None:
            anchors = inspection.pixel_anchors(self.config, shape)
            self._seen = shape, anchors
        return anchors

    @anchors.setter
    def anchors(self, anchors) -> None:
        self._seen = None, anchors

    def _see(self, image_shape) -> None:
        """Notes whose anchors `anchors` are; they are made when someone looks."""
        if image_shape is not None and image_shape != self._seen[0]:
            self._seen = image_shape, None

    def get_anchors(self, image_shape) -> np.ndarray:
        """Returns the anchors of an image, float32 [A, 4], norm.

        They are those of the layer inside the graph, for notebooks; `self.anchors` are
        the same in px from then on.

        Args:
            image_shape: (H, W, ...) of a molded image.
        """
        shape = tuple(int(n) for n in image_shape)
        if shape not in self._anchor_cache:
            anchors = inspection.pixel_anchors(self.config, shape)
            self._seen = shape, anchors
            anchors = norm_boxes(anchors, shape[:2])
            anchors.setflags(write=False)  # who changed them changed the cache
            self._anchor_cache[shape] = anchors
        self._see(shape)
        return self._anchor_cache[shape]

    def run_graph(self, images, outputs, image_metas=None):
        """Returns the values that tensors inside the model take on images.

        Args:
            images: a list of images as in `detect`; molded ones when image_metas are
                given.
            outputs: pairs (name, tensor), tensor = `get_layer(name).output` of
                `keras_model`, the name of a layer, or what `ancestor` returns.
            image_metas: float32 [B, 12 + C] that go with molded images.

        Returns:
            An OrderedDict of arrays by name; each is printed as well.
        """
        if image_metas is None:
            images, image_metas, _ = self.mold_inputs(images)
        inputs = [np.asarray(images, np.float32), np.asarray(image_metas, np.float32)]
        self._see(inputs[0].shape[1:])
        values = inspection.run_to(self.keras_model, outputs, inputs)
        for name, value in values.items():
            inspection.log_all(name, value)
        return values

    def ancestor(self, tensor, name: str, checked=None):
        """Returns a tensor inside the model by its old name, to give to `run_graph`.

        Args:
            tensor: accepted for old scripts, which searched from here.
            name: "ROI/refined_anchors:0" and other steps, or the name of a layer; see
                `engine.inspection.find_tensor`.
            checked: accepted for old scripts.

        Raises:
            ValueError: there is no such tensor; the message lists those there are.
        """
        return inspection.find_tensor(self.keras_model, name)

    def find_trainable_layer(self, layer) -> keras.layers.Layer:
        """Returns the layer that holds the weights, inside any wrappers around it."""
        return layer_groups.unwrapped(layer)

    def get_trainable_layers(self) -> list[keras.layers.Layer]:
        """Returns the layers that have weights, nested ones included."""
        return layer_groups.weighted_layers(self.keras_model)

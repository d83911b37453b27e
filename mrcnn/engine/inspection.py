"""Looks inside a model: anchors, layers, tensors by name, their values."""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from collections.abc import Sequence

import keras
import numpy as np

from mrcnn.data import pixel_anchors
from mrcnn.engine import layer_groups
from mrcnn.geometry.arguments import as_list, as_numbers, as_sides, as_whole
from mrcnn.geometry.coordinates import norm_boxes
from mrcnn.nn.proposals import ProposalLayer, Proposals, ProposalSteps

# Layers of the old graph that have another name or place in ours.
OLD_LAYERS = {"input_anchors": "anchors", "output_rois": "proposal_targets"}
NMS_NAME = re.compile(r"rpn_non_max_suppression(/NonMaxSuppression(V\d)?)?")
PROPOSAL_STEPS = (*Proposals._fields, "post_nms_ix")


def log(text: str, array=None) -> None:
    """Prints a text and, of an array, shape, least and greatest value, and dtype."""
    if array is not None:
        array = as_numbers(array, "log(array)")
        text = f"{str(text):<25}shape: {str(array.shape):<20} "
        if array.size:
            text += f"min: {array.min():10.5f}  max: {array.max():10.5f}"
        else:
            text += f"min: {'':10}  max: {'':10}"
        text += f"  {array.dtype}"
    print(text)


def log_all(text: str, value) -> None:
    """Logs an array; of a list of arrays, each."""
    if not isinstance(value, list):
        log(text, value)
        return
    for i, part in enumerate(value):
        log_all(f"{text}[{i}]", part)


def run_to(
    keras_model: keras.Model, outputs: Sequence[tuple], inputs: Sequence[np.ndarray]
) -> OrderedDict[str, np.ndarray]:
    """Returns the values of any tensors of a model.

    Args:
        keras_model: a functional model.
        outputs: pairs (name to give the value, tensor). A tensor is a layer's
            `output`, or a name that `find_tensor` knows.
        inputs: the first inputs of the model, in its order.

    Returns:
        Arrays by name; a list of arrays where a layer has several outputs or is
        applied several times (those inside rpn_model: P2 first).

    Raises:
        ValueError: a name that no layer has, a name given twice, a tensor that is no
            part of the model or needs further inputs.
    """
    tensors: dict[str, object] = {}
    for name, tensor in outputs:
        if name in tensors:
            raise ValueError(
                f"run_graph(outputs): the name {name!r} comes twice, and one value "
                "would be lost; give each output a name of its own."
            )
        tensors[name] = _as_outer(keras_model, name, tensor)
    try:
        probe = keras.Model(keras_model.inputs[: len(inputs)], tensors)
    except ValueError as error:
        raise ValueError(
            f"run_graph(outputs={list(tensors)}): not all of these can be computed "
            f"from the inputs {[t.name for t in keras_model.inputs[: len(inputs)]]}: a "
            "tensor of another model, or of a training model behind its ground truth. "
            f"({error})"
        ) from error
    values = probe(list(inputs), training=False)
    return OrderedDict(
        (name, keras.tree.map_structure(np.asarray, values[name])) for name in tensors
    )


def find_tensor(keras_model: keras.Model, name: str):
    """Returns the symbolic tensor that a name stands for, fit for `run_to`.

    Scripts for the old package pass names of TensorFlow operations, which are looked
    up here: "ROI/pre_nms_anchors:0", "ROI/refined_anchors:0",
    "ROI/refined_anchors_clipped:0", "ROI/rpn_non_max_suppression:0" and its spellings
    (the survivors of NMS in the first image, int32 [n]), or "ROI/" and another field of
    `nn.proposals.Proposals`. Of any other layer, "<layer>" and "<layer>/<anything>"
    are its output.

    Args:
        keras_model: a functional model.
        name: see above; an ending ":0" is ignored.

    Returns:
        A KerasTensor; a list of them for a layer with several outputs, or one that is
        applied several times, as those in rpn_model are.

    Raises:
        ValueError: there is no such layer or step.
    """
    layer_name, _, step = re.sub(r":\d+$", "", name).partition("/")
    layer_name = OLD_LAYERS.get(layer_name, layer_name)
    layer = next((x for x in keras_model.layers if x.name == layer_name), None)
    if isinstance(layer, ProposalLayer) and step:
        step = "post_nms_ix" if NMS_NAME.fullmatch(step) else step
        if step not in PROPOSAL_STEPS:
            raise ValueError(
                f"ancestor(name={name!r}): {layer.name} has no such step; it has "
                f"{[f'{layer.name}/{field}' for field in PROPOSAL_STEPS]}."
            )
        config = layer.get_config()
        del config["name"]  # several may come into one graph: Keras counts them
        return ProposalSteps.from_config(config)(_calls(layer)[0][0])[step]
    found = _outputs_of(keras_model, layer_name)
    if not found:
        names = [layer.name for layer in _all_layers(keras_model)]
        near = difflib.get_close_matches(layer_name, names, n=5)
        raise ValueError(
            f"run_graph/ancestor: the model has no layer {layer_name!r} ({name!r})"
            f"{f'; perhaps one of {near}' if near else ''}. Its layers: "
            f"{', '.join(names)}; and the steps "
            f"{', '.join(f'ROI/{field}' for field in PROPOSAL_STEPS)}."
        )
    if layer_name == "proposal_targets" and name.startswith("output_rois"):
        return found[0][0]
    return found[0] if len(found) == 1 else found


class Inspectable:
    """The part of MaskRCNN that looks inside; MaskRCNN sets config and keras_model."""

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
            log(f"{' ' * indent}Trainable layers: {', '.join(names)}")
        return names

    @property
    def anchors(self) -> np.ndarray | None:
        """Returns the anchors of the last molded image, float64 [A, 4], px, or None."""
        shape, anchors = self._seen
        if anchors is None and shape is not None:
            anchors = pixel_anchors(self.config, shape)
            self._seen = shape, anchors
        return anchors

    @anchors.setter
    def anchors(self, anchors) -> None:
        self._seen = None, anchors

    def _see(self, image_shape) -> None:
        """Notes the shape that `anchors` belongs to; it is computed when first read."""
        if image_shape is not None and image_shape != self._seen[0]:
            self._seen = image_shape, None

    def get_anchors(self, image_shape) -> np.ndarray:
        """Returns the anchors of an image, float32 [A, 4], norm.

        They are those of the layer inside the graph, for notebooks; `self.anchors` are
        the same in px from then on.

        Args:
            image_shape: (H, W, ...) of a molded image.
        """
        where = "get_anchors(image_shape)"
        shape = tuple(as_whole(side, where) for side in as_list(image_shape, where))
        as_sides(shape, where)
        if shape not in self._anchor_cache:
            anchors = pixel_anchors(self.config, shape)
            self._seen = shape, anchors
            anchors = norm_boxes(anchors, shape[:2])
            anchors.setflags(write=False)  # a change would change the cache too
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
        values = run_to(self.keras_model, outputs, inputs)
        for name, value in values.items():
            log_all(name, value)
        return values

    def ancestor(self, tensor, name: str, checked=None):
        """Returns a tensor inside the model by its old name, to give to `run_graph`.

        Args:
            tensor: accepted for old scripts, which searched from here.
            name: "ROI/refined_anchors:0" and other steps, or the name of a layer; see
                `find_tensor`.
            checked: accepted for old scripts.

        Raises:
            ValueError: there is no such tensor; the message lists those there are.
        """
        return find_tensor(self.keras_model, name)

    def find_trainable_layer(self, layer) -> keras.layers.Layer:
        """Returns the layer that holds the weights, inside any wrappers around it."""
        return layer_groups.unwrapped(layer)

    def get_trainable_layers(self) -> list[keras.layers.Layer]:
        """Returns the layers that have weights, nested ones included."""
        return layer_groups.weighted_layers(self.keras_model)


def _as_outer(keras_model: keras.Model, name: str, tensor):
    """Returns an output that was passed to `run_graph` as tensors of the model."""
    if isinstance(tensor, str):
        return find_tensor(keras_model, tensor)
    if tensor is None:
        raise ValueError(
            f"run_graph(outputs): {name!r} is None; pass a layer's output or its name."
        )
    flat = keras.tree.flatten(tensor)
    for model in (x for x in keras_model.layers if isinstance(x, keras.Model)):
        inside = {id(operation) for operation in model.operations}
        if all(id(t._keras_history.operation) in inside for t in flat):
            found = _through(model, tensor)
            return found[0] if len(found) == 1 else found
    return tensor


def _calls(layer) -> list[tuple[list, list]]:
    """Returns (inputs, outputs) of each time a layer is applied in its graph."""
    # Keras gives the first call alone by public names.
    return [(n.input_tensors, n.output_tensors) for n in layer._inbound_nodes]


def _outputs_of(model: keras.Model, layer_name: str) -> list:
    """Returns the output of each call of a layer, wherever it is nested."""
    for layer in model.layers:
        if layer.name == layer_name:
            outputs = [list(out) for _, out in _calls(layer)]
            return [out[0] if len(out) == 1 else out for out in outputs]
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            if inner := _outputs_of(layer, layer_name):
                return [t for one in inner for t in _through(layer, one)]
    return []


def _through(model: keras.Model, inner) -> list:
    """Returns a tensor of a nested model once for each time the model is applied."""
    probe = keras.Model(model.inputs, inner)
    return [probe(inputs) for inputs, _ in _calls(model)]


def _all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    layers = []
    for layer in model.layers:
        layers.append(layer)
        if isinstance(layer, keras.Model):
            layers += _all_layers(layer)
    return layers

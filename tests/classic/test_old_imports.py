"""What scripts read through the modules of the old package, which imported it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mrcnn.model as modellib
from mrcnn import parallel_model, utils, visualize

OLD = {
    modellib: "os random datetime re math logging OrderedDict multiprocessing np tf "
    "keras K KB KL KE KM KI utils LooseVersion json itertools sys",
    utils: "sys os logging math random np tf scipy skimage urllib shutil warnings "
    "LooseVersion",
    visualize: "os sys logging random itertools colorsys np find_contours plt patches "
    "lines Polygon utils",
    parallel_model: "tf K KL KM",
}


@pytest.mark.parametrize("module", OLD, ids=lambda module: module.__name__)
def test_names_of_the_old_imports_are_there_and_in_import_star(module):
    names = OLD[module].split()
    assert all(getattr(module, name) is not None for name in names)
    scope = {}
    exec(f"from {module.__name__} import *", scope)
    assert set(names) <= set(scope) and set(module.__all__) <= set(scope)
    assert set(names) <= set(dir(module))


def test_they_are_what_scripts_do_with_them():
    import numpy as np

    class Layer(modellib.KE.Layer):
        pass

    assert issubclass(Layer, modellib.keras.layers.Layer)
    assert modellib.K.get_value(modellib.tf.Variable(2.0)) == 2.0
    assert modellib.KL.Conv2D is modellib.keras.layers.Conv2D
    assert modellib.utils is utils is visualize.utils and visualize.np is np
    assert utils.LooseVersion("2.10.0") > utils.LooseVersion("2.2")
    assert visualize.patches.Polygon is visualize.Polygon
    assert utils.skimage.transform.resize and utils.urllib.request.urlopen
    assert visualize.ROOT_DIR


def test_other_names_are_errors_that_say_where_to_look():
    with pytest.raises(AttributeError, match="'mrcnn.utils' has no attribute 'plt'$"):
        utils.plt  # noqa: B018
    with pytest.raises(AttributeError, match="use EvaluationCallback"):
        modellib.MeanAveragePrecisionCallback  # noqa: B018


def test_xml_is_known_after_utils():
    code = "import mrcnn.utils, xml; xml.etree.ElementTree.fromstring('<a/>')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

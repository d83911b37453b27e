from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
# To run notebooks/*.ipynb in an editor, and in the tests; JupyterLab brings its own.
NOTEBOOKS = ["ipykernel", "nbclient", "nbformat"]
# Trained models, their cards, and images to try them on.
BUNDLED = ["*.h5", "*.json", "*.md", "examples/*/*.md", "examples/*/*/*.png"]


def read_version() -> str:
    text = (ROOT / "mrcnn" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def read_requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    # Not `mrcnn`, which is somebody else's on the package index; the import stays.
    name="keras-mask-rcnn",
    version=read_version(),
    description="Mask R-CNN for Keras 3 and TensorFlow",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["mrcnn", "mrcnn.*"]),
    package_data={"mrcnn.pretrained": BUNDLED},
    entry_points={"console_scripts": ["mrcnn = mrcnn.cli.main:main"]},
    python_requires=">=3.10",
    install_requires=read_requirements(),
    extras_require={
        # Frozen at this version. It asks for opencv-python-headless, which imaug has
        # brought beside opencv-python already: no second cv2 comes in.
        "albumentations": ["albumentations>=2.0.8"],
        "tensorboard": ["tensorboard"],
        # For `make docs`, which installs them. MkDocs 2 takes none of these settings.
        "docs": ["mkdocs>=1.6,<2", "mkdocstrings[python]>=1.0"],
        "notebooks": NOTEBOOKS,
        "dev": [
            *NOTEBOOKS,
            "albumentations>=2.0.8",
            "hypothesis",
            "pytest",
            "pytest-cov",
            "pytest-timeout",
            "pytest-xdist",
            "pyyaml",
            "ruff",
            "scipy",
            "setuptools",
            "tensorboard",
        ],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: MIT License",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    keywords="mask-rcnn instance-segmentation object-detection keras tensorflow",
)

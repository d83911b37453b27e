"""Tests of mrcnn/geometry; a package, so that other rooms may use the same names."""

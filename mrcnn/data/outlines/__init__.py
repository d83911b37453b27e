"""An object as it was annotated: polygons, run lengths, shapes, mask files.

`shapes` has the outlines that are drawn, `mask_files` those that are stored as images,
`annotation` an outline with its class.
"""

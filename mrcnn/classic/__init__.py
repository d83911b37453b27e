"""Names of the old package that need a Config or an old shape; only doors import them.

Each is a thin form of what a room does: `tensors` (`*_graph` functions on tensors),
`layers` and `graphs` (layers and sub-graphs), `losses`, `targets`, `generators`
(batches as rows of arrays), `images`, `downloads`, `parallel`. No algorithm lives
here. `tensors`, `images`, `downloads` and `parallel` import no TensorFlow.
"""

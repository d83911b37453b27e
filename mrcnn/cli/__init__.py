"""The `mrcnn` command: one file a sub-command, each with `add` and `run`.

`add` describes the arguments, `run` does the work and returns the exit code. TensorFlow
is imported in `run` alone, after arguments and paths were checked.
"""

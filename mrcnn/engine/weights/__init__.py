"""Weight files: finding, reading, loading and saving them, and the files beside them.

What happens in `model.load_weights("coco")`, file by file:

1. `weight_sources` finds the file that is meant; `bundled` knows those that come with
   the package, `checkpoints` those of runs, `imagenet` those of keras.applications.
2. `weight_files` reads its tensors; `weight_layouts` finds their names. `hdf5_files`
   refuses files that would read others or fill the memory, and compares checksums.
3. `weight_loading` makes them fit the model, and `model_weights` puts them into it.
4. `trained_with` warns where the Config differs from that of their training.

`run_config` writes and reads the Config and class names beside a weight file,
`weight_shapes` finds values of a Config in the weight file itself, `optimizer_state`
saves what continues a training besides the weights.
"""

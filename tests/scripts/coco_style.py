"""COCO, written as scripts for the old package were.

    python tests/scripts/coco_style.py train --dataset=coco --model=none
    python tests/scripts/coco_style.py evaluate --dataset=coco --model=last

The network is a stub: this is about calls, not about COCO.
"""

import os
import sys
import time

import imgaug
import numpy as np
from pycocotools import mask as maskUtils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

ROOT_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(ROOT_DIR)  # To find local version of the library

from mrcnn import model as modellib  # noqa: E402
from mrcnn import utils  # noqa: E402
from tests.engine.tiny import StubConfig  # noqa: E402

DEFAULT_LOGS_DIR = os.path.join(ROOT_DIR, "logs")
DEFAULT_DATASET_YEAR = "2017"


class CocoConfig(StubConfig):
    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80  # COCO has 80 classes
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 128
    MAX_GT_INSTANCES = 20
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1


class CocoDataset(utils.Dataset):
    def load_coco(
        self,
        dataset_dir,
        subset,
        year=DEFAULT_DATASET_YEAR,
        class_ids=None,
        return_coco=False,
    ):
        name = f"{subset}{year}"
        coco = COCO(f"{dataset_dir}/annotations/instances_{name}.json")
        image_dir = f"{dataset_dir}/{name}"
        if class_ids:
            image_ids = set()
            for class_id in class_ids:
                image_ids.update(coco.getImgIds(catIds=[class_id]))
        else:
            class_ids = sorted(coco.getCatIds())
            image_ids = coco.imgs.keys()
        for i in class_ids:
            self.add_class("coco", i, coco.loadCats(i)[0]["name"])
        for i in sorted(image_ids):
            found = coco.getAnnIds(imgIds=[i], catIds=class_ids, iscrowd=None)
            self.add_image(
                "coco",
                image_id=i,
                path=os.path.join(image_dir, coco.imgs[i]["file_name"]),
                width=coco.imgs[i]["width"],
                height=coco.imgs[i]["height"],
                annotations=coco.loadAnns(found),
            )
        return coco if return_coco else None

    def load_mask(self, image_id):
        image_info = self.image_info[image_id]
        if image_info["source"] != "coco":
            return super().load_mask(image_id)
        masks, class_ids = [], []
        for annotation in image_info["annotations"]:
            category = "coco.{}".format(annotation["category_id"])
            class_id = self.map_source_class_id(category)
            if not class_id:
                continue
            m = self.annToMask(annotation, image_info["height"], image_info["width"])
            if m.max() < 1:  # smaller than a pixel
                continue
            masks.append(m)
            # A crowd is marked by the negative of its class.
            class_ids.append(-class_id if annotation["iscrowd"] else class_id)
        if not class_ids:
            return super().load_mask(image_id)
        mask = np.stack(masks, axis=2).astype(bool)
        return mask, np.array(class_ids, dtype=np.int32)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        return "http://cocodataset.org/#explore?id={}".format(info["id"])

    def annToRLE(self, ann, height, width):
        segm = ann["segmentation"]
        if isinstance(segm, list):
            return maskUtils.merge(maskUtils.frPyObjects(segm, height, width))
        if isinstance(segm["counts"], list):
            return maskUtils.frPyObjects(segm, height, width)
        return segm

    def annToMask(self, ann, height, width):
        return maskUtils.decode(self.annToRLE(ann, height, width))


def build_coco_results(dataset, image_ids, rois, class_ids, scores, masks):
    results = []
    if rois is None:
        return results
    for image_id in image_ids:
        for i in range(rois.shape[0]):
            class_id = class_ids[i]
            y1, x1, y2, x2 = np.around(rois[i], 1)
            rle = maskUtils.encode(np.asfortranarray(masks[:, :, i]))
            results.append(
                {
                    "image_id": image_id,
                    "category_id": dataset.get_source_class_id(class_id, "coco"),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": scores[i],
                    "segmentation": rle,
                }
            )
    return results


def evaluate_coco(model, dataset, coco, eval_type="bbox", limit=0, image_ids=None):
    image_ids = image_ids or dataset.image_ids
    if limit:
        image_ids = image_ids[:limit]
    coco_image_ids = [dataset.image_info[i]["id"] for i in image_ids]

    t_prediction, results = 0, []
    for i, image_id in enumerate(image_ids):
        image = dataset.load_image(image_id)
        t = time.time()
        r = model.detect([image], verbose=0)[0]
        t_prediction += time.time() - t
        results.extend(
            build_coco_results(
                dataset,
                coco_image_ids[i : i + 1],
                r["rois"],
                r["class_ids"],
                r["scores"],
                r["masks"].astype(np.uint8),
            )
        )
    coco_results = coco.loadRes(results)
    cocoEval = COCOeval(coco, coco_results, eval_type)
    cocoEval.params.imgIds = coco_image_ids
    cocoEval.evaluate()
    cocoEval.accumulate()
    cocoEval.summarize()
    print(f"Average {t_prediction / len(image_ids):.2f}/image")
    return cocoEval.stats


def main(argv=None):
    import argparse

    parser = argparse.ArgumentParser(description="Train Mask R-CNN on MS COCO.")
    parser.add_argument("command", help="'train' or 'evaluate' on MS COCO")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--year", default=DEFAULT_DATASET_YEAR)
    parser.add_argument("--model", required=True, help="a file, 'last' or 'none'")
    parser.add_argument("--logs", default=DEFAULT_LOGS_DIR)
    parser.add_argument("--limit", default=500, type=int)
    args = parser.parse_args(argv)

    if args.command == "train":
        config = CocoConfig()
    else:

        class InferenceConfig(CocoConfig):
            GPU_COUNT = 1
            IMAGES_PER_GPU = 1
            DETECTION_MIN_CONFIDENCE = 0

        config = InferenceConfig()
    config.display()
    mode = "training" if args.command == "train" else "inference"
    model = modellib.MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    if args.model.lower() != "none":
        last = args.model.lower() == "last"
        model_path = model.find_last() if last else args.model
        print("Loading weights ", model_path)
        model.load_weights(model_path, by_name=True)

    if args.command == "train":
        dataset_train = CocoDataset()
        dataset_train.load_coco(args.dataset, "train", year=args.year)
        dataset_train.prepare()
        dataset_val = CocoDataset()
        dataset_val.load_coco(args.dataset, "val", year=args.year)
        dataset_val.prepare()
        augmentation = imgaug.augmenters.Fliplr(0.5)
        print("Training network heads")
        model.train(
            dataset_train,
            dataset_val,
            learning_rate=config.LEARNING_RATE,
            epochs=1,
            layers="heads",
            augmentation=augmentation,
        )
        return model
    dataset_val = CocoDataset()
    coco = dataset_val.load_coco(args.dataset, "val", year=args.year, return_coco=True)
    dataset_val.prepare()
    return [
        evaluate_coco(model, dataset_val, coco, kind, limit=args.limit)
        for kind in ("bbox", "segm")
    ]


if __name__ == "__main__":
    main()
